"""The JSON Schemas of both files: our part, and the platforms' merged into it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import Any

from bridge.driver import DriverSpec

Schema = Mapping[str, Any]


@cache
def _shipped(name: str) -> Schema:
    schema: Schema = json.loads(files("bridge").joinpath("schemas", name).read_text(encoding="utf-8"))
    return schema


def global_schema() -> Schema:
    """What ``global`` may hold."""
    schema: Schema = _shipped("config.schema.json")["$defs"]["global"]
    return schema


def common_schema() -> Schema:
    """The keys that every instance has, whatever its platform."""
    schema: Schema = _shipped("config.schema.json")["$defs"]["instance"]
    return schema


def instance_schema(spec: DriverSpec) -> dict[str, Any]:
    """A platform's own keys and the common ones; its own win where both have one."""
    schema = dict(spec.schema)
    schema["type"] = "object"
    own = spec.schema.get("properties", {})
    common = common_schema()["properties"]
    schema["properties"] = {**own, **{name: common[name] for name in common if name not in own}}
    schema["additionalProperties"] = False
    return schema


def config_schema(specs: Iterable[DriverSpec]) -> dict[str, Any]:
    """All of config.json, for editors: every platform, and references where a text may stand."""
    schema = deepcopy(dict(_shipped("config.schema.json")))
    for spec in specs:
        instance = _with_references(instance_schema(spec))
        instance.pop("$schema", None)
        instance.pop("$id", None)
        schema["properties"][spec.platform] = {
            "description": str(spec.schema.get("description", spec.platform)),
            "type": "object",
            "default": {},
            "examples": [],
            "additionalProperties": instance,
        }
    schema["$defs"]["global"] = _with_references(schema["$defs"]["global"])
    return schema


def rules_schema() -> dict[str, Any]:
    """All of rules.json. Instances and address keys are free there: only the reader knows them."""
    return deepcopy(dict(_shipped("rules.schema.json")))


def accepts(schema: Schema, kind: str) -> bool:
    """May a value of this JSON type (``string``, ``object`` …) stand here?"""
    types = schema.get("type")
    if types is None:
        return True
    return kind == types or (not isinstance(types, str) and kind in types)


def _with_references(schema: Schema) -> dict[str, Any]:
    changed = dict(schema)
    for key in ("properties", "patternProperties"):
        if key in changed:
            changed[key] = {name: _or_reference(inner) for name, inner in changed[key].items()}
    if isinstance(changed.get("additionalProperties"), Mapping):
        changed["additionalProperties"] = _or_reference(changed["additionalProperties"])
    return changed


def _or_reference(schema: Schema) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or accepts(schema, "object"):
        return _with_references(schema) if isinstance(schema, Mapping) else schema
    if not accepts(schema, "string"):
        return dict(schema)
    shown = {key: schema[key] for key in ("description", "default", "examples") if key in schema}
    rest = {key: value for key, value in schema.items() if key not in shown}
    return {**shown, "anyOf": [rest, {"$ref": "#/$defs/reference"}]}
