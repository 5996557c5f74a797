"""Blocks of addresses: objects by instance, whose values are one address or a list of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Self

from bridge.config import Known
from bridge.model import AddressForm, ConversationRef, InstanceId
from bridge.phrases import Phrase, phrase
from bridge.problems import did_you_mean, listed, quoted
from bridge.problems.document import Node
from bridge.problems.reader import LONGEST_LIST, Reader
from bridge.routing import AnyOf, FromMessage

EVERY = "*"
FROM_MESSAGE = ("user_id", "conversation")
_FIELD = re.compile(r"\{(\w*)\}")


class Side(Enum):
    """Where a block stands, and so what its addresses may be."""

    SOURCE = auto()
    """``from``: wildcards, but nothing about sending."""
    CHANNEL = auto()
    """``channels``: a source and a target at once."""
    TARGET = auto()
    """``to``: may be made from the message."""
    GIVEN = auto()
    """The place of one message, in a test."""


@dataclass(frozen=True, slots=True)
class Address:
    """One conversation, or many; ``msg`` is how this target wants its messages."""

    where: ConversationRef | AnyOf | FromMessage
    node: Node
    msg: Node | None = None


@dataclass(frozen=True, slots=True)
class _Forms:
    """How the conversations of one instance are written; made once, asked for each address."""

    forms: tuple[AddressForm, ...]
    names: tuple[str, ...]
    required: frozenset[str]
    what: Phrase
    of: Phrase

    @classmethod
    def of_instance(cls, id_: InstanceId, forms: tuple[AddressForm, ...]) -> Self:
        names = [name for form in forms for name in (*form.required, *form.optional)]
        return cls(
            forms,
            tuple(dict.fromkeys(names)),
            frozenset(name for form in forms for name in form.required),
            phrase("the address of {name}", name=quoted(id_)),
            phrase("keys of an address of {name}", name=quoted(id_)),
        )

    def fitting(self, given: Mapping[str, Node]) -> AddressForm | None:
        for form in self.forms:
            if all(name in given for name in form.required) and all(
                name in form.required or name in form.optional for name in given
            ):
                return form
        return None


@dataclass(slots=True)
class AddressReader:
    """``known`` None: config.json is not readable, so nothing can be said of instances."""

    reader: Reader
    known: Mapping[InstanceId, Known] | None
    _forms: dict[InstanceId, _Forms] = field(default_factory=dict)

    def block(self, node: Node, key: str, side: Side, *, warn: bool) -> list[Address]:
        """Every address of a block that is right; ``warn`` of instances that are switched off."""
        hint = phrase(
            'write {{"instance": {{…}}}}: the name of an instance of config.json, then its address'
        )
        instances = self.reader.members(node, quoted(key), hint)
        if instances is None:
            return []
        if not instances:
            self.reader.report("E103", node, phrase("{key} names no instance", key=quoted(key)), hint)
        return [
            address
            for name, inner in instances.items()
            for address in self._instance(InstanceId(name), inner, side, warn=warn)
        ]

    def knows(self, id_: InstanceId, node: Node) -> bool:
        """Reports an instance that config.json has not."""
        if self.known is None or id_ in self.known:
            return True
        close = did_you_mean(id_, self.known)
        self.reader.report(
            "E301",
            node.name,
            phrase("{name} is not an instance of config.json", name=quoted(id_)),
            phrase("did you mean {name}?", name=quoted(close))
            if close
            else phrase("name one of these, or add the instance to config.json"),
            label=phrase("not a known instance"),
            fields=phrase("instances: {names}", names=listed(self.known) or "–")
            if len(self.known) <= LONGEST_LIST
            else None,
        )
        return False

    def _instance(self, id_: InstanceId, node: Node, side: Side, *, warn: bool) -> Iterator[Address]:
        if not self.knows(id_, node) or self.known is None:
            return
        known = self.known[id_]
        if warn and not known.enabled:
            self.reader.report(
                "W301",
                node.name,
                phrase("instance {name} is switched off in config.json", name=quoted(id_)),
                phrase('nothing comes from it, and what goes to it waits; set "enabled": true there'),
                warning=True,
            )
        if known.spec is None or known.settings is None:
            return
        if id_ not in self._forms:
            self._forms[id_] = _Forms.of_instance(id_, known.spec.addresses(known.settings))
        for inner in node.value if isinstance(node.value, list) else [node]:
            address = self._address(id_, self._forms[id_], inner, side)
            if address is not None:
                yield address

    def _address(self, id_: InstanceId, forms: _Forms, node: Node, side: Side) -> Address | None:
        if not isinstance(node.value, dict):
            self.reader.wrong_kind(node, "object", forms.what, _example(forms.forms))
            return None
        members = node.value
        before = len(self.reader.problems)
        names = forms.names
        if side in (Side.TARGET, Side.CHANNEL):
            names = (*names, "msg")
        elif "msg" in members:
            self.reader.report(
                "E102",
                members["msg"].name,
                phrase('"msg" has no meaning where messages come from'),
                phrase('move it to the rule, or to an address in "to"'),
            )
            members = {name: inner for name, inner in members.items() if name != "msg"}
        right = dict(self.reader.known(members, names, forms.what, required=forms.required, of=forms.of))
        msg = right.pop("msg", None)
        form = forms.fitting(right)
        if form is None:
            if len(self.reader.problems) == before:
                self._report_incomplete(node, forms.what, forms.forms, right)
            return None
        values = {name: self._text(inner, name) for name, inner in right.items()}
        if None in values.values():
            return None
        texts = {name: value for name, value in values.items() if value is not None}
        where = self._where(id_, form, texts, right, side)
        return Address(where, node, msg) if where is not None else None

    def _text(self, node: Node, name: str) -> str | None:
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            return str(node.value)  # chat ids that are numbers are written as numbers, too
        text = self.reader.text(node, quoted(name))
        if text is None:
            return None
        if not text or text != text.strip():
            self.reader.report(
                "E208",
                node,
                phrase("{key} is empty", key=quoted(name))
                if not text.strip()
                else phrase("the value of {key} has white space around it", key=quoted(name)),
                phrase("write the id as the platform shows it; ids are case-sensitive"),
            )
            return None
        return text

    def _where(
        self,
        id_: InstanceId,
        form: AddressForm,
        values: dict[str, str],
        nodes: dict[str, Node],
        side: Side,
    ) -> ConversationRef | AnyOf | FromMessage | None:
        if EVERY in values.values():
            return self._every(id_, form, values, nodes, side)
        made = [name for name, value in values.items() if _FIELD.search(value)]
        if made and not all(self._check_fields(nodes[name], values[name], side) for name in made):
            return None
        if made:
            return FromMessage(id_, form, values)
        try:
            return ConversationRef(id_, form.conversation(values))
        except (ValueError, KeyError) as e:
            self.reader.report(
                "E302",
                next(iter(nodes.values())),
                phrase("{name} has no such conversation: {reason}", name=quoted(id_), reason=str(e)),
            )
            return None

    def _every(
        self,
        id_: InstanceId,
        form: AddressForm,
        values: dict[str, str],
        nodes: dict[str, Node],
        side: Side,
    ) -> AnyOf | None:
        first = next(nodes[name] for name, value in values.items() if value == EVERY)
        if side is not Side.SOURCE:
            self.reader.report(
                "E303",
                first,
                phrase('"*" stands for every conversation, in "from" only'),
                phrase("list the conversations one by one"),
                phrase('for one way, write "from" and "to" in place of "channels"')
                if side is Side.CHANNEL
                else phrase('to answer where a message came from, write "{{conversation}}"'),
            )
            return None
        if set(values.values()) != {EVERY}:
            self.reader.report(
                "E303",
                first,
                phrase('"*" is for a whole address: the other keys must be "*", too'),
                phrase("list the conversations one by one"),
            )
            return None
        return AnyOf(id_, form.name)

    def _check_fields(self, node: Node, value: str, side: Side) -> bool:
        for found in _FIELD.finditer(value):
            name = found.group(1)
            if side is Side.TARGET and name in FROM_MESSAGE:
                continue
            where = (
                self.reader.document.within(node, found.start(), len(found.group()))
                if isinstance(node.value, str)
                else node.span
            )
            if side is not Side.TARGET:
                self.reader.report(
                    "E304",
                    where,
                    phrase(
                        '{name} is made from a message, so it can stand in "to" only', name=found.group()
                    ),
                    phrase("write the id of the conversation"),
                )
                return False
            close = did_you_mean(name, FROM_MESSAGE)
            self.reader.report(
                "E304",
                where,
                phrase("{name} cannot stand in an address", name=found.group()),
                *([phrase("did you mean {name}?", name=f"{{{close}}}")] if close else []),
                fields=phrase("one of: {names}", names=listed(f"{{{name}}}" for name in FROM_MESSAGE)),
            )
            return False
        return True

    def _report_incomplete(
        self, node: Node, what: Phrase, forms: tuple[AddressForm, ...], given: Mapping[str, Node]
    ) -> None:
        if not given:
            self.reader.report(
                "E309",
                node,
                phrase("{what} is empty, but it has more than one conversation", what=what),
                _example(forms),
            )
            return
        best = max(forms, key=lambda form: len(given.keys() & {*form.required, *form.optional}))
        if missing := [name for name in best.required if name not in given]:
            message = phrase("{what} is incomplete: {names} is missing", what=what, names=listed(missing))
        else:
            extra = [name for name in given if name not in (*best.required, *best.optional)]
            message = phrase(
                "{what} names two conversations at once: {one} and {other}",
                what=what,
                one=listed(name for name in given if name not in extra),
                other=listed(extra),
            )
        self.reader.report("E302", node, message, _example(forms))


def _example(forms: tuple[AddressForm, ...]) -> Phrase:
    written = [
        "{" + ", ".join(f'"{name}": "…"' for name in form.required or form.optional[:1]) + "}"
        for form in forms
    ]
    return phrase("write {examples}; several addresses stand in a list […]", examples=listed(written))
