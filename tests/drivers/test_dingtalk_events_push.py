"""Encrypted events at the address of the robot: told apart, proven, answered, not taken twice."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from multidict import CIMultiDict

from bridge.errors import Malformed, Unverified
from bridge.model import Inbound, InboundRequest
from drivers.dingtalk.crypto import Envelope
from drivers.dingtalk.event_push import EventPush
from drivers.dingtalk.event_settings import check_events
from drivers.dingtalk.http_robot import HttpRobotDriver
from drivers.dingtalk.signature import sign
from tests.drivers.dingtalk.pair import SECRET, connected
from tests.drivers.dingtalk.wire_files import ACCOUNT, a_request, wire

CASES = {case["event"]: case["http_push"] for case in wire("events.json")}
TOKEN, AES_KEY, OWNER = (
    "simToken01",
    "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    "dingsimappkey0000001",
)
AT = datetime.fromtimestamp(1_760_000_100, UTC)
ENVELOPE = Envelope(TOKEN, AES_KEY)


def pushed(case: dict[str, Any], at: datetime = AT, **query: str | None) -> InboundRequest:
    """``query`` replaces parameters; None removes one."""
    given = {key: value for key, value in {**case["query"], **query}.items() if value is not None}
    return InboundRequest(
        "POST",
        "/dingtalk/event",
        CIMultiDict(given),
        CIMultiDict(),
        json.dumps(case["json"]).encode(),
        "127.0.0.1",
        at,
    )


def a_push(
    event: dict[str, Any], *, owner: str = OWNER, nonce: str = "n1", at: datetime = AT
) -> InboundRequest:
    """A push as DingTalk makes it, of any event."""
    timestamp = str(int(at.timestamp() * 1000))
    encrypted = ENVELOPE.seal(json.dumps(event).encode(), owner, b"0123456789abcdef")
    signature = ENVELOPE.signature(timestamp, nonce, encrypted)
    query = {"signature": signature, "timestamp": timestamp, "nonce": nonce}
    return pushed({"query": query, "json": {"encrypt": encrypted}}, at)


def an_event(event_id: str = "e1", kind: str = "chat_quit") -> dict[str, Any]:
    return {
        "EventType": kind,
        "eventId": event_id,
        "openConversationId": "cidA==",
        "userId": ["u1"],
        "operator": "u1",
    }


def push(**more: Any) -> EventPush:
    settings = {"owners": (OWNER,), "window": 300.0, "account": ACCOUNT, **more}
    return EventPush(TOKEN, AES_KEY, **settings)


def accept(door: EventPush | HttpRobotDriver, request: InboundRequest) -> tuple[Inbound, str]:
    """What the ingress does: verify, understand, answer; and what the answer says, decrypted."""
    door.verify(request)
    inbound = door.normalize(request)
    reply = door.reply(request, inbound, now=AT, nonce="0123456789abcdef")
    answer = json.loads(reply.body)
    assert 200 == reply.status
    if "encrypt" not in answer:
        return inbound, reply.body.decode()
    ENVELOPE.check(answer["msg_signature"], answer["timeStamp"], answer["nonce"], answer["encrypt"])
    opened = ENVELOPE.open(answer["encrypt"])
    assert "1760000100000" == answer["timeStamp"]
    assert "0123456789abcdef" == answer["nonce"]
    return inbound, opened.message.decode()


def with_driver(check: Callable[[HttpRobotDriver], None], **settings: Any) -> None:
    async def scenario() -> None:
        given = {"callback_token": TOKEN, "callback_aes_key": AES_KEY, **settings}
        async with connected(**given) as pair:
            check(pair.driver)

    asyncio.run(scenario())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_event_is_answered_with_an_encrypted_success(case: dict[str, Any]) -> None:
    """
    Relayed or only counted: anything else would make DingTalk send it again, or stop sending.
    """

    def check(driver: HttpRobotDriver) -> None:
        inbound, said = accept(driver, pushed(case))

        assert case["expected_reply_plaintext"] == said
        assert bool(inbound.envelopes) != bool(inbound.ignored)

    with_driver(check)


def test_the_console_may_check_the_address() -> None:
    """
    check_url comes when the address is saved; without the right answer the console refuses it.
    """
    assert (Inbound(ignored="event_check_url"), "success") == accept(
        push(), a_push({"EventType": "check_url"})
    )


@pytest.mark.parametrize(
    "query",
    [
        {"msg_signature": None},
        {"signature": None},
        {"timestamp": None, "timeStamp": CASES["robot_msg_read"]["query"]["timestamp"]},
    ],
)
def test_the_names_of_the_parameters_vary(query: dict[str, str | None]) -> None:
    """
    Older and newer pushes spell them differently.
    """
    inbound, said = accept(push(), pushed(CASES["robot_msg_read"], **query))

    assert ("event_robot_msg_read", "success") == (inbound.ignored, said)


@pytest.mark.parametrize(
    "query",
    [
        {"signature": "0" * 40},
        {"timestamp": "1760000100001"},
        {"timestamp": None},
        {"timestamp": "１７６０００００００００" + "0"},
        {"timestamp": "1760000100"},
        {"nonce": "other"},
        {"nonce": "n" * 200},
    ],
)
def test_what_is_not_signed_so_is_refused(query: dict[str, str | None]) -> None:
    """
    Signature, time and nonce belong together.
    """
    with pytest.raises(Unverified):
        push().verify(pushed(CASES["chat_add_member"], **query))


@pytest.mark.parametrize("seconds", [-300, 300, 86_400])
def test_an_old_or_early_push_is_refused(seconds: float) -> None:
    """
    A window, as for messages; just inside of it is fine.
    """
    inside = seconds - (1 if seconds > 0 else -1)
    if abs(inside) < 300:
        push().verify(a_push(an_event(), at=AT + timedelta(seconds=inside)))
    request = a_push(an_event())
    late = InboundRequest(*_fields(request)[:-1], AT + timedelta(seconds=seconds))
    with pytest.raises(Unverified, match="clock"):
        push().verify(late)


def _fields(request: InboundRequest) -> list[Any]:
    return [getattr(request, name) for name in request.__slots__]


def test_another_apps_event_is_refused() -> None:
    """
    The owner is inside of what is encrypted: our app, or our organization where that is known.
    """
    with pytest.raises(Unverified, match="another app"):
        push().verify(a_push(an_event(), owner="dingother"))
    with pytest.raises(Unverified, match="another app"):
        push(owners=(OWNER, "")).verify(a_push(an_event(), owner=""))

    door = push(owners=(OWNER, "dingcorp"))
    accept(door, a_push(an_event(), owner="dingcorp"))


def test_the_answer_is_for_whom_the_push_was() -> None:
    """
    DingTalk compares the owner of our answer, too.
    """
    door = push(owners=(OWNER, "dingcorp"))
    request = a_push(an_event(), owner="dingcorp")
    reply = door.reply(request, Inbound(ignored="x"), now=AT, nonce="n")

    assert "dingcorp" == ENVELOPE.open(json.loads(reply.body)["encrypt"]).owner


def test_what_was_answered_is_not_taken_twice() -> None:
    """
    Neither the very same request nor the same event under another nonce; both are answered.
    """
    door = push()
    first, _ = accept(door, a_push(an_event()))
    again, said = accept(door, a_push(an_event()))
    under_another_nonce, _ = accept(door, a_push(an_event(), nonce="n2"))
    another, _ = accept(door, a_push(an_event("e2"), nonce="n3"))

    assert first.envelopes
    assert ("event_repeated", "success") == (again.ignored, said)
    assert "event_repeated" == under_another_nonce.ignored
    assert another.envelopes


def test_what_could_not_be_kept_is_taken_when_it_comes_again() -> None:
    """
    A push that was refused because the journal was full is not a replay.
    """
    door = push()
    request = a_push(an_event())
    door.verify(request)
    assert door.normalize(request).envelopes

    assert door.normalize(request).envelopes


def test_memory_is_bounded() -> None:
    """
    The oldest is forgotten, by number and by time; the journal's dedupe stands behind.
    """
    door = push(remembered=4)
    for number in range(50):
        accept(door, a_push(an_event(f"e{number}"), nonce=f"n{number}"))

    assert 4 == len(door._answered)
    later = AT + timedelta(seconds=700)
    door.verify(a_push(an_event("late"), at=later))
    accept(door, a_push(an_event("late"), at=later))
    assert 2 == len(door._answered)


def test_events_and_messages_share_one_address() -> None:
    """
    A robot's message is held to its own signature, and answered in its own way.
    """

    def check(driver: HttpRobotDriver) -> None:
        stamp = str(int(AT.timestamp() * 1000))
        body = wire("inbound/text_group.json")
        message = a_request(body, timestamp=stamp, sign=sign(stamp, SECRET))
        message = InboundRequest(*_fields(message)[:-1], AT)
        inbound, said = accept(driver, message)
        assert inbound.envelopes
        assert '{"msgtype":"empty"}' == said

        with pytest.raises(Unverified, match="timestamp"):
            driver.verify(a_request(body))
        with pytest.raises(Malformed):  # claims to be an event, and is none
            driver.verify(pushed({"query": CASES["chat_add_member"]["query"], "json": body}))

    with_driver(check)


def test_without_keys_an_event_is_no_way_in() -> None:
    """
    It is held to the signature of a message, which it has not.
    """

    def check(driver: HttpRobotDriver) -> None:
        with pytest.raises(Unverified):
            driver.verify(pushed(CASES["chat_add_member"]))

    with_driver(check, callback_token=None, callback_aes_key=None)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"encrypt": 7}', b"\xff", b'{"encrypt": null}'])
def test_a_nasty_body_is_refused(body: bytes) -> None:
    """
    Nothing is decrypted, nothing crashes.
    """
    request = pushed(CASES["chat_add_member"])
    nasty = InboundRequest(*_fields(request)[:4], body, *_fields(request)[5:])

    with pytest.raises(Malformed):
        push().verify(nasty)


def test_no_secret_is_ever_said() -> None:
    """
    Not in a refusal, not in an answer.
    """
    refusals = []
    for request in (
        pushed(CASES["chat_add_member"], signature="0" * 40),
        a_push(an_event(), owner="dingother"),
        pushed(CASES["chat_add_member"], at=AT + timedelta(days=1)),
    ):
        with pytest.raises(Unverified) as caught:
            push().verify(request)
        refusals.append(repr(caught.value))
    answer = push().reply(a_push(an_event()), Inbound(ignored="x"), now=AT, nonce="n").body.decode()

    for secret in (TOKEN, AES_KEY):
        assert not [said for said in (*refusals, answer) if secret in said]


def codes(find: Callable[[str], object] = lambda name: name, **settings: Any) -> list[str]:
    return [complaint.code for complaint in check_events(settings, find)]


def test_half_a_subscription_is_an_error() -> None:
    """
    Both keys or neither, and a key that is one.
    """
    both = {"callback_token": TOKEN, "callback_aes_key": AES_KEY}

    assert [] == codes()
    assert [] == codes(**both)
    assert ["callback-keys"] == codes(callback_token=TOKEN)
    assert ["callback-keys"] == codes(callback_aes_key=AES_KEY)
    assert ["callback-aes-key"] == codes(**{**both, "callback_aes_key": AES_KEY[:-1]})


def test_a_missing_library_is_named_with_its_remedy() -> None:
    """
    Before the daemon starts, at the key that needs it.
    """
    settings = {"callback_token": TOKEN, "callback_aes_key": AES_KEY}
    (complaint,) = check_events(settings, lambda _name: None)

    assert "pip install 'msgbridge[dingtalk]'" == complaint.hint
    assert ("callback_token",) == complaint.path
    assert [] == codes(lambda _name: None)
