"""The webhook's bodies, signatures and answers, as values."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import standardwebhooks
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.errors import (
    Broken,
    DeliveryError,
    Malformed,
    Refused,
    Scope,
    Throttled,
    Transient,
    Unverified,
)
from bridge.model import InboundRequest, InstanceId
from drivers.webhook import DRIVER, wire
from drivers.webhook.signature import Signer, id_of, key_of
from tests.builders import a_sender, an_outgoing
from tests.clock import NOON
from tests.drivers.webhook.wire_files import a_request, names, outgoing_of, readable
from tests.drivers.webhook.wire_files import wire as wire_file

HOOK = InstanceId("hook")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def signed(body: bytes = b'{"text": "hello"}', secret: str = SECRET, **changed: str) -> InboundRequest:
    """A request with the right signature, unless ``changed`` replaces a header."""
    headers = dict(Signer(secret).headers("msg-1", body, NOON))
    return a_request(body, **{**headers, **{k.replace("_", "-"): v for k, v in changed.items()}})


@pytest.mark.parametrize("name", names("inbound"))
def test_inbound_wire_files_become_what_stands_beside_them(name: str) -> None:
    """
    What is documented is understood, with defaults, nulls and surplus keys.
    """
    request = a_request(wire_file(f"inbound/{name}.json"), webhook_id="msg-1")

    assert wire_file(f"inbound/{name}.expected.json") == readable(wire.normalize(request, HOOK))


@pytest.mark.parametrize("name", names("outbound"))
def test_outbound_wire_files_become_what_stands_beside_them(name: str) -> None:
    """
    Every key is always there, and a reference that only we can open never leaves.
    """
    body = wire.encode(outgoing_of(wire_file(f"outbound/{name}.json")))

    assert wire_file(f"outbound/{name}.expected.json") == json.loads(body)


def test_two_bridges_understand_each_other() -> None:
    """
    What goes out of one instance may come in at another, and says the same.
    """
    outgoing = outgoing_of(wire_file("outbound/everything.json"))
    plain = a_request(wire.encode(an_outgoing("hello", sender=a_sender("Ada"))))

    assert a_sender("Ada") == wire.normalize(plain, HOOK).envelopes[0].sender
    (envelope,) = wire.normalize(a_request(wire.encode(outgoing)), HOOK).envelopes

    assert outgoing.text == envelope.message.text
    assert outgoing.title == envelope.conversation_title
    assert outgoing.sender == envelope.sender
    assert (replace(outgoing.attachments[0], ref=""),) == envelope.message.attachments
    assert outgoing.destination.conversation == envelope.source.conversation
    assert id_of(outgoing.idempotency_key) == envelope.id


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "not JSON"),
        (b"\xff{}", "not JSON"),
        (b'{"text": NaN}', "not JSON"),
        ([], "$.text"),
        ("hello", "$.text"),
        ({"txt": "hello"}, "$.text"),
        ({"text": "  "}, "$.text"),
        ({"text": 7}, "$.text"),
        ({"text": "a", "id": ""}, "$.id"),
        ({"text": "a", "id": 7}, "$.id"),
        ({"text": "a", "id": "x" * 257}, "$.id"),
        ({"text": "a", "conversation": "*"}, "$.conversation"),
        ({"text": "a", "conversation": ["x"]}, "$.conversation"),
        ({"text": "a", "format": "html"}, "$.format"),
        ({"text": "a", "sender": "Ada"}, "$.sender"),
        ({"text": "a", "sender": {"avatar_url": "javascript:alert(1)"}}, "$.sender.avatar_url"),
        ({"text": "a", "quote": "q"}, "$.quote"),
        ({"text": "a", "time": "yesterday"}, "$.time"),
        ({"text": "a", "time": 10**19}, "$.time"),
        ({"text": "a", "attachments": {"url": "https://e.org"}}, "$.attachments"),
        ({"text": "a", "attachments": ["https://e.org"]}, "$.attachments[0].url"),
        ({"text": "a", "attachments": [{"url": "file:///etc/passwd"}]}, "$.attachments[0].url"),
        ({"text": "a", "attachments": [{"url": "ftp://e.org/a"}]}, "$.attachments[0].url"),
        ({"text": "a", "attachments": [{"url": "https://"}]}, "$.attachments[0].url"),
        ({"text": "a", "attachments": [{"url": "http://[::1"}]}, "$.attachments[0].url"),
        ({"text": "a", "attachments": [{"url": "http://e.org/a b"}]}, "$.attachments[0].url"),
        ({"text": "a", "attachments": [{"url": "http://e.org", "kind": "gif"}]}, "$.attachments[0].kind"),
        ({"text": "a", "attachments": [{"url": "http://e.org", "size": -1}]}, "$.attachments[0].size"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith(("$", "not")) else "",
)
def test_a_wrong_body_is_refused_with_its_place(body: Any, place: str) -> None:
    """
    Whoever writes a script is told where it is wrong.
    """
    with pytest.raises(Malformed) as caught:
        wire.normalize(a_request(body), HOOK)

    assert str(caught.value).startswith(place)


def test_without_any_id_every_post_is_a_message_of_its_own() -> None:
    """
    Two posts of the same words at different moments are not duplicates.
    """
    one = a_request({"text": "tick"})
    other = replace(one, received_at=NOON + timedelta(seconds=1))

    assert wire.normalize(one, HOOK).envelopes[0].id != wire.normalize(other, HOOK).envelopes[0].id


# --- signatures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [SECRET, "any text, 也可以", SECRET.rstrip("=") + "AAA"])
def test_what_we_sign_the_official_library_verifies(secret: str) -> None:
    """
    The library reads the clock itself, so this one test does too.
    """
    body = '{"text":"你好"}'.encode()
    headers = dict(Signer(secret).headers("d1:1", body, datetime.now(UTC)))

    standardwebhooks.Webhook(key_of(secret)).verify(body, headers)

    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(key_of(secret)).verify(body + b" ", headers)


@pytest.mark.parametrize("secret", [SECRET, "any text, 也可以"])
def test_a_right_signature_is_accepted(secret: str) -> None:
    """
    Alone, or among others while a sender changes its key.
    """
    Signer(secret).verify(signed(secret=secret))
    right = signed(secret=secret).headers["webhook-signature"]
    Signer(secret).verify(signed(secret=secret, webhook_signature=f"v1a,xyz v1,AAAA {right}"))


@pytest.mark.parametrize("away", [-300, 300])
def test_a_timestamp_at_the_edge_is_accepted(away: int) -> None:
    """
    Five minutes to either side are allowed.
    """
    request = replace(signed(), received_at=NOON + timedelta(seconds=away))

    Signer(SECRET).verify(request)


RIGHT = signed().headers["webhook-signature"]


@pytest.mark.parametrize(
    "request_",
    [
        a_request({"text": "hello"}),
        signed(webhook_id="msg-2"),
        signed(webhook_id=""),
        signed(webhook_id="消息"),
        signed(webhook_id="x" * 256),
        signed(webhook_timestamp=""),
        signed(webhook_timestamp=str(int(NOON.timestamp()) + 1)),
        signed(webhook_timestamp="1_763_640_000"),
        signed(webhook_timestamp="１７６３６４００００"),
        signed(webhook_timestamp=f"{NOON.timestamp()}"),
        signed(webhook_timestamp="999999999999"),
        signed(webhook_signature=""),
        signed(webhook_signature=RIGHT.removeprefix("v1,")),
        signed(webhook_signature=RIGHT.replace("v1,", "v2,")),
        signed(webhook_signature=RIGHT[:-1]),
        signed(webhook_signature=f"{RIGHT}é"),
        signed(webhook_signature="v1,é"),
        signed(webhook_signature="v1,\udcff"),
        signed(webhook_signature="v1,AAAA " * 16 + RIGHT),
        replace(signed(), body=b'{"text": "hellO"}'),
        replace(signed(), body=b"\xff\xfe"),
        replace(signed(), received_at=NOON + timedelta(seconds=301)),
        replace(signed(), received_at=NOON - timedelta(seconds=301)),
        signed(secret="another"),
    ],
)
def test_anything_but_the_right_signature_is_refused(request_: InboundRequest) -> None:
    """
    Missing, stale, forged and nonsense headers are all `Unverified`, never a crash.
    """
    with pytest.raises(Unverified):
        Signer(SECRET).verify(request_)


@pytest.mark.parametrize("webhook_id", ["", "消息", "a b", "x" * 256], ids=["", "cjk", "blank", "long"])
def test_an_id_that_no_header_should_hold_is_refused(webhook_id: str) -> None:
    """
    Even with the right signature: the id becomes the message's, and goes into logs and answers.
    """
    body = b'{"text": "hello"}'
    headers = dict(Signer(SECRET).headers(webhook_id, body, NOON))

    with pytest.raises(Unverified, match="webhook-id"):
        Signer(SECRET).verify(a_request(body, **headers))


@pytest.mark.parametrize("secret", ["whsec_", "whsec_abcd!", "whsec_A"])
def test_half_a_secret_is_an_error(secret: str) -> None:
    """
    A secret that was copied badly is not used as something else.
    """
    with pytest.raises(ValueError, match="whsec_"):
        key_of(secret)


@given(st.binary(min_size=1, max_size=64))
def test_a_whsec_secret_is_its_bytes(key: bytes) -> None:
    """
    With or without the padding of base64.
    """
    encoded = base64.b64encode(key).decode()

    assert key == key_of(f"whsec_{encoded}") == key_of(f"whsec_{encoded.rstrip('=')}")


@given(st.text(st.characters(), max_size=300))
@example("\ud83d")
def test_the_webhook_id_fits_into_a_header(key: str) -> None:
    """
    Whatever the idempotency key is, its id is one printable ASCII word, the same every time.
    """
    webhook_id = id_of(key)

    assert 0 < len(webhook_id) < 256
    assert webhook_id.isascii()
    assert webhook_id.isprintable()
    assert " " not in webhook_id
    assert id_of(key) == webhook_id


# --- answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message_id"),
    [
        (b'{"id": "theirs-7"}', "theirs-7"),
        (b'{"id": 7}', "7"),
        (b'{"id": ""}', None),
        (b'{"id": true}', None),
        (b'{"id": {"a": 1}}', None),
        (b'{"id": "' + b"x" * 257 + b'"}', None),
        (b"ok", None),
        (b"", None),
        (b"\xff\x00", None),
        (b"[" * 100_000, None),
    ],
    ids=["text", "number", "empty", "flag", "object", "long", "word", "nothing", "bytes", "deep"],
)
def test_a_good_answer_may_name_the_message(body: bytes, message_id: str | None) -> None:
    """
    An id in a JSON body is theirs; any other body is as good.
    """
    for status in (200, 201, 202, 204):
        assert message_id == wire.decode(status, {}, body, now=NOON).message_id


@pytest.mark.parametrize(
    ("status", "error", "scope"),
    [
        (301, Broken, Scope.INSTANCE),
        (304, Broken, Scope.INSTANCE),
        (307, Broken, Scope.INSTANCE),
        (400, Refused, Scope.CONVERSATION),
        (401, Broken, Scope.INSTANCE),
        (403, Broken, Scope.INSTANCE),
        (404, Broken, Scope.INSTANCE),
        (405, Broken, Scope.INSTANCE),
        (407, Broken, Scope.INSTANCE),
        (408, Transient, Scope.CONVERSATION),
        (410, Broken, Scope.INSTANCE),
        (413, Refused, Scope.CONVERSATION),
        (422, Refused, Scope.CONVERSATION),
        (425, Transient, Scope.CONVERSATION),
        (429, Throttled, Scope.INSTANCE),
        (500, Transient, Scope.CONVERSATION),
        (503, Transient, Scope.CONVERSATION),
        (599, Transient, Scope.CONVERSATION),
        (999, Transient, Scope.CONVERSATION),
    ],
)
def test_every_status_has_its_meaning(status: int, error: type[DeliveryError], scope: Scope) -> None:
    """
    The core acts by the type alone, so each status is exactly one.
    """
    with pytest.raises(DeliveryError) as caught:
        wire.decode(status, {}, b"", now=NOON)

    assert error is type(caught.value)
    assert scope is caught.value.scope
    assert caught.value.retry_after is None


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
@pytest.mark.parametrize("value", ["7", "Fri, 20 Nov 2026 12:00:07 GMT"])
def test_retry_after_is_handed_on(status: int, value: str) -> None:
    """
    In seconds, or as a date against our clock.
    """
    with pytest.raises(DeliveryError) as caught:
        wire.decode(status, {"Retry-After": value}, b"", now=NOON)

    assert 7 == caught.value.retry_after


# --- settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "codes"),
    [
        ({"url": "https://e.org/in", "secret": SECRET}, set()),
        ({"url": "http://127.0.0.1:9000/in", "secret": "text"}, set()),
        ({"url": "http://[::1]:9000/in", "secret": "text"}, set()),
        ({"url": "http://localhost/in", "secret": "text"}, set()),
        ({"listen_port": 8083, "secret": "text"}, set()),
        ({}, {"webhook-idle"}),
        ({"url": "https://e.org/in"}, {"webhook-unsigned"}),
        ({"listen_port": 8083}, {"webhook-unverified"}),
        ({"url": "http://e.org/in", "secret": "text"}, {"insecure-url"}),
        ({"url": "http://localhost.e.org/in", "secret": "text"}, {"insecure-url"}),
        ({"url": "ftp://e.org/in", "secret": "text"}, {"bad-url"}),
        ({"url": "e.org/in", "secret": "text"}, {"bad-url"}),
        ({"url": "https://e.org:99999/in", "secret": "text"}, {"bad-url"}),
        ({"url": "https://e.org/a b", "secret": "text"}, {"bad-url"}),
        ({"url": "https://user:pass@e.org/", "secret": "text"}, {"bad-url"}),
        ({"url": "https://e.org/", "secret": "whsec_!"}, {"bad-secret"}),
        ({"url": "https://e.org/", "secret": "t", "headers": {"X-Ok": "fine"}}, set()),
        ({"url": "https://e.org/", "secret": "t", "headers": {"Webhook-Id": "1"}}, {"reserved-header"}),
        ({"url": "https://e.org/", "secret": "t", "headers": {"X-A": "a\r\nB: c"}}, {"bad-header"}),
    ],
)
def test_settings_that_cannot_work_are_complained_about(
    settings: dict[str, Any], codes: set[str]
) -> None:
    """
    Once each; only what still works is a mere warning.
    """
    complaints = list(DRIVER.check(settings))

    assert codes == {complaint.code for complaint in complaints}
    assert len(codes) == len(complaints)
    assert all(
        complaint.warning == (complaint.code in ("webhook-unsigned", "webhook-unverified"))
        for complaint in complaints
    )


def test_it_listens_only_where_a_port_is_set() -> None:
    """
    The path has a default, the port has none.
    """
    listening = DRIVER.listen({"listen_port": 8083})

    assert DRIVER.listen({"listen_path": "/in"}) is None
    assert listening is not None
    assert (8083, "/webhook") == (listening.port, listening.path)


def test_an_empty_address_is_the_default_conversation() -> None:
    """
    ``{}`` is right, and any name is a conversation.
    """
    (form,) = DRIVER.addresses({})

    assert "default" == form.conversation({})
    assert "builds" == form.conversation({"conversation": "builds"})


def test_an_outgoing_text_that_utf8_cannot_hold_still_goes_out() -> None:
    """
    A half of a surrogate pair, from a template, becomes a question mark.
    """
    assert "a?" == json.loads(wire.encode(an_outgoing("a\ud83d")))["text"]
