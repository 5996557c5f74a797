"""The tokens of the API in config.json: read, resolved, checked, and never shown."""

import json

import pytest
from jsonschema import Draft202012Validator

from bridge.config.schemas import config_schema
from bridge.i18n import speaker
from bridge.model import RateLimit
from bridge.problems.show import show_all
from tests.reading import CHAT, CONFIG, errors, read

TOKEN = "0123456789abcdef-token"


def api(**fields):
    return {**CONFIG, "global": {"api": fields}}


def tokens(**one):
    return api(tokens={"ci": {"token": TOKEN, "scopes": ["send"], **one}})


def test_without_tokens_there_are_none(tmp_path):
    """The API is off until somebody writes one."""
    assert {} == read(tmp_path).config.global_.api.tokens


def test_a_token_is_read_with_its_scopes(tmp_path):
    """As a value or as a reference; either way it is masked wherever it turns up."""
    written = tokens(token={"env": "CI_TOKEN"}, scopes=["read", "send"])
    reading = read(tmp_path, written, environ={"CI_TOKEN": TOKEN})
    one = reading.config.global_.api.tokens["ci"]

    assert (TOKEN, {"read", "send"}) == (one.token, one.scopes)
    assert TOKEN in reading.config.secrets
    assert TOKEN not in repr(reading.config)
    assert TOKEN in read(tmp_path, tokens()).config.secrets


def test_the_pace_is_read_as_a_rate(tmp_path):
    assert RateLimit(20, 60.0) == read(tmp_path, api(rate="20/1m")).config.global_.api.rate
    assert RateLimit(600, 60.0) == read(tmp_path).config.global_.api.rate


@pytest.mark.parametrize(
    ("written", "code", "said"),
    [
        (tokens(token="short"), "E105", '"token" must have at least 16 characters'),
        (tokens(scopes=[]), "E105", '"scopes" is empty'),
        (tokens(scopes=["sent"]), "E104", "send"),
        (tokens(scopes="send"), "E101", "scopes"),
        (tokens(tokn="x"), "E102", "tokn"),
        (api(tokens={"ci": {"scopes": ["send"]}}), "E103", "token"),
        (api(tokens={"ci": TOKEN}), "E101", "ci"),
        (api(token={}), "E102", "tokens"),
        (tokens(token={"env": "NOBODY_SET_IT"}), "E205", "NOBODY_SET_IT"),
        (tokens(token=f"{TOKEN} "), "E208", "white space"),
    ],
)
def test_slips_are_told_without_the_token(tmp_path, written, code, said):
    """The line is shown, but not what is secret in it."""
    reading = read(tmp_path, json.dumps(written))
    shown = show_all(reading.problems, speaker("en"))

    assert code in [problem.code for problem in errors(reading)]
    assert said in shown
    assert TOKEN not in shown
    assert TOKEN not in show_all(reading.problems, speaker("zh"))


def test_a_slip_elsewhere_on_the_line_does_not_show_the_token(tmp_path):
    """One-line files are common in containers."""
    written = json.dumps({**tokens(), "unheard_of": {}})
    shown = show_all(read(tmp_path, written).problems, speaker("en"))

    assert "unheard_of" in shown
    assert TOKEN not in shown


def test_editors_accept_a_reference_for_a_token():
    """The schema that they are given says what the reader takes."""
    schema = config_schema([CHAT])
    good = {"global": tokens(token={"env": "CI_TOKEN"})["global"]}

    Draft202012Validator(schema).validate(good)
    assert not Draft202012Validator(schema).is_valid({"global": tokens(token={"evn": "X"})["global"]})
