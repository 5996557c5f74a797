"""One version of both files, taken together; and what another version would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import TypeVar

from bridge.config import Config, Global, Instance
from bridge.desk import Difference
from bridge.model import InstanceId
from bridge.problems import Problem
from bridge.routing import Router

_READ_AT_ANY_TIME = frozenset({"delivery", "language", "proxy", "api"})
"""Keys of ``global`` that a reload puts in force; the others need a restart."""

_KEYS = {"capacity": "journal"}
"""Fields of `Global` that the file calls by another name."""

T = TypeVar("T")

_NOT_MEANT = frozenset({"line", "file"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What runs: every message is planned under exactly one. ``warnings`` are of its files."""

    number: int
    config: Config
    router: Router
    loaded_at: datetime
    rules_file: str = "rules.json"
    warnings: tuple[Problem, ...] = ()


def difference(old: Generation, config: Config, router: Router, started_with: Global) -> Difference:
    """From ``old`` to the other files. ``started_with`` is what the daemon was started with."""
    before, after = _by_id(old.router), _by_id(router)
    running, wanted = _enabled(old.config), _enabled(config)
    return Difference(
        rules_added=_only(after, before),
        rules_removed=_only(before, after),
        rules_changed=tuple(id_ for id_ in after if id_ in before and after[id_] != before[id_]),
        rules_moved=[id_ for id_ in after if id_ in before] != [id_ for id_ in before if id_ in after],
        instances_added=_only(wanted, running),
        instances_removed=_only(running, wanted),
        instances_changed=tuple(id_ for id_ in wanted if id_ in running and wanted[id_] != running[id_]),
        restart_needed=tuple(
            _KEYS.get(field.name, field.name)
            for field in fields(Global)
            if field.name not in _READ_AT_ANY_TIME
            and getattr(config.global_, field.name) != getattr(started_with, field.name)
        ),
    )


def _by_id(router: Router) -> dict[str, object]:
    return {rule.id: _meaning(rule) for rule in router.rules}


def _enabled(config: Config) -> dict[InstanceId, Instance]:
    return {id_: one for id_, one in config.instances.items() if one.enabled}


def _only(these: Mapping[T, object], those: Mapping[T, object]) -> tuple[T, ...]:
    return tuple(name for name in these if name not in those)


def _meaning(value: object) -> object:
    """
    What can be compared: two rules that say the same are equal, wherever they stand in the file.
    Compiled patterns are compared by their text, functions not at all.
    """
    if is_dataclass(value):
        return tuple(
            _meaning(getattr(value, field.name))
            for field in fields(value)
            if field.name not in _NOT_MEANT
        )
    if isinstance(value, tuple | list):
        return tuple(_meaning(one) for one in value)
    if isinstance(value, Mapping):
        return {key: _meaning(one) for key, one in value.items()}
    if hasattr(value, "pattern"):
        return value.pattern
    return None if callable(value) else value
