"""The OpenAPI document: whole, sound, and the same as the table that routes the requests."""

import json
import re

import pytest
from jsonschema import Draft202012Validator

from bridge.status.api_document import openapi
from bridge.status.api_operations import OPERATIONS, SCOPES
from tests.test_api_operations import ask_the_api

DOCUMENT = json.loads(json.dumps(openapi("1.2.3")))


def every(value, path="#"):
    """All values in a tree, with their place."""
    yield path, value
    inner = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, one in inner:
        yield from every(one, f"{path}/{key}")


def test_it_is_what_the_server_gives_and_needs_no_token():
    """A program can read it before it has one; it holds nothing but what stands in the source."""

    async def scenario(api, desk):
        assert {**DOCUMENT["info"], "version": api.document["info"]["version"]} == api.document["info"]
        assert DOCUMENT["paths"] == api.document["paths"]
        assert DOCUMENT["components"] == api.document["components"]
        assert "3.1.0" == api.document["openapi"]

    ask_the_api(scenario)


def test_every_reference_leads_somewhere():
    for place, value in every(DOCUMENT):
        if isinstance(value, dict) and "$ref" in value:
            target = DOCUMENT
            for step in value["$ref"].removeprefix("#/").split("/"):
                assert step in target, f"{place} refers to {value['$ref']}"
                target = target[step]


def test_every_component_is_used():
    """What nobody refers to is left over from something."""
    used = {
        value["$ref"].rpartition("/")[2]
        for _, value in every(DOCUMENT)
        if isinstance(value, dict) and "$ref" in value
    }

    assert set(DOCUMENT["components"]["schemas"]) == used


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_component_is_a_schema(name):
    Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"][name])


def test_operations_have_names_of_their_own():
    names = [one["operationId"] for path in DOCUMENT["paths"].values() for one in path.values()]

    assert len(names) == len(set(names))
    assert {one.name for one in OPERATIONS} | {"document"} == set(names)


def test_path_parameters_are_declared():
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            declared = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
            assert set(re.findall(r"\{(\w+)\}", path)) == declared


def test_scopes_are_the_ones_of_the_config_schema():
    """What the document names can be written into config.json, and the other way round."""
    from bridge.config.schemas import global_schema

    token = global_schema()["properties"]["api"]["properties"]["tokens"]["additionalProperties"]
    written = token["properties"]["scopes"]["items"]["enum"]
    used = {scope for one in OPERATIONS for scope in one.scopes}

    assert set(SCOPES) == set(written) == used


def test_no_two_operations_fight_for_a_request():
    shapes = [(one.method, re.sub(r"\{\w+\}", "{}", one.path)) for one in OPERATIONS]

    assert len(shapes) == len(set(shapes))
