"""What services are given, and what their failures mean."""

import re

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from bridge.errors import Broken, DeliveryError, Indeterminate, Refused, Scope, Throttled, Transient
from bridge.model import TextFormat
from drivers.apprise.wire import Form, Manner, failure, letter, verdict
from tests.builders import an_outgoing
from tests.drivers.apprise.wire_files import given, names, wire

SECRET = "planted-5ecret"
REFUSED = (
    f"Socket Exception: HTTPConnectionPool(host='h', port=1): Max retries exceeded with url: /{SECRET} "
    "(Caused by NewConnectionError(': Failed to establish a new connection: [Errno 111]'))"
)
BROKEN_OFF = f"Socket Exception: ('Connection aborted.', RemoteDisconnected('{SECRET}'))"


def said(status: int) -> str:
    return f"Failed to send JSON POST notification to {SECRET}: Something, error={status}."


@pytest.mark.parametrize("name", names())
def test_a_message_is_written_in_the_form_that_the_service_reads(name: str) -> None:
    """
    Every outbound wire file becomes what stands beside it, in each of the three forms.
    """
    assert wire(f"outbound/{name}.expected.json") == given(wire(f"outbound/{name}.json"))


@any_of(st.text())
def test_plain_text_stays_as_it_is_where_nobody_can_be_pinged(text: str) -> None:
    """
    A service that reads plain text, and has no mentions, gets every character.
    """
    sheet = letter(an_outgoing(text), Form.TEXT, Manner(limit=4000, has_titles=True, pings=False))

    assert text == sheet.body


@any_of(
    st.text(st.sampled_from("@<!#&; \n*_`aehlnory你好"), max_size=30),
    st.sampled_from(
        ("@everyone", "@here", "<!channel>", "<@U1>", "<@&7>", "@ALL", "@所有人", "&lt;!here>")
    ),
    st.sampled_from(Form),
    st.sampled_from(TextFormat),
)
def test_nothing_that_people_type_pings_anybody(
    around: str, ping: str, form: Form, format_: TextFormat
) -> None:
    """
    Whatever stands around it, in a text and in a title, and however the service reads it.
    """
    outgoing = an_outgoing(around + ping + around, title=ping, format=format_)

    sheet = letter(outgoing, form, Manner(limit=4000, has_titles=False))

    both = f"{sheet.title} {sheet.body}"
    assert not re.search("@(everyone|here|all|所有人)|(<|&lt;)[@!]", both, re.IGNORECASE), both


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (301, Broken, "moved"),
        (400, Refused, "client_error"),
        (401, Broken, "unauthorized"),
        (403, Broken, "unauthorized"),
        (404, Broken, "not_found"),
        (408, Transient, "not_now"),
        (413, Refused, "client_error"),
        (429, Throttled, "rate_limited"),
        (500, Transient, "server_error"),
        (503, Transient, "server_error"),
    ],
)
def test_a_status_in_the_log_tells_what_to_do_next(
    status: int, kind: type[DeliveryError], reason: str
) -> None:
    """
    Apprise itself says only that it failed; its line for people names the status of the answer.
    """
    error = failure("JSON", ["Sending …", said(status)])

    assert (kind, reason) == (type(error), error.reason)
    assert str(status) in str(error)
    assert SECRET not in repr(error)
    if kind in (Broken, Throttled):
        assert Scope.INSTANCE is error.scope


@pytest.mark.parametrize(
    ("trouble", "kind", "reason"),
    [
        (f"(535, b'no, {SECRET}')", Broken, "unauthorized"),
        ("(451, b'later', 'b@example.com')", Transient, "server_error"),
        (f"{{'{SECRET}@example.com': (550, b'no such user')}}", Refused, "client_error"),
        ("(552, b'too large')", Refused, "client_error"),
        ("[Errno 111] Connection refused", Transient, "connect_failed"),
        ("Connection unexpectedly closed", Indeterminate, "no_answer"),
        ("timed out", Indeterminate, "no_answer"),
    ],
)
def test_a_mail_server_says_it_in_its_own_numbers(
    trouble: str, kind: type[DeliveryError], reason: str
) -> None:
    """
    They stand where other services have a broken connection: as smtplib's errors print themselves.
    """
    error = failure("E-Mail", [f"Socket Exception: {trouble}"])

    assert (kind, reason) == (type(error), error.reason)
    assert SECRET not in repr(error)


@pytest.mark.parametrize(
    ("lines", "kind", "reason"),
    [
        ([REFUSED], Transient, "connect_failed"),
        ([BROKEN_OFF], Indeterminate, "no_answer"),
        ([REFUSED, BROKEN_OFF], Indeterminate, "no_answer"),
        ([said(400), REFUSED], Transient, "connect_failed"),
        ([said(400), BROKEN_OFF], Indeterminate, "no_answer"),
        (["It did not work."], Indeterminate, "unknown"),
        ([], Indeterminate, "unknown"),
        ([said(400), said(503)], Transient, "server_error"),
        (["Response Details: 'error=9999 Connection refused'"], Indeterminate, "unknown"),
    ],
)
def test_what_is_not_known_is_not_claimed(
    lines: list[str], kind: type[DeliveryError], reason: str
) -> None:
    """
    "Nothing was sent" is said only where a connection was never made, or an answer said no.
    """
    error = failure("JSON", lines)

    assert (kind, reason) == (type(error), error.reason)
    assert SECRET not in repr(error)


def test_of_several_failures_the_one_that_needs_somebody_counts() -> None:
    """
    And it is said how many services have the message.
    """
    failures = [failure("A", [said(400)]), failure("B", [said(401)]), failure("C", [said(503)])]

    error = verdict(failures, 5)

    assert Broken is type(error)
    assert "unauthorized" == error.reason
    assert str(error).startswith("2 of 5 services have it; B answers 401")


@pytest.mark.parametrize(
    ("manner", "room", "titled"),
    [
        (Manner(limit=4000, has_titles=True), 4000, True),
        (Manner(limit=4000, has_titles=False), 3800, True),
        (Manner(limit=160, has_titles=False), 160, False),
        (Manner(limit=160, has_titles=True), 160, True),
        (Manner(limit=268_435_455, has_titles=True), 100_000, True),
    ],
)
def test_a_title_above_a_text_has_its_room(manner: Manner, room: int, titled: bool) -> None:
    """
    Where the service has no place for it; and where there is hardly room for the text, it is left out.
    """
    assert (room, titled) == (manner.max_text, manner.titled)
