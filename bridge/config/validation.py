"""
One object of config.json against its schema, in our own words.

First the tree is made plain: names are put right, references are resolved, and every path remembers
its node. Then jsonschema looks at the plain value, and what it says becomes problems with places.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from bridge.config import units
from bridge.config.references import KEYS, References, Unresolved
from bridge.config.schemas import Schema, accepts
from bridge.phrases import Phrase, phrase
from bridge.problems import did_you_mean, listed, quoted
from bridge.problems.document import Node
from bridge.problems.reader import Reader, kind_in_words, kind_of, remedy

Path = tuple[str | int, ...]

_ABOUT_A_VALUE = {"E205", "E206", "E208"}
"""A secret is missing, or has a space behind it: which conversations there are is clear all the same."""

FORMATS = FormatChecker(formats=())
"""Only our own formats are checked: what a word means must not depend on installed libraries."""

_UNITS: dict[str, Callable[[object], object]] = {
    "duration": units.duration,
    "timeout": units.timeout,
    "size": units.size,
    "rate": units.rate,
}
_TYPES = {
    "object": "object", "array": "list", "string": "text", "boolean": "flag",
    "integer": "number", "number": "number", "null": "null",
}  # fmt: skip
_FORMAT_HINTS = {
    "duration": phrase('write it like "90s", "5m" or "24h", or as a number of seconds'),
    "timeout": phrase('write it like "15s" or "1m"; it must be more than none'),
    "size": phrase('write it like "256KiB" or "20MB", or as a number of bytes'),
    "rate": phrase('write it like "20/1m": 20 in any minute'),
    "uri": phrase('write all of it: "https://host/path"'),
    "network": phrase('write it like "127.0.0.1" or "10.0.0.0/8"'),
}


def _reads(unit: Callable[[object], object]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        if value is None or not isinstance(value, str | int | float):
            return True  # its type is complained of elsewhere
        unit(value)
        return True

    return check


for _name, _unit in _UNITS.items():
    FORMATS.checks(_name, raises=ValueError)(_reads(_unit))
FORMATS.checks("uri")(lambda value: not isinstance(value, str) or units.is_url(value))
FORMATS.checks("network", raises=ValueError)(
    lambda value: not isinstance(value, str) or bool(ipaddress.ip_network(value, strict=False))
)


@dataclass(slots=True)
class Checked:
    """
    A plain value and where its parts stand. ``holes`` are paths whose reference could not be
    resolved: reported already, and worth no second complaint. ``good`` is false after any error,
    ``sound`` only after one that is about more than a text's value.
    """

    value: dict[str, Any]
    nodes: dict[Path, Node] = field(default_factory=dict)
    holes: set[Path] = field(default_factory=set)
    referenced: dict[Path, str] = field(default_factory=dict)
    good: bool = True
    sound: bool = True

    def node(self, path: Path) -> Node:
        """The node at ``path``, or the nearest one that contains it."""
        while path and path not in self.nodes:
            path = path[:-1]
        return self.nodes[path]


@dataclass(slots=True)
class Validation:
    """``secret`` names top-level keys whose values are never shown."""

    reader: Reader
    references: References
    what: Phrase
    fields_of: Phrase
    secret: frozenset[str] = frozenset()

    def check(self, node: Node, schema: Schema) -> Checked:
        """``node`` is an object; problems go to the reader."""
        before = len(self.reader.problems)
        checked = Checked({})
        value = self._plain(node, schema, (), checked)
        checked.value = value if isinstance(value, dict) else {}
        errors = Draft202012Validator(schema, format_checker=FORMATS).iter_errors(checked.value)
        for error in errors:
            path = tuple(error.absolute_path)
            if not any(path[: len(hole)] == hole for hole in checked.holes):
                self._report(error, path, checked)
        errors_found = [p.code for p in self.reader.problems[before:] if not p.warning]
        checked.good = not errors_found
        checked.sound = set(errors_found) <= _ABOUT_A_VALUE
        return checked

    def _plain(self, node: Node, schema: Schema, path: Path, checked: Checked) -> object:
        checked.nodes[path] = node
        value = node.value
        if isinstance(value, dict):
            if path and not accepts(schema, "object") and accepts(schema, "string"):
                return self._resolved(node, value, path, checked)
            return self._object(value, schema, path, checked)
        if isinstance(value, list):
            items = schema.get("items", {})
            items = items if isinstance(items, Mapping) else {}
            return [
                self._plain(item, items, (*path, number), checked) for number, item in enumerate(value)
            ]
        if isinstance(value, str) and path and not schema.get("x-verbatim"):
            self._check_space(node, value, path)
        return value

    def _object(
        self, members: dict[str, Node], schema: Schema, path: Path, checked: Checked
    ) -> dict[str, object]:
        properties: Mapping[str, Schema] = schema.get("properties", {})
        others = schema.get("additionalProperties", {})
        if others is False:
            aliases = {
                alias: name for name, inner in properties.items() for alias in inner.get("x-aliases", ())
            }
            members = self.reader.known(
                members,
                tuple(properties),
                self.what if not path else phrase("{name}", name=quoted(path[-1])),
                required=schema.get("required", ()),
                aliases=aliases,
                of=self.fields_of if not path else phrase("fields of {name}", name=quoted(path[-1])),
            )
        others = others if isinstance(others, Mapping) else {}
        return {
            name: self._plain(member, properties.get(name, others), (*path, name), checked)
            for name, member in members.items()
        }

    def _resolved(self, node: Node, members: dict[str, Node], path: Path, checked: Checked) -> object:
        """The text behind a reference; a hole where there is none."""
        checked.holes.add(path)
        names = [name for name in members if name in KEYS]
        inner = members[names[0]] if len(names) == 1 == len(members) else None
        if inner is None or not isinstance(inner.value, str) or not inner.value:
            wrong = next((name for name in members if name not in KEYS), "")
            close = did_you_mean(wrong, KEYS) if wrong else ""
            self.reader.report(
                "E207",
                members[wrong].name if wrong else node,
                phrase("{key} is neither a text nor a reference to one", key=quoted(path[-1])),
                phrase("did you mean {name}?", name=quoted(close))
                if close
                else phrase(
                    'write a text, {{"env": "NAME"}}, {{"file": "path"}} or {{"credential": "name"}}'
                ),
            )
            return ""
        try:
            text = self.references.resolve(names[0], inner.value)
        except Unresolved as e:
            self.reader.report(e.code, inner, e.message, e.hint)
            return ""
        if text != text.strip():
            self.reader.report(
                "E208",
                inner,
                phrase(
                    "the value of {key} that this names has white space around it", key=quoted(path[-1])
                ),
                phrase("remove the space or line break there: printf %s 'the-value' > file writes none"),
            )
            return ""
        checked.holes.discard(path)
        checked.referenced[path] = text
        return text

    def _check_space(self, node: Node, value: str, path: Path) -> None:
        if value == value.strip():
            return
        at = 0 if value[:1].isspace() else len(value.rstrip())
        length = len(value) - len(value.lstrip()) if at == 0 else len(value) - at
        self.reader.report(
            "E208",
            self.reader.document.within(node, at, length),
            phrase("the value of {key} has white space around it", key=quoted(path[-1])),
            phrase("remove the white space inside the quotes"),
            label=phrase("this is part of the value"),
        )

    def _report(self, error: ValidationError, path: Path, checked: Checked) -> None:
        rule: Any = error.validator_value
        node = checked.node(path)
        name = quoted(path[-1] if path else "")
        if error.validator == "required":
            self._report_missing(error, path, node)
        elif error.validator == "type":
            self._report_type(error, path, node)
        elif error.validator in ("enum", "const"):
            choices = rule if error.validator == "enum" else [rule]
            self.reader.choice(node, name, [choice for choice in choices if isinstance(choice, str)])
        elif error.validator == "format":
            self._report_format(error, path, node)
        else:
            self.reader.report("E105", node, self._limit(error, path), *self._example(error.schema))

    def _report_missing(self, error: ValidationError, path: Path, node: Node) -> None:
        what = self.what if not path else phrase("{name}", name=quoted(path[-1]))
        properties = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
        required: Any = error.validator_value
        present: Any = error.instance
        for name in required:
            if name in present:
                continue
            examples = properties.get(name, {}).get("examples", ())
            if name in self.secret:
                hint = phrase('add {name}: {{"env": "NAME"}} and set that variable', name=quoted(name))
            elif examples:
                hint = phrase("add {name}: {example}", name=quoted(name), example=quoted(examples[0]))
            else:
                hint = phrase("add {name}", name=quoted(name))
            self.reader.missing(node, what, name, hint)

    def _report_type(self, error: ValidationError, path: Path, node: Node) -> None:
        rule: Any = error.validator_value
        types: list[str] = [rule] if isinstance(rule, str) else rule
        wanted = [_TYPES[t] for t in types if t != "null" and t in _TYPES]
        what = quoted(path[-1] if path else "")
        if len(set(wanted)) == 1 and kind_of(node.value) != wanted[0]:
            hints = () if remedy(node, wanted[0]) else self._example(error.schema)
            self.reader.wrong_kind(node, wanted[0], what, *hints)
            return
        self.reader.report(
            "E101",
            node,
            phrase(
                "{what} cannot be {found}",
                what=what,
                found=phrase("a number with a fraction")
                if isinstance(node.value, float) and "integer" in types
                else kind_in_words(kind_of(node.value)),
            ),
            *self._example(error.schema),
        )

    def _report_format(self, error: ValidationError, path: Path, node: Node) -> None:
        name = str(error.validator_value)
        hint = _FORMAT_HINTS.get(name)
        self.reader.report(
            "E107" if name == "uri" else "E106",
            node,
            phrase("{what} cannot be {found}", what=quoted(path[-1]), found=self._shown(error, path)),
            *((hint,) if hint else self._example(error.schema)),
        )

    def _shown(self, error: ValidationError, path: Path) -> str | Phrase:
        # A URL may hold a password or a token, whatever its key is called.
        if (path and path[0] in self.secret) or "://" in str(error.instance):
            return phrase("this text")
        return quoted(error.instance)

    def _limit(self, error: ValidationError, path: Path) -> Phrase:
        what = quoted(path[-1]) if path else self.what
        limit = error.validator_value
        match error.validator:
            case "minimum" | "exclusiveMinimum":
                return phrase("{what} must be at least {limit}", what=what, limit=limit)
            case "maximum" | "exclusiveMaximum":
                return phrase("{what} must be at most {limit}", what=what, limit=limit)
            case "minLength" | "minItems" | "minProperties" if not error.instance:
                return phrase("{what} is empty", what=what)
            case "minLength":
                return phrase("{what} must have at least {limit} characters", what=what, limit=limit)
            case "uniqueItems":
                return phrase("{what} names something twice", what=what)
            case "dependentRequired":
                return phrase("{what} has keys that need others beside them", what=what)
            case "pattern":
                found = self._shown(error, path)
                return phrase("{what} cannot be {found}", what=what, found=found)
        return phrase("{what} is not valid here", what=what)

    @staticmethod
    def _example(schema: object) -> tuple[Phrase, ...]:
        examples = schema.get("examples", ()) if isinstance(schema, Mapping) else ()
        if not examples:
            return ()
        return (phrase("write it like {examples}", examples=listed(quoted(e) for e in examples)),)


def filled(value: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """A valid value with the schema's defaults, durations as seconds and sizes as bytes."""
    properties: Mapping[str, Schema] = schema.get("properties", {})
    result = dict(value)
    for name, inner in properties.items():
        if name not in result and "default" in inner:
            result[name] = inner["default"]
        if name not in result:
            continue
        unit = _UNITS.get(inner.get("format", ""))
        if unit is not None and result[name] is not None:
            result[name] = unit(result[name])
        elif isinstance(result[name], Mapping):
            result[name] = filled(result[name], inner)
    return result


def exposed(value: Mapping[str, Any], schema: Schema) -> list[str]:
    """Names of ``"format": "uri"`` whose URL is not encrypted and leaves this machine."""
    properties: Mapping[str, Schema] = schema.get("properties", {})
    return [
        name
        for name, inner in properties.items()
        if inner.get("format") == "uri" and units.is_exposed(value.get(name))
    ]
