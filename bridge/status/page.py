"""
The status page: one look at everything, as one file without script.

Pure: a snapshot, a language and a picture become HTML. It asks nobody for anything, so it can be saved,
printed and mailed as it is.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from bridge.desk import Reloaded, Snapshot
from bridge.i18n import Speak
from bridge.phrases import phrase
from bridge.problems.show import show_all
from bridge.routes_picture.svg import STYLE
from bridge.status import page_books, page_traffic
from bridge.status.health import Concern, concerns
from bridge.status.html import Child, Html, join, printable_lines, shortened, tag, trusted
from bridge.status.page_parts import Reader, command, sign
from bridge.status.words import Level, count, lasting

Picture = Callable[[Snapshot, str], str]
"""
The routes as an SVG element, for a snapshot and a language. It is put into the page as it is, so
everything in it that a stranger wrote must be escaped; it may have the style sheet of
`bridge.routes_picture.svg`, and no other.
"""

SHORTEST_REFRESH = 5
"""Seconds between two looks of a page that refreshes itself."""

_OTHER = {"en": ("zh", "zh-CN", "中文"), "zh": ("en", "en", "English")}
_HTML_LANG = {"en": "en", "zh": "zh-CN"}
_LONGEST_REPORT = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How a reader wants the page: ``refresh`` in seconds, 0 for a page that stands still."""

    lang: str
    speak: Speak
    refresh: int = 0


def status_page(snapshot: Snapshot, view: View, picture: Picture | None = None) -> str:
    """The whole document."""
    reader = Reader(view.speak, snapshot.now)
    found = concerns(snapshot)
    body = tag(
        "body",
        _header(snapshot, found, view, reader),
        tag(
            "main",
            _refused(snapshot.last_reload, reader),
            _concerns(found, reader),
            _routes(snapshot, view, picture, reader),
            page_traffic.accounts(snapshot, reader),
            page_traffic.destinations(snapshot, reader),
            page_traffic.rules(snapshot, reader),
            page_books.dead(snapshot, reader),
            page_books.journal(snapshot, reader),
            page_books.events(snapshot, reader),
            _warnings(snapshot, reader),
        ),
        _footer(snapshot, reader),
    )
    return document(view, f"{_mark(found)} msgbridge", body, tint=_tint(found))


def document(view: View, title: str, body: Html, *, tint: str) -> str:
    """A page of ours around ``body``; ``tint`` is the colour of its icon."""
    icon = (
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E"
        f"%3Ccircle cx='4' cy='4' r='4' fill='%23{tint}'/%3E%3C/svg%3E"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="refresh", content=view.refresh) if view.refresh else None,
        tag("title", title),
        tag("link", rel="icon", href=icon),
        tag("style", trusted(style())),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang=_HTML_LANG[view.lang])}\n"


@cache
def style() -> str:
    """The style sheet that stands in the page."""
    return files("bridge.status").joinpath("page.css").read_text(encoding="utf-8")


@cache
def style_hashes() -> str:
    """The style sheets that may stand in the page, as a Content-Security-Policy names them."""
    digests = (hashlib.sha256(sheet.encode()).digest() for sheet in (style(), STYLE))
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def _header(snapshot: Snapshot, found: tuple[Concern, ...], view: View, reader: Reader) -> Html:
    speak = reader.speak
    facts: list[Child] = [
        speak(phrase("version {version}", version=snapshot.version)),
        speak(phrase("running for {time}", time=lasting(snapshot.uptime))),
        join(
            [
                speak(phrase("files of generation {number}", number=count(snapshot.generation))),
                " · ",
                reader.when(snapshot.loaded_at),
            ]
        ),
        tag(
            "time",
            f"{snapshot.now:%Y-%m-%d %H:%M:%S} UTC",
            datetime=snapshot.now.isoformat(),
        ),
    ]
    lang, written, name = _OTHER[view.lang]
    query = f"?lang={lang}" + (f"&refresh={view.refresh}" if view.refresh else "")
    return tag(
        "header",
        tag(
            "div",
            tag("h1", "msgbridge"),
            tag("a", name, href=query, hreflang=written, lang=written, class_="language"),
            class_="bar",
        ),
        tag("p", _verdict(snapshot, found, speak), class_="verdict"),
        tag("ul", *(tag("li", fact) for fact in facts), class_="about"),
    )


def _verdict(snapshot: Snapshot, found: tuple[Concern, ...], speak: Speak) -> Html:
    bad = sum(one.level is Level.BAD for one in found)
    if bad:
        return sign(Level.BAD, "✗", speak(phrase("An operator is needed")))
    if found:
        return sign(Level.LOOK, "!", speak(phrase("It works; some things want a look")))
    if not snapshot.instances:
        return sign(Level.QUIET, "○", speak(phrase("Nothing is configured yet")))
    return sign(Level.GOOD, "✓", speak(phrase("All is well")))


def _mark(found: tuple[Concern, ...]) -> str:
    if not found:
        return "✓"
    return "✗" if found[0].level is Level.BAD else "!"


def _tint(found: tuple[Concern, ...]) -> str:
    if not found:
        return "1a7f4b"
    return "c62828" if found[0].level is Level.BAD else "b26a00"


def _refused(last: Reloaded | None, reader: Reader) -> Html | None:
    if last is None or last.ok:
        return None
    speak = reader.speak
    title = speak(phrase("The last reload was refused"))
    asked = join(
        [
            reader.when(last.at),
            " · ",
            speak(phrase("asked for by {who}", who=shortened(last.asked_by))),
            " · ",
            speak(phrase("the files of generation {number} run on", number=count(last.generation))),
        ]
    )
    report = "\n".join(filter(None, [last.why, show_all(last.problems, speak)]))
    return tag(
        "section",
        tag("h2", tag("span", "✗", aria_hidden="true", class_="sign"), " ", title, id="reload"),
        tag("p", asked),
        _report(report, title),
        class_="reload refused",
        aria_labelledby="reload",
    )


def _report(text: str, label: str) -> Html | None:
    """Lines whose columns matter; they are scrolled, with keys too, not wrapped."""
    if not text:
        return None
    shown = printable_lines(text, _LONGEST_REPORT)
    return tag("pre", shown, tabindex=0, role="group", aria_label=label)


def _concerns(found: tuple[Concern, ...], reader: Reader) -> Html | None:
    found = tuple(one for one in found if one.section != "reload")  # it has its own place on top
    if not found:
        return None
    marks = {Level.BAD: "✗", Level.LOOK: "!"}
    items = [
        tag(
            "li",
            sign(one.level, marks[one.level], tag("a", reader.speak(one.what), href=f"#{one.section}")),
        )
        for one in found
    ]
    return reader.section("concerns", phrase("To look at"), tag("ul", *items))


def _routes(snapshot: Snapshot, view: View, picture: Picture | None, reader: Reader) -> Html | None:
    if picture is None:
        return None
    drawn = picture(snapshot, view.lang)
    if not drawn:
        return None
    label = reader.speak(phrase("Routes"))
    frame = tag("div", trusted(drawn), class_="picture", tabindex=0, role="group", aria_label=label)
    return reader.section("routes", phrase("Routes"), frame)


def _warnings(snapshot: Snapshot, reader: Reader) -> Html | None:
    if not snapshot.warnings:
        return None
    title = phrase("Warnings about the two files")
    report = _report(show_all(snapshot.warnings, reader.speak), reader.speak(title))
    return reader.section("warnings", title, report)


def _footer(snapshot: Snapshot, reader: Reader) -> Html:
    names = [command(shortened(name, 200)) for name in (snapshot.config_file, snapshot.rules_file)]
    hint = reader.speak(phrase("add ?refresh=10 to the address for a page that renews itself"))
    return tag("footer", tag("p", *names), tag("p", hint))


def login_page(view: View, *, refused: bool) -> str:
    """Who asks from elsewhere shows a token first; ``refused`` says that the last one was wrong."""
    speak = view.speak
    wrong = None
    if refused:
        said = speak(phrase("That is no token for this page."))
        wrong = tag("p", sign(Level.BAD, "✗", said), role="alert")
    form = tag(
        "form",
        wrong,
        tag("label", speak(phrase("A token with the scope “read”")), for_="token"),
        tag("input", type="password", id="token", name="token", required=True,
            autocomplete="current-password"),
        tag("button", speak(phrase("Show the page")), type="submit"),
        method="post",
        action=f"/login?lang={view.lang}",
    )  # fmt: skip
    hint = tag("p", speak(phrase("Tokens stand in config.json, in global.api.tokens.")), class_="note")
    body = tag("body", tag("header", tag("h1", "msgbridge")), tag("main", form, hint, class_="login"))
    return document(view, "msgbridge", body, tint="667085")
