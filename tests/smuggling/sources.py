"""
The body that each platform really sends when somebody types something there, and the driver's own
reading of it. A source is a function of (text, name) that gives the envelope, or None where that cannot
be typed there at all.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy

from bridge.model import ConversationRef, Envelope, Inbound, InboundRequest, InstanceId
from bridge.wild import Wild, clean_name
from drivers.dingtalk import callback
from drivers.dingtalk.callback_bodies import Chat
from drivers.irc import inbound as irc_inbound
from drivers.irc import wire as irc_wire
from drivers.irc.network import Network
from drivers.matrix import inbound as matrix_inbound
from drivers.telegram.memory import Moves, Topics
from drivers.telegram.updates import Updates
from drivers.webhook import wire as webhook_wire
from tests.builders import a_place
from tests.clock import NOON

Typed = Callable[[str, str], "Envelope | None"]

HERE = InstanceId("here")
_NONE: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
_AT_MS = int(NOON.timestamp() * 1000)
_FORBIDDEN_IN_NICKS = dict.fromkeys(map(ord, " !@\r\n\0:"))


def _request(body: object) -> InboundRequest:
    # As JSON is written: lone halves of an emoji get through it, as escapes.
    return InboundRequest("POST", "/", _NONE, _NONE, json.dumps(body).encode(), "127.0.0.1", NOON)


def _only(inbound: Inbound) -> Envelope | None:
    return inbound.envelopes[0] if inbound.envelopes else None


# --- DingTalk ---------------------------------------------------------------------------------------


def _dingtalk(body: dict[str, Any]) -> Envelope | None:
    at = {"isAtAll": True, "at": {"isAtAll": True, "atUserIds": ["manager1001"]}}
    account = callback.Account(HERE, "robot")
    return _only(callback.normalize(_request({**body, **at}), account))


def _chat(name: str, title: str = "room") -> Chat:
    return Chat(robot_code="robot", nick=name, title=title)


def dingtalk_text(text: str, name: str) -> Envelope | None:
    return _dingtalk(_chat(name).text(text, message_id="m1", at_ms=_AT_MS))


def dingtalk_title(text: str, name: str) -> Envelope | None:
    return _dingtalk(_chat(name, title=text).text("hello", message_id="m1", at_ms=_AT_MS))


def dingtalk_quote(text: str, name: str) -> Envelope | None:
    body = _chat(name).text("hello", message_id="m1", at_ms=_AT_MS)
    body["text"]["repliedMsg"] = {"msgType": "text", "msgId": "m0", "content": {"text": text}}
    return _dingtalk(body)


# --- the generic webhook ----------------------------------------------------------------------------


def webhook_text(text: str, name: str) -> Envelope | None:
    body = {
        "id": "m1",
        "text": text,
        "sender": {"name": name},
        "mentions": [{"user_id": "manager1001"}],
        "at": {"isAtAll": True},
    }
    return _only(webhook_wire.normalize(_request(body), HERE))


def webhook_quote(text: str, name: str) -> Envelope | None:
    body = {
        "id": "m1",
        "text": "hello",
        "sender": {"name": name},
        "quote": {"sender": text, "text": text},
    }
    return _only(webhook_wire.normalize(_request(body), HERE))


# --- Telegram ---------------------------------------------------------------------------------------


def _telegram(name: str, **content: Any) -> Envelope | None:
    message = {
        "message_id": 7,
        "from": {"id": 42, "is_bot": False, "first_name": name},
        "chat": {"id": -100123, "type": "supergroup", "title": "room"},
        "date": int(NOON.timestamp()),
        **content,
    }
    updates = Updates(HERE, "1", Moves(), Topics())
    body = json.dumps({"update_id": 1, "message": message}).encode()
    return _only(updates.normalize(Wild.parse(body), NOON))


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def telegram_text(text: str, name: str) -> Envelope | None:
    """Telegram marks what it takes for a mention: also that is not to ping anybody elsewhere."""
    mention = {"type": "mention", "offset": 0, "length": 4}
    return _telegram(name, text=text, entities=[mention])


def telegram_bold(text: str, name: str) -> Envelope | None:
    return _telegram(name, text=text, entities=[{"type": "bold", "offset": 0, "length": _units(text)}])


def telegram_called(text: str, name: str) -> Envelope | None:
    """A person without a username is mentioned by name; the name is the person's own choice."""
    user = {"id": 43, "is_bot": False, "first_name": text}
    entity = {"type": "text_mention", "offset": 0, "length": _units(text), "user": user}
    return _telegram(name, text=text, entities=[entity])


def telegram_link(text: str, name: str) -> Envelope | None:
    """Both ends of a link are typed by somebody; the URL may be one that clients act on."""
    entity = {"type": "text_link", "offset": 0, "length": _units(text), "url": "tg://user?id=42"}
    return _telegram(name, text=text, entities=[entity])


def telegram_caption(text: str, name: str) -> Envelope | None:
    photo = [{"file_id": "f1", "file_unique_id": "u1", "width": 1, "height": 1}]
    return _telegram(name, photo=photo, caption=text)


def telegram_file(text: str, name: str) -> Envelope | None:
    document = {"file_id": "f1", "file_unique_id": "u1", "file_name": text}
    return _telegram(name, document=document)


def telegram_quote(text: str, name: str) -> Envelope | None:
    answered = {
        "message_id": 6,
        "from": {"id": 44, "is_bot": False, "first_name": name},
        "chat": {"id": -100123, "type": "supergroup", "title": "room"},
        "date": int(NOON.timestamp()),
        "text": text,
    }
    return _telegram(name, text="hello", reply_to_message=answered)


# --- Matrix -----------------------------------------------------------------------------------------


def _matrix(
    name: str,
    content: dict[str, Any],
    known: tuple[str, str] | None = None,
    type_: str = "m.room.message",
) -> Envelope | None:
    event = {
        "type": type_,
        "event_id": "$m1",
        "sender": "@eve:hs.test",
        "origin_server_ts": _AT_MS,
        "content": {"m.mentions": {"room": True, "user_ids": ["@max:hs.test"]}, **content},
    }
    # A display name has been cleaned by the time that it is looked up.
    remembered = {}
    if known is not None:
        said = {**event, "event_id": "$m0", "content": {"msgtype": "m.text", "body": known[1]}}
        wild = Wild.parse(json.dumps(said).encode())
        one = matrix_inbound.remembered(wild, {"@eve:hs.test": clean_name(known[0])})
        remembered = {"$m0": one} if one else {}
    here = matrix_inbound.Here(
        source=ConversationRef(HERE, a_place("here/!room:hs.test").conversation),
        user_id="@bridge:hs.test",
        now=NOON,
        names={"@eve:hs.test": clean_name(name)},
        known=remembered,
    )
    return _only(matrix_inbound.normalize(Wild.parse(json.dumps(event).encode()), here))


def matrix_text(text: str, name: str) -> Envelope | None:
    return _matrix(name, {"msgtype": "m.text", "body": text})


def _formatted(formatted: str, text: str) -> dict[str, Any]:
    return {
        "msgtype": "m.text",
        "body": text,
        "format": "org.matrix.custom.html",
        "formatted_body": formatted,
    }


def matrix_bold(text: str, name: str) -> Envelope | None:
    return _matrix(name, _formatted(f"<strong>{html.escape(text)}</strong>", text))


def matrix_pill(text: str, name: str) -> Envelope | None:
    pill = f'<a href="https://matrix.to/#/@max:hs.test">{html.escape(text)}</a>'
    return _matrix(name, _formatted(pill, text))


def matrix_file(text: str, name: str) -> Envelope | None:
    return _matrix(name, {"msgtype": "m.file", "body": text, "url": "mxc://hs.test/x"})


def matrix_reaction(text: str, name: str) -> Envelope | None:
    """Clients offer emoji; the homeserver takes any text."""
    about = {"rel_type": "m.annotation", "event_id": "$m0", "key": text}
    return _matrix(name, {"m.relates_to": about}, type_="m.reaction")


def matrix_quote(text: str, name: str) -> Envelope | None:
    relation = {"m.in_reply_to": {"event_id": "$m0"}}
    content = {"msgtype": "m.text", "body": "hello", "m.relates_to": relation}
    return _matrix(name, content, known=(name, text))


# --- IRC --------------------------------------------------------------------------------------------


def _irc(name: str, text: str) -> Envelope | None:
    nick = name.translate(_FORBIDDEN_IN_NICKS) or "eve"
    said = text.replace("\r", " ").replace("\n", " ").replace("\0", "")
    line = irc_wire.read(f":{nick}!~e@host PRIVMSG #team :{said}".encode("utf-8", "surrogatepass"))
    assert line is not None
    ids = irc_inbound.Ids("start")
    network = Network()
    given = irc_inbound.normalize(line, instance=HERE, network=network, nick="bridge", now=NOON, ids=ids)
    return _only(given)


def irc_text(text: str, name: str) -> Envelope | None:
    """A line that begins with a 1 asks a client something; the session answers it or leaves it."""
    return None if text.startswith("\x01") else _irc(name, text)


def irc_action(text: str, name: str) -> Envelope | None:
    return _irc(name, "\x01ACTION " + text.replace("\x01", "") + "\x01")


def irc_bold(text: str, name: str) -> Envelope | None:
    return _irc(name, f"\x02{text}\x02")


@dataclass(frozen=True, slots=True)
class Source:
    """``marks`` is the only markup that its writer asked for; ``whole``: all that is typed is shown."""

    typed: Typed
    marks: frozenset[str] = frozenset()
    whole: bool = False

    @property
    def shortened(self) -> bool:
        """Of a quote, the name of a file and a reaction the beginning is enough."""
        return self.typed.__name__.endswith(("_quote", "_file", "_reaction"))

    @property
    def platform(self) -> str:
        return self.typed.__name__.partition("_")[0]


_BOLD = frozenset({"bold"})
_QUOTE = frozenset({"quote"})
_LINK = frozenset({"link"})

SOURCES = {
    source.typed.__name__: source
    for source in (
        Source(dingtalk_text, whole=True),
        Source(dingtalk_title),
        Source(dingtalk_quote, _QUOTE),
        Source(webhook_text, whole=True),
        Source(webhook_quote, _QUOTE),
        Source(telegram_text, whole=True),
        Source(telegram_bold, _BOLD, whole=True),
        Source(telegram_called),
        Source(telegram_link, _LINK),
        Source(telegram_caption, whole=True),
        Source(telegram_file),
        Source(telegram_quote, _QUOTE),
        Source(matrix_text, whole=True),
        Source(matrix_bold, _BOLD, whole=True),
        Source(matrix_pill),
        Source(matrix_file),
        Source(matrix_reaction),
        Source(matrix_quote, _QUOTE),
        Source(irc_text),
        Source(irc_bold, _BOLD),
        Source(irc_action, frozenset({"italic"})),
    )
}
