"""
JSON from outside: walk freely, tame before use.

Walking never fails; taming does, and says where: ``$.text.content: wanted text, got null``.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Self

from bridge.errors import Malformed

_ABSENT = object()
_NO_FIELDS: Mapping[str, object] = {}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_DIGITS = 20
# Milliseconds, in the year 2109: up to here a float of seconds is exact to the microsecond.
_EXACT_IN_SECONDS = 2**42
_SHOWN = 40
# Lone surrogates survive JSON but not encoding; NUL and the other controls survive neither a
# terminal nor SQLite tools. Newline and tab are text.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_BIDI_OR_BREAK = re.compile("[\t\n\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean_text(text: str) -> str:
    """``text`` without what breaks encodings, terminals and logs; CR LF becomes LF."""
    if text.isprintable():  # isprintable() is false for surrogates and controls, true for CJK
        return text
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def clean_name(name: str) -> str:
    """A name on one line, without direction overrides: it stands before other people's text."""
    if name.isprintable():
        return name.strip()
    return _BIDI_OR_BREAK.sub(" ", clean_text(name)).strip()


class Wild:
    """
    A value that we did not make. It can be walked, but not used, until it is tamed.

    ``wild.text_at("x")`` is ``wild["x"].text()``, and so with the others, but the step to ``x`` is only
    made where it is needed: to say what is wrong there, or to look at what is not in its usual form.
    """

    __slots__ = ("_fields", "_parent", "_step", "_value")

    def __init__(self, value: object, parent: "Wild | None" = None, step: str | int = "$") -> None:
        self._value = value
        self._fields = value if type(value) is dict else _NO_FIELDS
        self._parent = parent
        self._step = step

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Raises `Malformed` for anything that is not one JSON value in UTF-8."""
        try:
            return cls(_decode(body.decode("utf-8")))
        except (ValueError, RecursionError) as e:
            raise Malformed(f"not JSON: {e}") from e

    def __getitem__(self, key: str) -> "Wild":
        return Wild(self._fields.get(key, _ABSENT), self, key)

    def has(self, key: str) -> bool:
        """Whether ``self[key]`` is there: not absent, and not ``null``."""
        return self._fields.get(key) is not None

    def __iter__(self) -> Iterator["Wild"]:
        """The items of a list; none if there is no list."""
        if isinstance(self._value, list):
            for i, item in enumerate(self._value):
                yield Wild(item, self, i)

    @property
    def path(self) -> str:
        """Where this value stands, like ``$.text.content``."""
        if self._parent is None:
            return str(self._step)
        step = f"[{self._step}]" if isinstance(self._step, int) else f".{self._step}"
        return self._parent.path + step

    @property
    def missing(self) -> bool:
        """Absent, or ``null``."""
        return self._value is _ABSENT or self._value is None

    @property
    def is_text(self) -> bool:
        return isinstance(self._value, str)

    @property
    def is_object(self) -> bool:
        return isinstance(self._value, dict)

    def text(self, default: str | None = None) -> str:
        """A text, cleaned of what cannot be encoded or printed."""
        if isinstance(self._value, str):
            return clean_text(self._value)
        if default is not None and self.missing:
            return default
        raise self._wanted("text")

    def text_at(self, key: str, default: str | None = None) -> str:
        found = self._fields.get(key)
        if type(found) is str:
            return found if found.isprintable() else clean_text(found)
        return self[key].text(default)

    def name(self, default: str | None = None) -> str:
        """A text that a person chose to be called by: one line, no direction marks."""
        return clean_name(self.text(default))

    def name_at(self, key: str, default: str | None = None) -> str:
        found = self._fields.get(key)
        if type(found) is str and found.isprintable():
            return found.strip()
        return self[key].name(default)

    def identifier(self) -> str:
        """A text that names something: never empty, never altered."""
        if isinstance(self._value, str) and self._value and self._value.isprintable():
            return self._value
        raise self._wanted("an identifier")

    def identifier_at(self, key: str) -> str:
        found = self._fields.get(key)
        if type(found) is str and found and found.isprintable():
            return found
        return self[key].identifier()

    def number(self, default: int | None = None) -> int:
        """A whole number; platforms write it with and without quotes."""
        number = _whole_number(self._value)
        if number is not None:
            return number
        if default is not None and self.missing:
            return default
        raise self._wanted("a whole number")

    def number_at(self, key: str) -> int:
        number = _whole_number(self._fields.get(key))
        return self[key].number() if number is None else number

    def flag(self, default: bool = False) -> bool:
        """True or false; platforms write it with and without quotes."""
        if isinstance(self._value, bool):
            return self._value
        if self._value in ("true", "false"):
            return self._value == "true"
        if self.missing:
            return default
        raise self._wanted("true or false")

    def flag_at(self, key: str) -> bool:
        found = self._fields.get(key)
        return found if isinstance(found, bool) else self[key].flag()

    def time(self, default: datetime | None = None) -> datetime:
        """A moment, given in milliseconds since 1970."""
        if default is not None and self.missing:
            return default
        milliseconds = self.number()
        try:
            return _EPOCH + timedelta(milliseconds=milliseconds)
        except OverflowError:
            raise self._wanted("a time in milliseconds") from None

    def time_at(self, key: str, default: datetime | None = None) -> datetime:
        found = self._fields.get(key)
        if type(found) is int and 0 <= found < _EXACT_IN_SECONDS:
            return datetime.fromtimestamp(found / 1000, UTC)
        return self[key].time(default)

    def _wanted(self, what: str) -> Malformed:
        got = "nothing" if self._value is _ABSENT else _shown(self._value)
        return Malformed(f"{self.path}: wanted {what}, got {got}")


def _whole_number(value: object) -> int | None:
    if isinstance(value, str):
        decimal = value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS
        return int(value) if decimal else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _shown(value: object) -> str:
    """The beginning of a value; of nested ones only the kind, for they may be nested very deep."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return json.dumps(value)[:_SHOWN]


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_no_constant)


def _decode(text: str) -> object:
    # What programs write has no white space around it, which decode() would search for twice.
    if text.startswith("{") and text.endswith("}"):
        value, end = _decoder.raw_decode(text)
        if end == len(text):
            return value
    return _decoder.decode(text)
