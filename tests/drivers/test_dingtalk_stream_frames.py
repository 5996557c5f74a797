"""Stream mode on the wire: the request for a connection, frames in, acknowledgements out."""

import json
from pathlib import Path

import pytest
from multidict import CIMultiDict

from bridge.errors import Broken, DeliveryError, Malformed, Transient
from drivers.dingtalk import stream_frames as frames
from drivers.dingtalk.stream_frames import Kind
from tests.clock import NOON

VECTORS = json.loads(
    (Path(__file__).parent / "dingtalk" / "stream_frames.json").read_text(encoding="utf-8")
)


def opened(status=200, **answer):
    body = json.dumps({"endpoint": "wss://gateway.example/connect", "ticket": "t", **answer})
    return frames.decode_open(status, CIMultiDict(), body.encode(), now=NOON)


def a_frame(**changes):
    frame = {**VECTORS["frames"]["chat_text"], **changes}
    return frames.parse(json.dumps(frame, ensure_ascii=False))


# --- the request for a connection ---


def test_we_ask_as_the_official_clients_ask():
    """Credentials and subscriptions; ``localIp`` is optional, and nobody's business."""
    expected = VECTORS["open_request"]["json"]

    body = json.loads(frames.encode_open(expected["clientId"], expected["clientSecret"], "my-bridge/0.1"))

    assert {key: value for key, value in expected.items() if key != "localIp"} == body
    assert VECTORS["open_request"]["url"].endswith(frames.OPEN_PATH)
    assert "application/json" == frames.OPEN_HEADERS["accept"]


def test_the_ticket_goes_into_the_url_of_the_endpoint():
    answer = VECTORS["open_response"]
    body = json.dumps(answer["json"]).encode()

    ticket = frames.decode_open(answer["status"], CIMultiDict(), body, now=NOON)

    assert VECTORS["ws_url"] == ticket.url


def test_a_ticket_is_escaped_and_never_shown():
    """It opens our connection for whoever has it."""
    ticket = opened(ticket="a+b/c=&x")

    assert ticket.url.endswith("/connect?ticket=a%2Bb%2Fc%3D%26x")
    assert "a+b" not in repr(ticket)
    assert "a%2Bb" not in repr(ticket)


def test_an_endpoint_may_have_a_query_of_its_own():
    assert "wss://g.example/c?x=1&ticket=t" == opened(endpoint="wss://g.example/c?x=1").url


def test_wrong_credentials_need_an_operator():
    answer = VECTORS["open_error_401"]
    with pytest.raises(Broken) as caught:
        frames.decode_open(answer["status"], CIMultiDict(), json.dumps(answer["json"]).encode(), now=NOON)

    assert "bad_credentials" == caught.value.reason


@pytest.mark.parametrize(
    "endpoint",
    [
        "ws://gateway.example/connect",
        "http://127.0.0.1/connect",
        "https://gateway.example/connect",
        "wss://user:password@gateway.example/connect",
        "wss://gateway.example/connect#fragment",
        "wss:///connect",
        "wss://[::1/connect",
        "wss://gateway.example:port/",
        "wss://gateway.example/a b",
        "wss://gateway.example/\n",
        "ws://127.0.0.1.evil.example/",
        "wss://" + "g" * 5000,
        "",
        None,
        17,
    ],
)
def test_a_connection_is_encrypted_or_stays_on_this_machine(endpoint):
    """Whoever answers for the API does not lead us anywhere else."""
    with pytest.raises(Transient):
        opened(endpoint=endpoint)


@pytest.mark.parametrize("endpoint", ["ws://127.0.0.1:80/c", "ws://[::1]:80/c", "ws://localhost/c"])
def test_a_simulator_on_this_machine_needs_no_encryption(endpoint):
    assert opened(endpoint=endpoint).url.startswith(endpoint)


@pytest.mark.parametrize("ticket", ["", " ", "a b", "\x00", "密", None, 5, "x" * 2000])
def test_a_ticket_is_printable_ascii(ticket):
    with pytest.raises(Transient):
        opened(ticket=ticket)


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<xml/>"), (200, b"[]"), (503, b""), (400, b"{}"), (302, b""), (200, b"")]
)
def test_whatever_else_is_answered_is_no_way_in(status, body):
    with pytest.raises(DeliveryError):
        frames.decode_open(status, CIMultiDict(), body, now=NOON)


# --- frames in ---


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("chat_text", Kind.ROBOT),
        ("card_callback", Kind.CARD),
        ("event_robot_msg_recall", Kind.EVENT),
        ("ping", Kind.PING),
        ("disconnect", Kind.LEAVE),
        ("disconnect_no_messageId", Kind.LEAVE),
    ],
)
def test_frames_are_told_apart(name, kind):
    frame = VECTORS["frames"][name]

    parsed = frames.parse(json.dumps(frame))

    assert kind is parsed.kind
    assert frame["headers"].get("messageId", "") == parsed.message_id
    assert frame["data"] == parsed.data


def test_headers_may_be_spelt_in_the_singular():
    """One sample of the official pages does."""
    frame = dict(VECTORS["frames"]["chat_text"])
    frame["header"] = frame.pop("headers")

    assert Kind.ROBOT is frames.parse(json.dumps(frame)).kind


@pytest.mark.parametrize("topic", ["CONNECTED", "REGISTERED", "KEEPALIVE", ""])
def test_other_words_about_the_connection_want_no_answer(topic):
    frame = {"type": "SYSTEM", "headers": {"topic": topic}}

    assert Kind.SYSTEM is frames.parse(json.dumps(frame)).kind


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "CALLBACK", "headers": {"messageId": "m", "topic": "/v1.0/graph/api/invoke"}},
        {"type": "CALLBACK", "headers": {"messageId": "m"}},
        {"type": "TOMORROW", "headers": {"messageId": "m", "topic": frames.ROBOT_TOPIC}},
    ],
)
def test_what_was_not_subscribed_to_is_unknown(changes):
    assert Kind.UNKNOWN is a_frame(**changes).kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "17",
        "hello",
        "{",
        '{"type":"CALLBACK"}',
        '{"type":5,"headers":{"messageId":"m","topic":"ping"}}',
        '{"type":"CALLBACK","headers":[]}',
        '{"type":"CALLBACK","headers":{"messageId":5,"topic":"t"}}',
        '{"type":"CALLBACK","headers":{"messageId":"","topic":"t"}}',
        '{"type":"CALLBACK","headers":{"messageId":"m","topic":{}}}',
        '{"type":"CALLBACK","headers":{"messageId":"m","topic":"t"},"data":{"not":"text"}}',
        '{"type":"CALLBACK","headers":{"messageId":"' + "m" * 5000 + '","topic":"t"}}',
        '{"type":"SYSTEM","headers":{"messageId":"' + "m" * 5000 + '","topic":"ping"}}',
        "[" * 100_000,
        '{"type":"EVENT","headers":{"messageId":"\\ud800","topic":"*"}}',
    ],
)
def test_what_is_no_frame_is_malformed_and_nothing_worse(text):
    with pytest.raises(Malformed):
        frames.parse(text)


# --- acknowledgements out ---


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("chat_text", frames.ROBOT_ANSWER),
        ("card_callback", '{"response":{"cardData":{"cardParamMap":{"k":"v"}}}}'),
        ("event_robot_msg_recall", frames.EVENT_TAKEN),
        ("ping", VECTORS["frames"]["ping"]["data"]),
    ],
)
def test_acknowledgements_are_what_dingtalk_expects(name, data):
    frame = frames.parse(json.dumps(VECTORS["frames"][name]))

    assert VECTORS["acks_expected"][name] == json.loads(frames.acknowledgement(frame, data))


def test_an_event_can_be_asked_for_again():
    frame = frames.parse(json.dumps(VECTORS["frames"]["event_robot_msg_recall"]))
    expected = VECTORS["acks_expected"]["event_retry_later"]
    expected["headers"]["messageId"] = frame.message_id

    assert expected == json.loads(frames.acknowledgement(frame, frames.EVENT_LATER))


def test_an_unknown_topic_is_not_found():
    frame = a_frame(headers={"messageId": "<id>", "topic": "/v1.0/nobody/subscribed"})

    assert VECTORS["acks_expected"]["unknown_topic"] == json.loads(frames.not_found(frame))


def test_an_acknowledgement_is_json_whatever_the_id():
    """The id is quoted, not pasted."""
    frame = a_frame(headers={"messageId": 'm"}\\,{"', "topic": frames.ROBOT_TOPIC})

    ack = json.loads(frames.acknowledgement(frame, '{"response": null}'))

    assert 'm"}\\,{"' == ack["headers"]["messageId"]
    assert 500 == json.loads(frames.failed(frame, 500))["code"]
