"""
The part of the Bot API that the driver uses, as data: https://core.telegram.org/bots/api

``bot_api.json`` has the parameters of methods and the members of types: ``"!"`` where it is required, then
what it may be, parted by ``|``. ``python -m tests.oracle telegram`` proves that aiogram's models say the same.
"""

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "bot_api.json"
SPEC: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
_PLAIN = {"Integer": int, "String": str, "Boolean": bool, "Float": (int, float), "Object": dict}
_ARRAY = "Array of "


def complaints(
    method: str, params: dict[str, Any], files: Any = (), *, in_json: bool = True
) -> list[str]:
    """What is wrong with a call; in a form everything but text is written as JSON."""
    members = SPEC["methods"].get(method)
    if members is None:
        return [f"there is no method {method}"]
    if not in_json:
        params = {name: _written(members.get(name, ""), value) for name, value in params.items()}
    given = {**params, **dict.fromkeys(files, ...)}
    return _members(members, given, method)


def of_type(name: str, value: Any) -> list[str]:
    """What is wrong with a value that should be of this type."""
    return _members(SPEC["types"][name], value, name)


def _written(wanted: str, value: str) -> Any:
    if "String" in wanted.removeprefix("!").split("|"):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _members(members: dict[str, str], given: Any, where: str) -> list[str]:
    if not isinstance(given, dict):
        return [f"{where}: {given!r} is no object"]
    wrong = [f"{where}: {name} is unknown" for name in given if name not in members]
    for name, wanted in members.items():
        if name in given:
            wrong += _value(wanted.removeprefix("!"), given[name], f"{where}.{name}")
        elif wanted.startswith("!"):
            wrong.append(f"{where}: {name} is missing")
    return wrong


def _value(wanted: str, value: Any, where: str) -> list[str]:
    if value is ...:
        return [] if "InputFile" in wanted else [f"{where}: no file is taken here"]
    if wanted.startswith(_ARRAY):
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        inner = wanted.removeprefix(_ARRAY).replace(" or ", "|")
        return [one for item in value for one in _value(inner, item, where)]
    for kind in wanted.split("|"):
        plain = _PLAIN.get(kind)
        fits = plain is not None and isinstance(value, plain)
        if fits and isinstance(value, bool) == (kind == "Boolean"):
            return []
        if plain is None and kind in SPEC["types"] and not of_type(kind, value):
            return []
    return [f"{where}: {value!r} is no {wanted}"]
