"""``msgbridge demo``: the whole bridge on loopback, told to somebody who has never seen it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.cli import IO_ERROR, OK, PROBLEMS, add_language_option, spoken
from bridge.phrases import Phrase, phrase

if TYPE_CHECKING:
    from bridge.demo import Listener, Script
    from bridge.driver import Stage
    from bridge.i18n import Speak
    from bridge.journal import Ledger

_ARRIVE_WITHIN = 15.0
_LOOK_EVERY = 0.02


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("demo", help="see the whole bridge work here, no account needed")
    parser.add_argument("--keep", action="store_true", help="stay up at the end, until Ctrl-C")
    add_language_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 when everything arrived and everything forged was refused, 1 when not, 74 without a daemon."""
    with tempfile.TemporaryDirectory(prefix="msgbridge-demo-") as folder:
        return asyncio.run(_demo(Path(folder), Show(spoken(arguments)), keep=arguments.keep))


async def _demo(folder: Path, show: Show, *, keep: bool) -> int:
    from bridge.demo import open_daemon, open_scene

    async with contextlib.AsyncExitStack() as stack:
        script, stage, listener = await stack.enter_async_context(open_scene(folder))
        one, other = script.groups
        stage.open_room(one, "Team A")
        stage.open_room(other, "Team B")
        show.beginning(script, stage)
        try:
            show.started(await stack.enter_async_context(open_daemon(folder, script)), script)
        except OSError as e:
            sys.stderr.write(f"{e}\n")
            return IO_ERROR
        good = await _three_messages(show, script, stage, listener)
        good = show.refused(await stage.forge(script.callback_url, one)) and good
        good = show.ledger(await _settled(script)) and good
        show.how_to_go_on(folder, script, keep=keep)
        if keep:
            await _say_what_is_typed(script, stage)
    return OK if good else PROBLEMS


async def _three_messages(show: Show, script: Script, stage: Stage, listener: Listener) -> bool:
    one, other = script.groups
    good = True
    for number, (who, text) in enumerate(
        (("Ada", "The build is green"), ("李雷", "@Ada 构建通过了 ✅"), ("Ada", "")), 1
    ):
        show.event(number, who, text)
        status = await stage.say(script.callback_url, one, who, text, picture=not text)
        good = show.answered(status) and good
        there = await _nth(lambda: stage.heard(other), number)
        good = show.arrived(phrase("DingTalk, Team B"), there) and good
        there = await _nth(lambda: listener.texts, number)
        good = show.arrived(phrase("webhook ci"), there) and good
    return good


async def _nth(texts: Callable[[], Sequence[str]], number: int) -> str:
    """The ``number``-th of what arrives, or nothing when it does not come in time."""
    deadline = time.monotonic() + _ARRIVE_WITHIN
    while time.monotonic() < deadline:
        if len(texts()) >= number:
            return texts()[number - 1]
        await asyncio.sleep(_LOOK_EVERY)
    return ""


async def _settled(script: Script) -> Ledger:
    """The journal's books, once the last answer is in them, or when that takes too long."""
    from bridge.journal.reading import open_reader
    from bridge.model import Status

    deadline = time.monotonic() + _ARRIVE_WITHIN
    while True:
        with open_reader(script.journal()) as reader:
            ledger = reader.ledger()
        if not ledger.by_status[Status.WAITING] or time.monotonic() > deadline:
            return ledger
        await asyncio.sleep(_LOOK_EVERY)


async def _say_what_is_typed(script: Script, stage: Stage) -> None:
    """Until Ctrl-C. Without a terminal there is only the waiting."""
    one, other = script.groups
    loop = asyncio.get_running_loop()
    typed: asyncio.Queue[str] = asyncio.Queue()
    if sys.stdin.isatty():
        loop.add_reader(sys.stdin, lambda: typed.put_nowait(sys.stdin.readline().strip()))
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            text = await typed.get()
            before = len(stage.heard(other))
            await stage.say(script.callback_url, one, os.environ.get("USER", "you"), text)
            heard = await _nth(lambda: stage.heard(other), before + 1)
            sys.stdout.write(f"    Team B: {heard}\n")


class Show:
    """What the reader sees."""

    def __init__(self, speak: Speak) -> None:
        self._speak = speak
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def beginning(self, script: Script, stage: Stage) -> None:
        self._head(phrase("msgbridge demo: two DingTalk groups and a webhook, all on this machine"))
        self._say(
            phrase(
                "the files: config.json.example and rules.json.example in {folder}",
                folder=script.examples,
            )
        )
        self._say(phrase("replaced in them: data directory, ports, base URLs and secrets; nothing else"))
        self._say(
            phrase("DingTalk is played by a simulator at {url}", url=stage.overrides["api_base_url"])
        )

    def started(self, seconds: float, script: Script) -> None:
        self._head(phrase("The daemon starts"))
        self._checked(
            phrase(
                "ready after {seconds} s; DingTalk calls it at {url}",
                seconds=f"{seconds:.1f}",
                url=script.callback_url,
            )
        )

    def event(self, number: int, who: str, text: str) -> None:
        first = phrase("Somebody writes in a group, and DingTalk sends a signed event")
        self._head(first if number == 1 else phrase("And another"))
        self._line(f"    {who} → Team A: {text or self._speak(phrase('(a picture)'))}")

    def answered(self, status: int) -> bool:
        good = status == HTTPStatus.OK
        self._checked(phrase("answered {status}: it is on disk now", status=status), good=good)
        return good

    def arrived(self, where: Phrase, text: str) -> bool:
        first, *rest = (text or self._speak(phrase("nothing arrived in time"))).split("\n")
        self._line(f"  {self._mark(good=bool(text))} {self._speak(where)}: {first}")
        for line in rest:
            self._line(f"      {line}")
        return bool(text)

    def refused(self, statuses: Mapping[str, int]) -> bool:
        self._head(phrase("Forged events are refused"))
        said = {
            "unsigned": phrase("an event without a signature"),
            "stale": phrase("an event signed ten minutes ago"),
        }
        for name, status in statuses.items():
            good = status == HTTPStatus.UNAUTHORIZED
            self._line(f"  {self._mark(good=good)} {self._speak(said[name])}: {status}")
        return all(status == HTTPStatus.UNAUTHORIZED for status in statuses.values())

    def ledger(self, ledger: Ledger) -> bool:
        from bridge.model import Status

        counts = {status.value: ledger.by_status[status] for status in Status}
        good = ledger.planned == ledger.by_status[Status.SENT]
        self._head(phrase("Nothing is lost"))
        self._checked(
            phrase(
                "planned {planned}, sent {sent}, waiting {waiting}, dead {dead}",
                planned=ledger.planned,
                **counts,
            ),
            good=good,
        )
        return good

    def how_to_go_on(self, folder: Path, script: Script, *, keep: bool) -> None:
        self._head(phrase("How to go on"))
        if keep:
            self._say(phrase("its files: {folder}", folder=folder))
            self._say(phrase("its monitor: {url}", url=f"{script.status_url}/metrics"))
            self._say(phrase("type a line to say it in Team A; Ctrl-C ends everything"))
            return
        self._say(phrase("`make demo KEEP=1` stays up, and lets you type"))
        self._say(phrase("README.md: five minutes to a real DingTalk group"))

    def _line(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def _head(self, said: Phrase) -> None:
        text = self._speak(said)
        self._line(f"\n\x1b[1m{text}\x1b[0m" if self._colour else f"\n{text}")

    def _say(self, said: Phrase) -> None:
        self._line(f"    {self._speak(said)}")

    def _checked(self, said: Phrase, *, good: bool = True) -> None:
        self._line(f"  {self._mark(good=good)} {self._speak(said)}")

    def _mark(self, *, good: bool) -> str:
        mark = "✓" if good else "✗"
        return f"\x1b[{32 if good else 31}m{mark}\x1b[0m" if self._colour else mark
