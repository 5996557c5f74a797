"""
A small homeserver on loopback, for one bot: rooms, events, tokens, and faults where a test wants them.

What it does is what Synapse does in tests/drivers/test_matrix_synapse.py; mautrix's own client works
against it too, in tests/drivers/test_matrix_driver.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from aiohttp import web

BOT = "@bridge:hs.test"
_WRITES = frozenset({"send", "redact"})
_MOST_WAIT = 5.0

Fault = Callable[[web.Request], "web.StreamResponse | None"]
"""What is said in place of the answer; with None the connection ends."""


def refusal(status: int, errcode: str, error: str = "", **more: Any) -> web.Response:
    """https://spec.matrix.org/v1.16/client-server-api/#standard-error-response"""
    return web.json_response({"errcode": errcode, "error": error, **more}, status=status)


@dataclass
class Room:
    """``events`` are all that happened; ``members`` are display names by user id."""

    room_id: str
    events: list[dict[str, Any]] = field(default_factory=list)
    members: dict[str, str] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)


class Homeserver:
    """
    Tokens of ``/sync`` and of pages are numbers of events, over all rooms. ``posts`` counts the writes
    that were tried; ``asked`` are all requests as ``METHOD path``.
    """

    def __init__(self, token: str = "token", password: str = "") -> None:
        self.tokens = {token} if token else set()
        self.password = password
        self.rooms: dict[str, Room] = {}
        self.joined: set[str] = set()
        self.invited: dict[str, list[dict[str, Any]]] = {}
        self.left: set[str] = set()
        self.aliases: dict[str, str] = {}
        self.files: dict[str, tuple[str, bytes]] = {}
        self.account_data: dict[str, Any] = {}
        self.faults: list[tuple[str, web.StreamResponse | None]] = []
        """A part of the path, and what is said of the next request to it."""
        self.hold: str = ""
        """A part of the path that is never answered."""
        self.posts = 0
        self.asked: list[str] = []
        self.bodies: list[Any] = []
        self.url = ""
        self._done: dict[str, str] = {}
        self._order: list[tuple[str, dict[str, Any]]] = []
        self._happened = asyncio.Event()
        self._closing = asyncio.Event()
        self._logins = 0

    # --- what a test does ---

    def room(self, room_id: str = "!team:hs.test", *, bot: bool = True, **state: Any) -> Room:
        """``state`` are contents by type, like ``name``."""
        room = self.rooms[room_id] = Room(room_id)
        room.state = {f"m.room.{kind}": content for kind, content in state.items()}
        if bot:
            self.joined.add(room_id)
        return room

    def say(self, room_id: str, text: str, sender: str = "@ada:hs.test", **more: Any) -> str:
        """``more`` are fields of the content."""
        content = {"msgtype": "m.text", "body": text, **more}
        return self.happen(room_id, "m.room.message", content, sender)

    def happen(
        self, room_id: str, kind: str, content: Any, sender: str = "@ada:hs.test", **more: Any
    ) -> str:
        """An event; its id."""
        event_id = f"$event{len(self._order) + 1}"
        event = {
            "type": kind,
            "event_id": event_id,
            "sender": sender,
            "origin_server_ts": 1_795_176_000_000 + len(self._order),
            "content": content,
            **more,
        }
        self.rooms[room_id].events.append(event)
        self._order.append((room_id, event))
        self._wake()
        return event_id

    def come(self, room_id: str) -> None:
        """The bot joins."""
        self.joined.add(room_id)
        self.left.discard(room_id)
        self.happen(room_id, "m.room.member", {"membership": "join"}, BOT, state_key=BOT)

    def put_out(self, room_id: str) -> None:
        self.joined.discard(room_id)
        self.left.add(room_id)
        self._wake()

    def invite(self, room_id: str, inviter: str, *, direct: bool = False) -> None:
        content = {"membership": "invite", "is_direct": direct}
        member = {"type": "m.room.member", "state_key": BOT, "sender": inviter, "content": content}
        self.invited[room_id] = [member]
        self._wake()

    def said(self, room_id: str = "!team:hs.test") -> list[dict[str, Any]]:
        """The events of the bot there."""
        return [event for event in self.rooms[room_id].events if event["sender"] == BOT]

    def _wake(self) -> None:
        self._happened.set()
        self._happened = asyncio.Event()

    # --- what it answers ---

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Homeserver]:
        app = web.Application(client_max_size=8 << 20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            self._closing.set()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        _, _, _, *steps = [_unquoted(step) for step in request.raw_path.partition("?")[0].split("/")[1:]]
        body = await request.read()
        path = "/".join(steps)
        self.asked.append(f"{request.method} {path}")
        self.bodies.append(
            json.loads(body) if request.content_type == "application/json" and body else body
        )
        self.posts += request.method == "PUT" and bool(_WRITES & set(steps))
        assert request.transport is not None
        if self.hold and self.hold in path:
            await self._closing.wait()
        for number, (part, response) in enumerate(self.faults):
            if part in path:
                del self.faults[number]
                if response is None:
                    request.transport.abort()
                    return web.Response()
                return response
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if path != "login" and token not in self.tokens:
            return refusal(401, "M_UNKNOWN_TOKEN", f"not {token}")
        return await self._known(request, steps, self.bodies[-1])

    async def _known(  # noqa: C901, PLR0912 (a table of paths)
        self, request: web.Request, steps: list[str], content: Any
    ) -> web.StreamResponse:
        match request.method, *steps:
            case "POST", "login":
                return self._login(content)
            case "POST", "logout":
                self.tokens.discard(request.headers["Authorization"].removeprefix("Bearer "))
                return web.json_response({})
            case "GET", "account", "whoami":
                return web.json_response({"user_id": BOT, "device_id": "DEVICE"})
            case "GET", "joined_rooms":
                return web.json_response({"joined_rooms": sorted(self.joined)})
            case "POST", "join", name:
                return self._join(self.aliases.get(name, name))
            case "GET", "directory", "room", alias:
                if alias not in self.aliases:
                    return refusal(404, "M_NOT_FOUND")
                return web.json_response({"room_id": self.aliases[alias], "servers": ["hs.test"]})
            case "GET", "sync":
                return await self._sync(request)
            case _, "user", _, "account_data", name:
                return self._own(request.method, name, content)
            case "POST", "upload":
                media_id = f"file{len(self.files)}"
                self.files[media_id] = (request.content_type, content)
                return web.json_response({"content_uri": f"mxc://hs.test/{media_id}"})
            case "GET", "media", "config":
                return web.json_response({"m.upload.size": 1 << 20})
            case "GET", "media", "download", _, media_id:
                return self._file(media_id)
            case _, "rooms", room_id, *rest if room_id in self.joined:
                return self._in_room(request, self.rooms[room_id], rest, content)
            case _, "rooms", *_:
                return refusal(403, "M_FORBIDDEN")
        return refusal(404, "M_UNRECOGNIZED")

    def _login(self, content: Any) -> web.Response:
        if not self.password or content["password"] != self.password:
            return refusal(403, "M_FORBIDDEN")
        self._logins += 1
        token = f"token-{self._logins}"
        self.tokens.add(token)
        device = content.get("device_id", f"DEVICE{self._logins}")
        return web.json_response({"user_id": BOT, "access_token": token, "device_id": device})

    def _join(self, room_id: str) -> web.Response:
        if room_id not in self.rooms or (room_id in self.left and room_id not in self.invited):
            return refusal(403, "M_FORBIDDEN")
        self.invited.pop(room_id, None)
        if room_id not in self.joined:
            self.come(room_id)
        return web.json_response({"room_id": room_id})

    def _own(self, method: str, name: str, content: Any) -> web.Response:
        if method == "PUT":
            self.account_data[name] = content
            return web.json_response({})
        if name not in self.account_data:
            return refusal(404, "M_NOT_FOUND")
        return web.json_response(self.account_data[name])

    def _file(self, media_id: str) -> web.Response:
        if media_id not in self.files:
            return refusal(404, "M_NOT_FOUND")
        media_type, content = self.files[media_id]
        return web.Response(body=content, content_type=media_type)

    def _in_room(  # noqa: C901 (a table of paths)
        self, request: web.Request, room: Room, steps: list[str], content: Any
    ) -> web.StreamResponse:
        match request.method, *steps:
            case "PUT", "send", kind, transaction:
                relation = content.get("m.relates_to", {})
                if kind == "m.reaction" and self._has_reaction(room, relation):
                    return refusal(400, "M_DUPLICATE_ANNOTATION")
                return self._once(transaction, lambda: self.happen(room.room_id, kind, content, BOT))
            case "PUT", "redact", event_id, transaction:
                return self._once(transaction, lambda: self._redact(room, event_id))
            case "GET", "event", event_id:
                for event in room.events:
                    if event["event_id"] == event_id:
                        return web.json_response({**event, "room_id": room.room_id})
                return refusal(404, "M_NOT_FOUND")
            case "GET", "state", kind, *_:
                if kind not in room.state:
                    return refusal(404, "M_NOT_FOUND")
                return web.json_response(room.state[kind])
            case "GET", "members":
                members = [_member(user_id, name) for user_id, name in room.members.items()]
                return web.json_response({"chunk": members})
            case "GET", "messages":
                return self._page(request, room)
            case "GET", "relations", event_id, "m.annotation", "m.reaction":
                chunk = [
                    event
                    for event in room.events
                    if event["content"].get("m.relates_to", {}).get("event_id") == event_id
                ]
                return web.json_response({"chunk": chunk})
        return refusal(404, "M_UNRECOGNIZED")

    @staticmethod
    def _has_reaction(room: Room, relation: Any) -> bool:
        return any(
            event["sender"] == BOT and event["content"].get("m.relates_to") == relation
            for event in room.events
        )

    def _once(self, transaction: str, do: Callable[[], str]) -> web.Response:
        if transaction not in self._done:
            self._done[transaction] = do()
        return web.json_response({"event_id": self._done[transaction]})

    def _redact(self, room: Room, event_id: str) -> str:
        for event in room.events:
            if event["event_id"] == event_id:
                event["content"] = {}
                event["unsigned"] = {"redacted_because": {}}
        return self.happen(room.room_id, "m.room.redaction", {"redacts": event_id}, BOT)

    async def _sync(self, request: web.Request) -> web.Response:
        given = request.query.get("since", "")
        if given and not given.isdecimal():
            return refusal(400, "M_UNKNOWN", "invalid token")
        since, limit = int(given or 0), _limit(request)
        wait = min(int(request.query.get("timeout", "0")) / 1000, _MOST_WAIT)
        if given and not self.invited and not self.left & self.joined and since == len(self._order):
            happened, closing = self._happened.wait(), self._closing.wait()
            tasks = [asyncio.ensure_future(one) for one in (happened, closing)]
            await asyncio.wait(tasks, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
        join = {}
        for room_id in self.joined:
            numbered = [
                (number, event)
                for number, (where, event) in enumerate(self._order, 1)
                if where == room_id and number > since
            ]
            if numbered:
                shown = numbered[-limit:]
                timeline = {
                    "events": [event for _, event in shown],
                    "limited": len(shown) < len(numbered),
                    "prev_batch": str(shown[0][0]),
                }
                join[room_id] = {"timeline": timeline, "state": {"events": self._state(room_id)}}
        rooms = {
            "join": join,
            "invite": {
                room_id: {"invite_state": {"events": events}} for room_id, events in self.invited.items()
            },
            "leave": {room_id: {} for room_id in self.left},
        }
        return web.json_response({"next_batch": str(len(self._order)), "rooms": rooms})

    def _page(self, request: web.Request, room: Room) -> web.Response:
        before, to = int(request.query["from"]), int(request.query.get("to", "0"))
        numbered = [
            (number, event)
            for number, (where, event) in enumerate(self._order, 1)
            if where == room.room_id and to < number < before
        ]
        shown = numbered[-_limit(request) :][::-1]
        page: dict[str, Any] = {"chunk": [event for _, event in shown], "start": request.query["from"]}
        if len(shown) < len(numbered):
            page["end"] = str(shown[-1][0])
        return web.json_response(page)

    def _state(self, room_id: str) -> list[dict[str, Any]]:
        return [_member(user_id, name) for user_id, name in self.rooms[room_id].members.items()]


def _member(user_id: str, name: str) -> dict[str, Any]:
    content = {"membership": "join", "displayname": name}
    return {"type": "m.room.member", "state_key": user_id, "sender": user_id, "content": content}


def _limit(request: web.Request) -> int:
    wanted = json.loads(request.query.get("filter", "{}"))
    return int(wanted.get("limit") or wanted.get("room", {}).get("timeline", {}).get("limit", 10))


def _unquoted(step: str) -> str:
    return unquote(step)
