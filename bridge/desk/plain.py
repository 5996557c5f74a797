"""Any of the desk's values as JSON: the same names as in the code, never translated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum

from bridge.journal import Ledger
from bridge.model import ConversationRef
from bridge.phrases import Phrase
from bridge.problems import Problem
from bridge.problems.show import as_json


def plain(value: object) -> object:
    """Moments become ISO 8601 in UTC, a destination ``instance/conversation``."""
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case ConversationRef() | Phrase():
            return str(value)
        case Problem():
            return as_json(value)
        case Ledger():
            return _fields(value) | {"balanced": value.balanced}
        case Mapping():
            return {str(plain(key)): plain(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(inner) for inner in value]
    if is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    return str(value)


def _fields(value: object) -> dict[str, object]:
    assert is_dataclass(value), "asked before"
    return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
