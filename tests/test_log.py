"""What stands in the log, and what must not."""

import io
import json
import logging

import pytest
import structlog

from bridge.log import MASK, Redaction, set_up

SECRET = "s3cr3t-value-of-the-app"


@pytest.fixture(autouse=True)
def as_before():
    """Logging is set up for the whole process: put it back."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:], logging.root.level = handlers, level


def lines(level="info", form="json", secrets=(SECRET,)):
    """Set up logging into a string; a function that gives its lines."""
    stream = io.StringIO()
    set_up(level, form, Redaction(secrets), stream)
    return lambda: stream.getvalue().splitlines()


def test_an_event_is_one_line_of_json_with_time_and_level():
    logged = lines()
    structlog.get_logger().info("message.accepted", message="消息1", conversation="cid+/=")

    (line,) = logged()
    event = json.loads(line)
    assert ("message.accepted", "info", "消息1") == (event["event"], event["level"], event["message"])
    assert event["timestamp"].endswith("Z")
    assert "消息1" in line


@pytest.mark.parametrize(
    "values",
    [
        {"why": f"the token {SECRET} was refused"},
        {"app_secret": "anything"},
        {"headers": {"Authorization": "anything", "x": SECRET}},
        {"urls": ["https://x/?access_token=" + SECRET]},
        {"nested": {"deep": [{"sign": "anything"}]}},
        {"error": ValueError(SECRET)},
    ],
)
@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_masked_by_key_and_by_value(values, form):
    logged = lines(form=form)
    structlog.get_logger().warning("something.happened", **values)

    (line,) = logged()
    assert SECRET not in line
    assert "anything" not in line
    assert MASK in line


@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_masked_in_tracebacks(form):
    logged = lines(form=form)
    try:
        raise RuntimeError(f"cannot use {SECRET}")
    except RuntimeError:
        structlog.get_logger().exception("something.failed")

    said = "\n".join(logged())
    assert "RuntimeError" in said
    assert "test_log.py" in said
    assert SECRET not in said


def test_libraries_speak_through_the_same_log():
    """aiohttp and asyncio use the standard library's logging: also one line, also masked."""
    logged = lines()
    logging.getLogger("aiohttp.server").error("Error handling request %s", SECRET)
    logging.getLogger("aiohttp.access").info("noise")

    (line,) = logged()
    event = json.loads(line)
    assert ("library.logged", "aiohttp.server", "error") == (
        event["event"],
        event["library"],
        event["level"],
    )
    assert SECRET not in line


def test_what_is_below_the_level_is_not_even_made():
    """A value that cannot be shown would fail if anybody tried."""

    class Costly:
        def __str__(self):
            raise AssertionError("was rendered")

    logged = lines(level="warning")
    structlog.get_logger().info("delivery.sent", detail=Costly())

    assert [] == logged()


def test_short_values_are_no_secrets_to_look_for():
    """Masking every "a" would hide the log itself."""
    logged = lines(secrets=("a", "room"))
    structlog.get_logger().info("message.accepted", conversation="a room")

    assert "a room" in logged()[0]
