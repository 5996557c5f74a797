"""
What we said and what the server said to it: delivered, refused, or nobody knows.

A server answers an ordinary message with silence. With ``echo-message`` and ``labeled-response`` it
repeats it to us under our label; without, a PING behind it comes back as a PONG once the server has
dealt with all that came before, and a refusal has come first.
https://ircv3.net/specs/extensions/labeled-response
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.errors import DeliveryError, Indeterminate
from bridge.model import MessageId

from . import failures, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from irctokens.line import Line

_PING = "msgbridge-"
_ABOUT_ONE_TARGET = frozenset(failures.OF_A_POST) - {"263", "411", "412", "417"}
_REFUSED_MIN, _REFUSED_MAX = "400", "599"


class Post:
    """One message on its way: ``done`` becomes its id (None where there is none), or an error."""

    def __init__(self, target: str, token: str, lines: int, *, labelled: bool) -> None:
        self.target = target
        self.token = token
        self.labelled = labelled
        self.waiting = lines
        self.message_id: MessageId | None = None
        self.done: asyncio.Future[MessageId | None] = asyncio.get_running_loop().create_future()

    def fail(self, error: DeliveryError) -> None:
        """Once; what comes later says nothing new."""
        if not self.done.done():
            self.done.set_exception(error)

    def confirm(self) -> None:
        """The server has dealt with it, and did not complain."""
        if not self.done.done():
            self.done.set_result(self.message_id)


class Posts:
    """All messages of one connection that are not confirmed yet, in order."""

    def __init__(self, fold: Callable[[str], str], mask: Callable[[str], str]) -> None:
        self.labels = False
        """Whether the server echoes under labels."""
        self._fold = fold
        self._mask = mask
        self._serial = 0
        self._waiting: dict[str, Post] = {}
        self._batches: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def write(
        self, verb: str, target: str, texts: Sequence[str], reply_to: MessageId | None = None
    ) -> tuple[Post, bytes]:
        """The bytes of one message, which may be several lines, and what becomes of it."""
        self._serial += 1
        token = f"{self._serial:x}"
        post = Post(target, token, len(texts), labelled=self.labels)
        self._waiting[token] = post
        tags = {"+draft/reply": reply_to} if reply_to else {}
        sent = b""
        for text in texts:
            label = {"label": token} if self.labels else {}
            sent += wire.write(verb, target, text, tags={**tags, **label})
        if not self.labels:
            sent += wire.write("PING", _PING + token)
        return post, sent

    def forget(self, post: Post) -> None:
        """Nobody waits for it any more."""
        self._waiting.pop(post.token, None)
        if not post.done.cancel() and not post.done.cancelled():
            post.done.exception()  # seen, so that the loop does not complain of it

    def lose(self, why: str) -> None:
        """The connection is gone: what was not confirmed may have been said, or not."""
        for post in self._waiting.values():
            post.fail(Indeterminate(f"the connection was lost: {why}", reason="connection_lost"))
        self._waiting.clear()

    # --- what the server says ---

    def echoed(self, line: Line) -> None:
        """Our own message came back."""
        post = self._labelled(line)
        if post is None and not self.labels:
            post = self._oldest(line.params[0] if line.params else "")
        if post is None:
            return
        tags = line.tags or {}
        post.message_id = post.message_id or (MessageId(tags["msgid"]) if tags.get("msgid") else None)
        if post.labelled and tags.get("batch") not in self._batches:  # there, its end is what counts
            self._one_line_done(post)

    def ponged(self, token: str) -> None:
        """A barrier came back."""
        if token.startswith(_PING) and (post := self._waiting.pop(token.removeprefix(_PING), None)):
            post.confirm()

    def acknowledged(self, line: Line) -> None:
        """A labelled answer that says nothing, or the end of one in several lines."""
        if post := self._labelled(line):
            self._one_line_done(post)

    def batch(self, line: Line) -> None:
        """The beginning or the end of a batch: an answer in several lines has its label here only."""
        reference = line.params[0] if line.params else ""
        label = (line.tags or {}).get("label")
        if reference.startswith("+") and label in self._waiting:
            self._batches[reference[1:]] = label
        elif reference.startswith("-"):
            post = self._waiting.get(self._batches.pop(reference[1:], ""))
            if post is not None:
                self._one_line_done(post)

    def refused(self, line: Line) -> bool:
        """A numeric that may be about a message of ours; whether it was."""
        numeric, said = line.command, line.params[-1] if line.params else ""
        if numeric not in failures.OF_A_POST and not _REFUSED_MIN <= numeric <= _REFUSED_MAX:
            return False
        post = self._labelled(line)
        if post is None and numeric == "FAIL":
            post = self._oldest(None) if line.params[:1] in (["PRIVMSG"], ["NOTICE"]) else None
        elif post is None and numeric in failures.OF_A_POST:
            target = line.params[1] if len(line.params) > 2 else ""  # noqa: PLR2004 (us, whom, words)
            post = self._oldest(target if numeric in _ABOUT_ONE_TARGET else None)
        if post is None:
            return False
        post.fail(failures.of_a_post(numeric, self._mask(said)))
        if post.labelled:
            self._waiting.pop(post.token, None)
        return True

    def _one_line_done(self, post: Post) -> None:
        post.waiting -= 1
        if post.waiting <= 0:
            self._waiting.pop(post.token, None)
            post.confirm()

    def _labelled(self, line: Line) -> Post | None:
        tags = line.tags or {}
        label = tags.get("label") or self._batches.get(tags.get("batch") or "", "")
        return self._waiting.get(label) if label else None

    def _oldest(self, target: str | None) -> Post | None:
        """The server deals with messages in order, so the first to that target is meant."""
        for post in self._waiting.values():
            if not post.done.done() and target in (None, post.target):
                return post
            if not post.done.done() and target and self._fold(target) == self._fold(post.target):
                return post
        return None
