"""The Matrix side: a room of a real Synapse, with Max in it."""

from __future__ import annotations

import html
import itertools
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from tests import matrix_server
from tests.conversation.long_text import long_text
from tests.conversation.side import Shown

NAMES = {"@bridge:hs.test": "bridge", "@max:hs.test": "Max 马"}
_HTML = "org.matrix.custom.html"
_TAGS = {"bold": "strong", "italic": "em", "struck": "del", "code": "code"}

Event = dict[str, Any]


class Person:
    """A client of a few lines: what a person can do on a homeserver."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self._session = session
        self._url = url
        self._token = token
        self._numbers = itertools.count(1)

    async def ask(self, method: str, path: str, content: object = None, **query: str) -> Any:
        """What the homeserver answers; anything but 200 fails."""
        async with self._session.request(
            method,
            f"{self._url}/_matrix/{path}",
            json=content,
            params=query,
            headers={"Authorization": f"Bearer {self._token}"},
        ) as answer:
            said = await answer.json()
            assert 200 == answer.status, said
            return said

    async def put(self, room: str, kind: str, content: Event, *, name: str = "") -> str:
        """Post an event; its id. What has the same ``name`` is posted once."""
        path = f"client/v3/rooms/{quote(room)}/send/{kind}/{name or f'person-{next(self._numbers)}'}"
        return str((await self.ask("PUT", path, content))["event_id"])

    async def redact(self, room: str, event_id: str) -> None:
        path = f"client/v3/rooms/{quote(room)}/redact/{quote(event_id)}/person-{next(self._numbers)}"
        await self.ask("PUT", path, {})

    async def upload(self, name: str, content: bytes, media_type: str) -> str:
        """Its ``mxc://`` URL."""
        async with self._session.post(
            f"{self._url}/_matrix/media/v3/upload",
            data=content,
            params={"filename": name},
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": media_type},
        ) as answer:
            return str((await answer.json())["content_uri"])

    async def download(self, mxc: str) -> bytes:
        path = f"{self._url}/_matrix/client/v1/media/download/{mxc.removeprefix('mxc://')}"
        headers = {"Authorization": f"Bearer {self._token}"}
        async with self._session.get(path, headers=headers) as answer:
            assert 200 == answer.status
            return await answer.read()

    async def timeline(self, room: str) -> list[Event]:
        """Everything that ever happened in it, oldest first."""
        events, place = await self.page(room, "")
        while (more := await self.page(room, place))[0]:
            events += more[0]
            place = more[1]
        return events

    async def page(self, room: str, place: str) -> tuple[list[Event], str]:
        """What happened after ``place``, and the next; an empty one is before everything."""
        path = f"client/v3/rooms/{quote(room)}/messages"
        query = {"from": place} if place else {}
        page = await self.ask("GET", path, dir="f", limit="500", **query)
        return page["chunk"], page.get("end", place)


class Matrix:
    name = "matrix"
    keeps = True

    def __init__(self, url: str, token: str, room: str, person: Person) -> None:
        self._url = url
        self._token = token
        self._room = room
        self._max = person

    def settings(self) -> tuple[str, dict[str, Any]]:
        return "matrix", {
            "homeserver_url": self._url,
            "access_token": self._token,
            "rooms": [self._room],
        }

    def address(self) -> dict[str, str]:
        return {"room_id": self._room}

    # --- what Max does ---

    async def _post(self, content: Event) -> int:
        await self._max.put(self._room, "m.room.message", {"msgtype": "m.text", **content})
        return 1

    async def _post_html(self, body: str, formatted: str) -> int:
        return await self._post({"body": body, "format": _HTML, "formatted_body": formatted})

    async def says(self, text: str) -> int:
        return await self._post({"body": text})

    async def says_at_length(self) -> int:
        return await self.says(long_text("Matrix"))

    async def says_formatted(self, *pieces: tuple[str, str]) -> int:
        formatted = "".join(_element(*piece) for piece in pieces)
        return await self._post_html("".join(words for _, words in pieces), formatted)

    async def shows_code(self, code: str, language: str) -> int:
        block = f'<pre><code class="language-{language}">{html.escape(code)}\n</code></pre>'
        return await self._post_html(f"```{language}\n{code}\n```", block)

    async def quotes(self, quoted: str, text: str) -> int:
        formatted = f"<blockquote><p>{quoted}</p></blockquote><p>{text}</p>"
        return await self._post_html(f"> {quoted}\n\n{text}", formatted)

    async def sends_picture(self, name: str, content: bytes, caption: str) -> int:
        return await self._sends("m.image", name, content, "image/png", caption)

    async def sends_file(self, name: str, content: bytes, caption: str) -> int:
        return await self._sends("m.file", name, content, "text/plain", caption)

    async def _sends(self, kind: str, name: str, content: bytes, media_type: str, caption: str) -> int:
        mxc = await self._max.upload(name, content, media_type)
        info = {"mimetype": media_type, "size": len(content)}
        return await self._post(
            {"msgtype": kind, "url": mxc, "info": info, "filename": name, "body": caption or name}
        )

    async def replies(self, to: str, text: str) -> int:
        answered = (await self._find(to))["event_id"]
        return await self._post({"body": text, "m.relates_to": {"m.in_reply_to": {"event_id": answered}}})

    async def edits(self, of: str, text: str) -> int:
        said = {"msgtype": "m.text", "body": text}
        replaced = {"rel_type": "m.replace", "event_id": (await self._find(of))["event_id"]}
        return await self._post({"body": f"* {text}", "m.new_content": said, "m.relates_to": replaced})

    async def deletes(self, of: str) -> int:
        await self._max.redact(self._room, (await self._find(of))["event_id"])
        return 1

    async def reacts(self, to: str, emoji: str) -> int:
        about = {"rel_type": "m.annotation", "event_id": (await self._find(to))["event_id"], "key": emoji}
        await self._max.put(self._room, "m.reaction", {"m.relates_to": about})
        return 1

    async def takes_back(self, to: str, emoji: str) -> int:
        """His reaction."""
        target = (await self._find(to))["event_id"]
        (reaction,) = [
            one["event_id"]
            for one in await self._max.timeline(self._room)
            if one["type"] == "m.reaction"
            and one["sender"] == "@max:hs.test"
            and _relation(one).get("event_id") == target
            and _relation(one).get("key") == emoji
        ]
        await self._max.redact(self._room, reaction)
        return 1

    async def _find(self, words: str) -> Event:
        """The first that says it, now or after an edit."""
        events = await self._max.timeline(self._room)
        edits = _edits(events)
        return next(
            one
            for one in events
            if one["type"] == "m.room.message"
            and _relation(one).get("rel_type") != "m.replace"
            and words in edits.get(one["event_id"], one["content"]).get("body", "")
        )

    # --- what he sees ---

    async def heard(self) -> list[Shown]:
        events = await self._max.timeline(self._room)
        edits = _edits(events)
        bodies = {one["event_id"]: one["content"].get("body", "") for one in events}
        shown: dict[str, Shown] = {}
        for one in events:
            relation, who = _relation(one), NAMES[one["sender"]]
            if one["type"] == "m.reaction" and relation.get("event_id") in shown:
                shown[relation["event_id"]].reactions.append(f"{relation['key']} {who}")
            if one["type"] != "m.room.message" or relation.get("rel_type") == "m.replace":
                continue
            answered = relation.get("m.in_reply_to", {}).get("event_id", "")
            event_id = one["event_id"]
            shown[event_id] = Shown(
                who,
                await self._words(edits.get(event_id, one["content"])),
                answers=edits.get(answered, {}).get("body") or bodies.get(answered, ""),
                edited=event_id in edits,
                deleted="redacted_because" in one.get("unsigned", {}),
            )
        return list(shown.values())

    async def _words(self, content: Event) -> str:
        said = str(content.get("body", ""))
        if "formatted_body" in content:
            said = f"‹html› {content['formatted_body']}"
        if content.get("msgtype") in ("m.image", "m.file"):
            what = "a picture" if content["msgtype"] == "m.image" else "a file"
            size = len(await self._max.download(content["url"]))
            caption = "" if said == content["filename"] else said
            return f"[{what} {content['filename']}: {size} bytes] {caption}".rstrip()
        return said


def _relation(event: Event) -> Event:
    return dict(event["content"].get("m.relates_to", {}))


def _edits(events: list[Event]) -> dict[str, Event]:
    """What messages say since they were edited by who wrote them."""
    senders = {one["event_id"]: one["sender"] for one in events}
    return {
        _relation(one)["event_id"]: one["content"]["m.new_content"]
        for one in events
        if _relation(one).get("rel_type") == "m.replace"
        and senders.get(_relation(one)["event_id"]) == one["sender"]
    }


def _element(style: str, words: str) -> str:
    if style == "plain":
        return html.escape(words)
    if style == "link":
        return f'<a href="https://example.com/a_b">{html.escape(words)}</a>'
    return f"<{_TAGS[style]}>{html.escape(words)}</{_TAGS[style]}>"


@asynccontextmanager
async def matrix(folder: Path, **limits: Any):
    """Skips the test where Synapse is not installed."""
    with matrix_server.running(folder, **limits) as server:
        async with aiohttp.ClientSession() as session:
            person = Person(session, server.url, server.register("max"))
            bridge = server.register("bridge")
            await person.ask(
                "PUT", "client/v3/profile/@max:hs.test/displayname", {"displayname": "Max 马"}
            )
            made = await person.ask(
                "POST", "client/v3/createRoom", {"name": "Team", "invite": ["@bridge:hs.test"]}
            )
            yield Matrix(server.url, bridge, made["room_id"], person)
