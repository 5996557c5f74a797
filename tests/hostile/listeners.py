"""
Everything that hears strangers: how a good word is said to each, and what comes back.

`LISTENERS` in the order of the table in docs/security.md.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from bridge.errors import DeliveryError
from drivers.dingtalk.crypto import Envelope
from drivers.dingtalk.signature import sign
from drivers.dingtalk.stream_frames import ROBOT_TOPIC
from tests.hostile.house import (
    AES_KEY,
    API_TOKEN,
    CALLBACK_TOKEN,
    CORP,
    HOOK_SECRET,
    ROBOT_SECRET,
    TEAM,
)
from tests.hostile.wire import CLOSED, Caller, Request
from tests.strangers import FILE, Host, Names, answer, fetcher, read

_ENVELOPE = Envelope(CALLBACK_TOKEN, AES_KEY)
_JSON = (b"Content-Type", b"application/json")
IGNORED = "ignored"
"""The outcome of a frame that is not answered, on a connection that goes on."""


def as_it_is(text):
    return text


def dumped(body):
    """JSON of a body; what is bytes is sent as it is."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def _header(name, value):
    """None where the header is left out."""
    return () if value is None else ((name, value.encode("utf-8", "surrogateescape")),)


class Http:
    """A listener that speaks HTTP. ``fine`` is the status of a good request."""

    name = ""
    fine = "200"

    def request(self, house, body=None):
        """A good one; with ``body`` as its body, proven as it should be."""
        raise NotImplementedError

    def good(self, house, text):
        """A request that carries ``text`` to the far end."""
        raise NotImplementedError

    async def meet(self, house, raw, *, alone=True):
        """
        Send, and if the connection stays, say something good behind it. The outcome, and whether
        what was said behind it is all right; behind chunks that are none it cannot be heard.
        """
        async with await Caller.at(house.ports[self.name]) as caller:
            got = await caller.ask(raw, head=raw.startswith((b"HEAD ", b"head ")))
            if not got.stays:  # nor must there be an answer to what was hidden in it
                return got.status, got.status != "400" or not await caller.rest()
            if not alone:
                return got.status, True
            text = house.news()
            behind = await caller.ask(self.good(house, text).wire())
            broken = b"chunked" in raw and behind.status in (CLOSED, "400")
            return got.status, broken or behind.status == self.fine

    async def greet(self, house):
        """Something good on a new connection, to the far end."""
        text = house.news()
        async with await Caller.at(house.ports[self.name]) as caller:
            got = await caller.ask(self.good(house, text).wire())
        assert self.fine == got.status, got
        await house.heard(text)


class Robot(Http):
    """DingTalk's robot callback."""

    name = "robot"

    def request(self, house, body=None, *, stamp=as_it_is, proof=as_it_is):
        """``stamp`` changes the timestamp before it is signed, ``proof`` the signature."""
        body = house.message(house.news()) if body is None else body
        stamped = stamp(str(house.milliseconds()))
        signed = sign("" if stamped is None else stamped, ROBOT_SECRET)
        headers = (*_header(b"timestamp", stamped), *_header(b"sign", proof(signed)))
        return Request(b"/dingtalk", (_JSON, *headers), dumped(body))

    def good(self, house, text):
        return self.request(house, house.message(text))


class Event(Http):
    """DingTalk's encrypted event callback."""

    name = "event"

    def request(self, house, body=None, *, stamp=as_it_is, proof=as_it_is, owner="", seal=as_it_is):
        """``body`` is what is encrypted; ``seal`` changes the base64 after it was signed."""
        body = an_event(house) if body is None else body
        owner = owner or house.dingtalk.app_key
        nonce = house.name()
        encrypted = _ENVELOPE.seal(dumped(body), owner, nonce.encode().ljust(16, b"0")[:16])
        return self.outer(
            house, {"encrypt": seal(encrypted)}, encrypted, nonce=nonce, stamp=stamp, proof=proof
        )

    def outer(self, house, body, signed_for="", *, nonce="n", stamp=as_it_is, proof=as_it_is):
        """Any ``body`` around the encryption, signed for the text ``signed_for``."""
        stamped = stamp(str(house.milliseconds()))
        signed = proof(_ENVELOPE.signature(stamped or "", nonce, signed_for))
        given = {"signature": signed, "timestamp": stamped, "nonce": nonce}
        query = "&".join(
            f"{key}={quote(one, errors='surrogateescape')}"
            for key, one in given.items()
            if one is not None
        )
        return Request(f"/dingtalk?{query}".encode(), (_JSON,), dumped(body))

    def good(self, house, text):
        return self.request(house, an_event(house, title=text))


def an_event(house, *, title="", **more):
    """A group was renamed: that becomes a notice."""
    return {
        "EventType": "chat_update_title",
        "eventId": house.name(),
        "CorpId": CORP,
        "openConversationId": TEAM,
        "operator": "manager1001",
        "title": title or house.news(),
        **more,
    }


class Webhook(Http):
    """The generic webhook, signed by Standard Webhooks."""

    name = "webhook"

    def request(self, house, body=None, *, stamp=as_it_is, proof=as_it_is, name=""):
        body = dumped({"text": house.news(), "sender": {"name": "ci"}} if body is None else body)
        name = name or house.name()
        stamped = stamp(str(int(time.time())))
        content = f"{name}.{stamped}.".encode("utf-8", "surrogateescape") + body
        mac = hmac.new(HOOK_SECRET.encode(), content, hashlib.sha256).digest()
        signed = proof(f"v1,{base64.b64encode(mac).decode()}")
        headers = (
            *_header(b"webhook-id", name),
            *_header(b"webhook-timestamp", stamped),
            *_header(b"webhook-signature", signed),
        )
        return Request(b"/in", (_JSON, *headers), body)

    def good(self, house, text):
        return self.request(house, {"text": text, "sender": {"name": "ci"}})


class Status(Http):
    """The status page and the HTTP API."""

    name = "status"
    fine = "202"

    def request(self, house, body=None, *, proof=as_it_is):
        body = a_letter(house.news()) if body is None else body
        token = proof(API_TOKEN)
        bearer = _header(b"Authorization", None if token is None else f"Bearer {token}")
        return Request(b"/api/messages", (_JSON, *bearer), dumped(body))

    def with_cookie(self, house, *, stamp=as_it_is, proof=as_it_is):
        """The page, for somebody who showed a token before; the cookie has a time and a seal."""
        expires, _, seal = house.cookie.partition(".")
        cookie = f"msgbridge={stamp(expires)}.{proof(seal)}"
        return Request(b"/", _header(b"Cookie", cookie), method=b"GET")

    def good(self, house, text):
        return self.request(house, a_letter(text))


def a_letter(text, to="mouth", **more):
    address = {"open_conversation_id": TEAM} if to == "dt" else {}
    return {"to": {to: address}, "text": text, **more}


class Links(Http):
    """The bridge's own links to files that people sent."""

    name = "links"

    def request(self, house, body=None, *, proof=as_it_is):
        """The link that somebody was given; ``proof`` changes the token in it."""
        root, token, name = self.path(house).removeprefix("/").split("/")
        changed = proof(token)
        path = "/".join(["", root, *([] if changed is None else [changed]), name])
        return Request(quote(path, errors="surrogateescape").encode(), body=body or b"", method=b"GET")

    def path(self, house):
        return urlsplit(house.link).path

    def good(self, house, text):
        return self.request(house)

    async def greet(self, house):
        async with await Caller.at(house.ports[self.name]) as caller:
            got = await caller.ask(self.request(house).wire())
        assert ("200", b"\x89PNG") == (got.status, got.body[:4])


class Control:
    """The control socket; the outcome is ``result``, or the code of an error."""

    name = "control"

    def request(self, house, arguments=None, verb="send"):
        """A line."""
        given = self.arguments(house.news()) if arguments is None else arguments
        return dumped({"verb": verb, "args": given}) + b"\n"

    @staticmethod
    def arguments(text, **more):
        return {"instance": "mouth", "text": text, **more}

    async def meet(self, house, raw, *, alone=True, hang_up=False):
        if callable(raw):
            return await raw(house)
        reader, writer = await asyncio.open_unix_connection(str(house.daemon.socket), limit=1 << 24)
        try:
            try:
                writer.write(raw)
                if hang_up:
                    writer.write_eof()
                async with asyncio.timeout(8):
                    last = (await reader.read()).splitlines()[-1:]
            except OSError:
                last = []
        finally:
            writer.close()
        if not last:
            return CLOSED, True
        kind, value = next(iter(json.loads(last[0]).items()))
        return (value["code"] if kind == "error" else kind), True

    async def greet(self, house):
        text = house.news()
        assert ("result", True) == await self.meet(house, self.request(house, self.arguments(text)))
        await house.heard(text)


class Stream:
    """
    The gateway of Stream mode, should it be hostile. The outcome is the code of our acknowledgement,
    `IGNORED`, or ``reconnects``.
    """

    name = "stream"

    def request(self, house, body=None, *, kind="CALLBACK", topic=ROBOT_TOPIC, **headers):
        """A frame around a body, which may be bytes that are no JSON."""
        body = house.message(house.news()) if body is None else body
        body = dumped(body).decode("utf-8", "replace")
        return house.gateway.frame(kind, topic, body, **headers)

    async def meet(self, house, frame, *, alone=True):
        gateway = house.gateway
        connection, accepted = await gateway.connection(), gateway.accepted
        named = frame["headers"]["messageId"] if isinstance(frame, dict) else ""
        with suppress(ConnectionError):  # it may be closed before all of it is out
            await (frame(house, connection) if callable(frame) else connection.send(frame))
        ping = gateway.frame("SYSTEM", "ping", {"opaque": "x"})
        last = ping["headers"]["messageId"]

        def found():
            codes = [ack.code for ack in gateway.acks if ack.message_id == named]
            if gateway.accepted > accepted or connection not in gateway.connections:
                return "reconnects"
            if codes:
                return str(codes[-1])
            return IGNORED if not named and any(a.message_id == last for a in gateway.acks) else ""

        if not named:
            with suppress(ConnectionError):
                await connection.send(ping)
        outcome = await house.until(found)
        gateway.unacked.clear()
        return outcome, True

    async def greet(self, house):
        text = house.news()
        ack = await house.gateway.acked(await house.gateway.say(house.message(text)))
        assert 200 == ack.code
        await house.heard(text)


@dataclass(frozen=True, slots=True)
class Visit:
    """
    A URL that a stranger gave us, and what is found there. In ``url``, PORT is the host's port on
    127.0.0.1, which may be reached here, and a trap's on 127.0.0.2, which may not.
    """

    says: tuple = (answer(),)
    url: str = "http://127.0.0.1:PORT/a.png"
    names: dict | None = None
    file: str | None = None
    """The name that the file must get, where it can be had."""


class Fetched:
    """The hosts of files that we fetch; the outcome is ``file``, or the reason of a refusal."""

    name = "fetched"

    async def meet(self, house, visit, *, alone=True):
        host, trap = Host(*visit.says), Host(answer())
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(host.running())
            await stack.enter_async_context(trap.running("127.0.0.2", host.port))
            names = Names(**visit.names) if visit.names else None
            fetch = await stack.enter_async_context(
                fetcher(names=names, max_size=1_000_000, total=3.0, connect=2.0)
            )
            try:
                opened, _ = await read(fetch, visit.url.replace("PORT", str(host.port)))
            except DeliveryError as e:
                return e.reason, not trap.asked
        fine = visit.file is None or visit.file == opened.filename
        return "file", fine and not trap.asked

    async def greet(self, house):
        assert ("file", True) == await self.meet(house, Visit(file="a.png"))
        assert FILE


ROBOT, EVENT, WEBHOOK, STATUS, LINKS = Robot(), Event(), Webhook(), Status(), Links()
CONTROL, STREAM, FETCHED = Control(), Stream(), Fetched()
LISTENERS = (ROBOT, EVENT, WEBHOOK, STATUS, CONTROL, STREAM, LINKS, FETCHED)
POSTED = (ROBOT, EVENT, WEBHOOK, STATUS)
HTTP = (*POSTED, LINKS)
