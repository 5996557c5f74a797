"""
What each platform is given to show, and who is pinged there: judged by the platform's own rules, as its
documents have them, not by the bridge's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bridge.model import Capabilities, Outgoing, Support, TextFormat
from drivers.apprise.wire import Form, Manner, letter
from drivers.dingtalk import openapi, posts, robot_send
from drivers.dingtalk.markdown import in_dialect
from drivers.irc import outbound as irc_outbound
from drivers.irc import settings as irc_settings
from drivers.irc import wire as irc_wire
from drivers.matrix import outbound as matrix_outbound
from drivers.matrix import texts as matrix_texts
from drivers.telegram import said as telegram_said
from drivers.webhook import wire as webhook_wire
from tests.smuggling.hostile import NICKS
from tests.smuggling.readers import Page, html_page, irc_page, markdown_page, telegram_page

_BOTH = frozenset(TextFormat)
_URL = re.compile(r"https?://[^\s<>]+")


@dataclass(slots=True)
class Shown:
    """``pings``: what would call somebody, or make a client do something."""

    page: Page
    pings: list[str] = field(default_factory=list)


Shows = Callable[[Outgoing], Shown]


@dataclass(frozen=True, slots=True)
class Destination:
    """``shows`` is what becomes of one part there; ``capabilities`` as its driver has them."""

    name: str
    shows: Shows
    capabilities: Capabilities


def _found(pattern: str, text: str) -> list[str]:
    return [found[0] for found in re.finditer(pattern, text, re.IGNORECASE)]


# --- DingTalk ---------------------------------------------------------------------------------------


def _dingtalk(outgoing: Outgoing) -> Shown:
    """The OpenAPI pings nobody: it has no field for it."""
    written = in_dialect(outgoing, openapi.measure, openapi.MAX_TEXT)
    post, _ = posts.compose(written, robot_send.WORDINGS["en"])
    params = json.loads(post.param)
    pings = [key for key in params if key.lower().startswith("at")]
    match post.msg_key:
        case "sampleText":
            return Shown(Page(params["content"]), pings)
        case "sampleMarkdown":
            return Shown(markdown_page(params["text"]), pings)
    raise AssertionError(post.msg_key)


def _group_robot(outgoing: Outgoing) -> Shown:
    """``at`` pings, and so does what stands behind an ``@`` in the text where it is a number or all."""
    written = in_dialect(outgoing, robot_send.measure, robot_send.max_text())
    body = json.loads(robot_send.encode(written, robot_send.WORDINGS["en"]).body)
    kind = body["msgtype"]
    text = body[kind].get("content", body[kind].get("text"))
    page = markdown_page(text) if kind == "markdown" else Page(text)
    called = [str(value) for value in body["at"].values() if value]
    return Shown(page, [*called, *_found(r"@(all|所有人|everyone|[0-9]+)", page.seen)])


# --- Telegram ---------------------------------------------------------------------------------------


def _telegram(outgoing: Outgoing) -> Shown:
    """
    Telegram looks for mentions and commands in the text by itself, but not in code and in URLs, and
    ``tg://user`` in a link is a mention. https://core.telegram.org/api/entities
    """
    said = telegram_said.said(outgoing)
    page = telegram_page(said.text, list(said.entities))
    words = re.sub(r"https?://[\w-]+(\.[\w-]+)*\.[a-z]{2,}(:\d+)?(/[^\s<>]*)?", " ", said.text)
    pings = _found(r"(?<![A-Za-z0-9_])@[A-Za-z0-9_]+", words)
    pings += _found(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?![A-Za-z0-9_/<>])", words)
    pings += [url for url in page.links if not url.startswith(("http://", "https://"))]
    return Shown(page, pings)


# --- Matrix -----------------------------------------------------------------------------------------


def _matrix(outgoing: Outgoing) -> Shown:
    """``m.mentions`` pings; a link to a person is shown as one; ``@room`` is a word of old clients."""
    content = matrix_outbound.message(outgoing, "m.text")
    pings = [str(content["m.mentions"])] if content["m.mentions"] else []
    formatted = content.get("formatted_body")
    page = html_page(formatted) if formatted else Page(content["body"])
    words = _URL.sub(" ", f"{content['body']} {page.seen}")
    pings += _found(r"(?<![\w@])@room\b", words)
    pings += [url for url in page.links if "matrix.to" in url or url.startswith("matrix:")]
    pings += [one for one in page.marks if one.startswith("<") or "=" in one]
    return Shown(page, pings)


# --- IRC --------------------------------------------------------------------------------------------

_PREFIX = b":bridge!msgbridge@127.0.0.1 "
_IN_NICKS = r"[A-Za-z0-9_\-\[\]\\`^{}|]"
_ACCOUNT = irc_settings.read({"host": "127.0.0.1", "nick": "bridge", "tls": False})


def _irc(outgoing: Outgoing) -> Shown:
    """A nick that stands in a line as a word highlights; a line is a command, and ends at CR LF."""
    room = irc_wire.room("PRIVMSG", "bridge!msgbridge@127.0.0.1", "#team")
    shown = Shown(Page())
    for text in irc_outbound.texts(outgoing, _ACCOUNT, room, NICKS):
        written = irc_wire.write("PRIVMSG", "#team", text)
        begin, end = b"PRIVMSG #team :", b"\r\n"
        if not written.startswith(begin):  # one word needs no colon
            begin = begin[:-1]
        words = written.removeprefix(begin).removesuffix(end)
        assert written == begin + words + end
        shown.pings += [f"{byte} in a line" for byte in b"\r\n\0\x01" if byte in words]
        if len(_PREFIX + written) > 512:
            shown.pings.append("a line that is cut")
        page = irc_page(words.decode())
        shown.page.marks |= page.marks
        shown.page.seen += page.seen + "\n"
    words = _URL.sub(" ", shown.page.seen)
    for nick in NICKS:
        shown.pings += _found(rf"(?<!{_IN_NICKS}){re.escape(nick)}(?!{_IN_NICKS})", words)
    return shown


# --- programs, and what Apprise reaches -------------------------------------------------------------


def _webhook(outgoing: Outgoing) -> Shown:
    body = json.loads(webhook_wire.encode(outgoing))
    text = body["text"]
    page = markdown_page(text) if body["format"] == "markdown" else Page(text)
    return Shown(page, [str(one) for one in body["mentions"]])


def _apprise(form: Form) -> Shows:
    """Discord, Slack and their like look for mentions in the text."""

    def shows(outgoing: Outgoing) -> Shown:
        body = letter(outgoing, form, Manner(limit=30_000, has_titles=True)).body
        pages = {Form.TEXT: Page, Form.MARKDOWN: markdown_page, Form.HTML: html_page}
        page = pages[form](body)
        pings = _found(r"@(everyone|here|channel|all|room)\b", page.seen)
        pings += _found(r"<(?:@[!&]?\w|!(?:channel|here|everyone|subteam))", page.seen)
        return Shown(page, pings)

    return shows


def _destinations() -> Iterator[Destination]:
    plan = {"formats": _BOTH, "reply": Support.FALLBACK}
    yield Destination(
        "dingtalk",
        _dingtalk,
        Capabilities(max_text=openapi.MAX_TEXT, measure=openapi.measure, **plan),
    )
    yield Destination(
        "dingtalk_group_robot",
        _group_robot,
        Capabilities(max_text=robot_send.max_text(), measure=robot_send.measure, **plan),
    )
    yield Destination(
        "telegram",
        _telegram,
        Capabilities(max_text=telegram_said.MAX_TEXT, measure=telegram_said.measure, **plan),
    )
    yield Destination(
        "matrix",
        _matrix,
        Capabilities(max_text=matrix_texts.MAX_TEXT, measure=matrix_texts.measure, **plan),
    )
    yield Destination(
        "irc",
        _irc,
        Capabilities(max_text=irc_wire.MAX_TEXT, measure=irc_wire.measure, one_line=True, **plan),
    )
    yield Destination("webhook", _webhook, Capabilities(max_text=50_000, **plan))
    for form in Form:
        yield Destination(f"apprise_{form}", _apprise(form), Capabilities(max_text=20_000, **plan))


DESTINATIONS = {destination.name: destination for destination in _destinations()}
