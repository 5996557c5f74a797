"""What stands in the log, and what must not."""

import io
import json
import logging
import os

import pytest
import structlog

from bridge.log import FOLD_WINDOW, MASK, Folding, Logbook, Redaction, Unfailing, set_up
from tests.clock import FakeClock

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


class Logged:
    """Logging into a string, with folding, a feed, and a clock that a test moves."""

    def __init__(self, level="info"):
        self.clock = FakeClock()
        self.book = Logbook(self.clock, (SECRET,))
        self._stream = io.StringIO()
        set_up(
            level,
            "json",
            self.book.redaction,
            self._stream,
            folding=self.book.folding,
            keeping=self.book.keeping,
        )
        self.log = structlog.get_logger()

    @property
    def lines(self):
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


def test_what_repeats_is_told_once_with_a_count():
    """The same event with the same reason at the same place; the next line has the number."""
    logged = Logged()
    for number in range(100):
        logged.log.warning("delivery.retry_scheduled", reason="down", to="a/b", delivery=number)
    logged.log.warning("delivery.retry_scheduled", reason="down", to="a/c")
    logged.log.warning("delivery.retry_scheduled", reason="slow", to="a/b")
    first = len(logged.lines)
    logged.clock.advance(FOLD_WINDOW)
    logged.log.warning("delivery.retry_scheduled", reason="down", to="a/b", delivery="again")

    assert 3 == first
    assert ("again", 99) == (logged.lines[-1]["delivery"], logged.lines[-1]["repeated"])


def test_repeats_are_told_also_when_none_follows():
    """By the housekeeping: the last line says how often, with the newest facts."""
    logged = Logged()
    for number in range(5):
        logged.log.warning("delivery.retry_scheduled", reason="down", to="a/b", delivery=number)
    logged.book.folding.flush()
    early = len(logged.lines)
    logged.clock.advance(FOLD_WINDOW)
    logged.book.folding.flush()
    logged.book.folding.flush()

    assert (1, 2) == (early, len(logged.lines))
    assert (4, 4) == (logged.lines[-1]["repeated"], logged.lines[-1]["delivery"])


def test_what_is_not_listed_as_folded_is_told_every_time():
    """Each dead letter is a message that somebody misses."""
    logged = Logged()
    for _ in range(3):
        logged.log.warning("delivery.died", reason="down", to="a/b")

    assert 3 == len(logged.lines)


def test_the_feed_keeps_what_a_person_wants_to_see():
    """Warnings and what operators did, without secrets; not every message."""
    logged = Logged()
    logged.log.info("delivery.sent", to="a/b")
    logged.log.info("daemon.started")
    logged.log.error("destination.suspended", why=f"token {SECRET}", reason="token")

    kept = logged.book.feed.last
    assert ["destination.suspended", "daemon.started"] == [event.name for event in kept]
    assert f"token {MASK}" == kept[0].facts["why"]


def test_secrets_of_new_files_are_hidden_and_old_ones_stay_so():
    logged = Logged()
    logged.book.redaction.learn({"a-secret-of-the-new-file"})
    logged.log.info("daemon.started", said=f"{SECRET} a-secret-of-the-new-file")

    assert f"{MASK} {MASK}" == logged.lines[0]["said"]


def test_a_log_that_cannot_be_written_stops_nothing_and_tells_what_is_missing(tmp_path):
    """
    A full disk is no reason not to deliver; when a line gets through again, it says how many did not.
    """
    read_end, write_end = os.pipe()
    os.close(read_end)
    stream = Unfailing(write_end)
    folding = Folding(FakeClock())
    folding.stream = stream
    set_up("info", "json", Redaction(), stream, folding=folding)
    for _ in range(3):
        structlog.get_logger().info("daemon.started")
    folding.flush()
    assert stream.take_lost() == 0, "nothing gets through yet"

    file = tmp_path / "log"
    with file.open("wb") as room:
        os.dup2(room.fileno(), write_end)
    structlog.get_logger().info("daemon.started")
    folding.flush()
    folding.flush()
    os.close(write_end)

    first, second = map(json.loads, file.read_text("utf-8").splitlines())
    assert ("daemon.started", "log.lines_lost", 3) == (first["event"], second["event"], second["lines"])
