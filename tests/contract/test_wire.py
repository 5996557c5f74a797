"""No body and no header from outside is more than a driver can take."""

import asyncio
import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import pytest
from multidict import CIMultiDict

from bridge.driver import Webhook
from bridge.errors import IngressError
from bridge.model import Inbound, InboundRequest
from tests.clock import NOON
from tests.contract.cases import (
    INSTANCE,
    PLATFORMS,
    SECRET,
    WIRE_FILES,
    Behaviour,
    Case,
    case_of,
)

LISTENING = [platform for platform in PLATFORMS if case_of(platform).signed is not None]
pytestmark = pytest.mark.parametrize("platform", LISTENING)

NASTY_BODIES = {
    "nothing": b"",
    "blanks": b" \n",
    "null": b"null",
    "true": b"true",
    "number": b"7",
    "text": b'"text"',
    "list": b"[]",
    "object": b"{}",
    "list of objects": b"[{}, {}]",
    "half": b'{"text": ',
    "two values": b"{} {}",
    "NaN": b'{"text": NaN, "createAt": Infinity}',
    "latin-1": b'{"text": "\xe9"}',
    "utf-16": '{"text": "a"}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "NUL": b"\x00" * 100,
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "deep, and closed": b"[" * 5_000 + b"]" * 5_000,
    "long number": b'{"time": ' + b"9" * 5_000 + b"}",
    "form": b"text=hello",
    "XML": b"<xml><text>hello</text></xml>",
}
NASTY_VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "zero": 0,
    "minus": -1,
    "huge": 10**30,
    "float": 1.5,
    "overflow": 1e308,
    "empty text": "",
    "blank": " ",
    "number text": "1_7",
    "wide digits": "１７",
    "long text": "x" * 20_000,
    "lone surrogate": "a\ud83db",
    "controls": "a\x00\x1b[31m\u202eb",
    "line break": "a\nb",
    "template": "{user.__class__} %s ${x}",
    "star": "*",
    "path": "../../etc/passwd",
    "list": [],
    "nested": [[], [{}], "x", 7],
    "object": {},
    "object of text": {"text": "x", "content": "y", "": {}},
}


def request(case: Case, body: bytes, second: int = 0) -> InboundRequest:
    """A properly signed request, received at its own second."""
    assert case.signed is not None
    at = NOON + timedelta(seconds=second)
    return InboundRequest(
        "POST", "/", CIMultiDict(), CIMultiDict(case.signed(body, at)), body, "127.0.0.1", at
    )


def understood(driver: Webhook, request_: InboundRequest) -> Inbound | None:
    """What became of it; None where it was refused. Everything else is a failure."""
    refusal = ""
    try:
        driver.verify(request_)
        inbound = driver.normalize(request_)
    except IngressError as e:
        refusal = f"{e!r}"
    if refusal:
        assert SECRET not in refusal
        assert len(refusal) < 1_000, "it repeats too much of what it refuses"
        return None
    assert isinstance(inbound, Inbound)
    assert bool(inbound.envelopes) != bool(inbound.ignored), "either envelopes or a reason"
    for envelope in inbound.envelopes:
        assert envelope.id
        assert envelope.message.id
        assert INSTANCE == envelope.source.instance
        assert envelope.source.conversation
        assert envelope.sender.id
        assert envelope.sender.display_name.isprintable()
        assert envelope.conversation_title.isprintable()
        for value in leaves(asdict(envelope)):
            assert value.encode().count(b"\x00") == 0
            assert "\x1b" not in value
    reply = driver.reply(request_, inbound, now=request_.received_at, nonce="n")
    assert 200 == reply.status
    return inbound


def leaves(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from leaves(inner)
        case list() | tuple():
            for inner in value:
                yield from leaves(inner)
        case datetime():
            assert value.tzinfo is not None


def with_driver(platform: str, check: Any) -> None:
    async def scenario() -> None:
        async with case_of(platform).open(Behaviour.FINE) as stage:
            assert isinstance(stage.driver, Webhook)
            check(stage.driver)

    asyncio.run(scenario())


def bodies(platform: str) -> dict[str, Any]:
    return {
        path.name: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((WIRE_FILES / platform / "inbound").glob("*.json"))
        if not path.name.endswith(".expected.json")
    }


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    inner: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, dict):
        inner = iter(value.items())
    elif isinstance(value, list):
        inner = iter(enumerate(value))
    for step, child in inner:
        yield from places(child, (*path, step))


def changed(body: Any, path: tuple[str | int, ...], value: Any) -> bytes:
    """``body`` with another value at one place; with Ellipsis, with nothing there."""
    body = copy.deepcopy(body)
    place = body
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(body).encode()


def test_every_wire_file_is_understood(platform: str) -> None:
    """
    The tests below begin with what is right.
    """

    def check(driver: Webhook) -> None:
        for second, (name, body) in enumerate(bodies(platform).items()):
            inbound = understood(driver, request(case_of(platform), json.dumps(body).encode(), second))
            assert inbound is not None, f"{name} is refused"

    with_driver(platform, check)


def test_a_nasty_body_is_understood_or_refused(platform: str) -> None:
    """
    Any outcome but an envelope, a reason or an `IngressError` would be a 500 for a stranger.
    """

    def check(driver: Webhook) -> None:
        for second, body in enumerate(NASTY_BODIES.values()):
            understood(driver, request(case_of(platform), body, second))

    with_driver(platform, check)


def test_a_nasty_value_anywhere_is_understood_or_refused(platform: str) -> None:
    """
    Every place of every wire file, with every nasty value, and with nothing.
    """

    def check(driver: Webhook) -> None:
        second = 0
        for name, body in bodies(platform).items():
            for path in places(body):
                for what, value in {**NASTY_VALUES, "nothing": ...}.items():
                    second += 1
                    request_ = request(case_of(platform), changed(body, path, value), second)
                    try:
                        understood(driver, request_)
                    except Exception as e:
                        where = ".".join(map(str, path))
                        raise AssertionError(f"{name}: {what} at {where}: {e!r}") from e

    with_driver(platform, check)


def test_a_nasty_header_is_refused(platform: str) -> None:
    """
    A stranger's header is never a crash and never a way in.
    """
    case = case_of(platform)

    def check(driver: Webhook) -> None:
        body = json.dumps(next(iter(bodies(platform).values()))).encode()
        right = request(case, body)
        driver.verify(right)
        for name in case.signature_headers:
            for value in map(str, (*NASTY_VALUES.values(), "é", "\udcff", right.headers[name] + "é")):
                wrong = CIMultiDict(right.headers)
                wrong[name] = value
                with pytest.raises(IngressError):
                    driver.verify(replaced(right, wrong))
            with pytest.raises(IngressError):
                driver.verify(replaced(right, {k: v for k, v in right.headers.items() if k != name}))

    with_driver(platform, check)


def replaced(request_: InboundRequest, headers: Mapping[str, str]) -> InboundRequest:
    return InboundRequest(
        request_.method,
        request_.path,
        request_.query,
        CIMultiDict(headers),
        request_.body,
        request_.remote,
        request_.received_at,
    )
