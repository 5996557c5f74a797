"""What every folder of drivers/ holds, and that its parts agree with each other."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain, combinations
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import bridge.driver
from bridge.driver import Listen, Listener, MediaSource, Webhook
from bridge.model import Capabilities, Support, TextFormat
from tests.contract.cases import (
    DRIVERS,
    KINDS,
    PLATFORMS,
    ROOT,
    SECRET,
    WIRE_FILES,
    Behaviour,
    case_of,
    cases_of,
    platform_of,
    spec_of,
)

each_platform = pytest.mark.parametrize("platform", PLATFORMS)
each_kind = pytest.mark.parametrize("kind", KINDS)

HEADINGS = ("Set-up", "Limits", "Done, not done, left out")
ABILITIES = {"edit": "Editor", "recall": "Recaller", "reaction": "Reactor"}
"""Which protocol of bridge/driver.py a capability needs."""


def wire_files(platform: str, folder: str) -> dict[str, Any]:
    return {
        path.name: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((WIRE_FILES / platform / folder).glob("*.json"))
    }


def properties(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every key that an operator can write, at any depth."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}{name}", inner
        yield from properties(inner, f"{path}{name}.")


def inside(value: Any, key: str) -> Iterator[Any]:
    """Every value under ``key``, at any depth."""
    if isinstance(value, dict):
        yield from (inner for name, inner in value.items() if name == key)
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from inside(inner, key)


@each_platform
def test_the_front_door_is_there(platform: str) -> None:
    """
    A folder's name is its platform, and a case of the contract goes with it.
    """
    assert platform == spec_of(platform).platform
    assert case_of(platform) in cases_of(platform)


@each_platform
def test_the_schema_tells_an_operator_everything(platform: str) -> None:
    """
    A valid schema of draft 2020-12 that knows all its keys, each with words and a value to copy.
    """
    on_disk = json.loads((DRIVERS / platform / "schema.json").read_text(encoding="utf-8"))
    schema = spec_of(platform).schema

    assert on_disk == schema
    Draft202012Validator.check_schema(schema)
    assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]
    assert schema["additionalProperties"] is False
    for name, inner in properties(schema):
        where = f"drivers/{platform}/schema.json: {name}"
        assert inner.get("description", "").strip(), f"{where} has no description"
        assert "default" in inner or inner.get("examples"), f"{where} has neither default nor examples"
        values = [*inner.get("examples", ()), *([inner["default"]] if "default" in inner else [])]
        for value in values:
            Draft202012Validator(inner).validate(value)


@each_platform
def test_secrets_and_required_keys_are_in_the_schema(platform: str) -> None:
    """
    What is masked, and what must be given, are keys that exist.
    """
    spec = spec_of(platform)

    assert spec.secrets <= set(spec.schema["properties"])
    assert set(spec.schema.get("required", ())) <= set(spec.schema["properties"])


@each_kind
def test_the_settings_of_the_case_are_right(kind: str) -> None:
    """
    They pass the schema, nothing is complained about, and no complaint would show a secret.
    """
    spec, case = spec_of(kind), case_of(kind)

    Draft202012Validator(spec.schema).validate(case.settings)
    complaints = list(spec.check(case.settings))
    assert not [complaint for complaint in complaints if not complaint.warning]
    assert SECRET not in repr(complaints)


@each_kind
def test_complaints_show_no_secrets(kind: str) -> None:
    """
    Not even where a secret itself, or a text that holds one, is what is wrong.
    """
    spec, case = spec_of(kind), case_of(kind)
    for name, inner in spec.schema["properties"].items():
        if "string" in inner.get("type", ()) and "format" not in inner:
            wrong = {**case.settings, name: f" http://{SECRET}\r\n"}

            assert SECRET not in repr(list(spec.check(wrong))), f"the complaint about {name}"


@each_platform
def test_the_readme_says_what_an_operator_needs(platform: str) -> None:
    """
    Set-up, limits, what is done, and what is left out and why.
    """
    readme = DRIVERS / platform / "README.md"
    assert readme.is_file(), f"drivers/{platform}/README.md is missing"
    text = readme.read_text(encoding="utf-8")

    missing = [name for name in HEADINGS if not re.search(rf"^## {name}\b", text, re.MULTILINE)]

    assert not missing, f"drivers/{platform}/README.md has no heading ## {missing}"
    assert "https://" in text, f"drivers/{platform}/README.md names no page of the vendor"


@each_kind
def test_addresses_round_trip(kind: str) -> None:
    """
    The form of an address is found again from the conversation that it names.
    """
    spec, case = spec_of(kind), case_of(kind)
    forms = spec.addresses(case.settings)

    assert forms
    assert len(forms) == len({form.name for form in forms})
    conversations = []
    for form in forms:
        given = [(*form.required, *optional) for optional in subsets(form.optional)]
        for keys in given:
            for values in ("one", "two") if keys else ("",):
                conversation = form.conversation({key: f"{key}-{values}" for key in keys})
                assert conversation
                assert form.name == spec.form_of(conversation)
                conversations.append(conversation)
    assert len(conversations) == len(set(conversations)), "two addresses, one conversation"
    assert spec.form_of(case.conversation) in {form.name for form in forms}


def subsets(names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    return chain.from_iterable(combinations(names, size) for size in range(len(names) + 1))


@each_kind
def test_claims_and_abilities_agree(kind: str) -> None:
    """
    A driver claims natively what its protocols can do, no less and no more.
    """
    spec, case = spec_of(kind), case_of(kind)

    async def scenario() -> None:
        async with case.open(Behaviour.FINE) as stage:
            driver = stage.driver
            able = driver.capabilities
            for capability, name in ABILITIES.items():
                protocol = getattr(bridge.driver, name, None)
                can = protocol is not None and isinstance(driver, protocol)
                claims = getattr(able, capability) is Support.NATIVE
                assert can == claims, f"{capability}: claimed {claims}, {name} {can}"
            listens = isinstance(spec.listen(case.settings), Listen)
            assert listens == isinstance(driver, Webhook) == (case.signed is not None)
            refs = [ref for ref in inside(wire_files(platform_of(kind), "inbound"), "ref") if ref]
            hears = isinstance(driver, (Webhook, Listener))
            assert (hears and bool(refs)) == isinstance(driver, MediaSource), "ref needs a MediaSource"
            assert_measures(able)

    asyncio.run(scenario())


def assert_measures(able: Capabilities) -> None:
    """What `bridge.text.split` needs of a measure."""
    samples = ("", "a", "word " * 9, "消息", '"\\\n', "👨‍👩‍👧🇩🇪", "e\u0301")
    assert TextFormat.PLAIN in able.formats
    assert able.max_text >= 12 * able.measure("x"), "no room for a single character"
    for one in samples:
        for two in samples:
            both = able.measure(one + two)
            assert max(able.measure(one), able.measure(two)) <= both
            assert both <= able.measure(one) + able.measure(two)


@each_platform
@pytest.mark.parametrize("folder", ["inbound", "outbound"])
def test_every_wire_file_stands_beside_what_it_becomes(platform: str, folder: str) -> None:
    """
    ``x.json`` and ``x.expected.json``, and some of each.
    """
    names = set(wire_files(platform, folder))
    expected = {name for name in names if name.endswith(".expected.json")}
    bodies = names - expected
    where = (WIRE_FILES / platform / folder).relative_to(ROOT)

    if folder == "outbound" or case_of(platform).signed is not None:
        assert bodies, f"{where} is empty"
    lonely = {name for name in bodies if name.replace(".json", ".expected.json") not in expected}
    lonely |= {name for name in expected if name.replace(".expected.json", ".json") not in bodies}
    assert not lonely, f"{where}: {sorted(lonely)} have nothing beside them"
