"""
The control socket: JSON lines between the command line and the desk of the running daemon.

One connection carries one request, ``{"verb": …, "args": {…}}``, and as many answers as it takes:
``{"progress": …}`` and ``{"event": …}`` on the way, ``{"result": …}`` or ``{"error": …}`` at the end.
Who may connect is said by the mode of the socket (0660) and of its folder; who does is asked of the
kernel and stands in the audit log.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path

import structlog

from bridge.control_verbs import VERBS, Answers
from bridge.desk import Desk, DeskError
from bridge.desk.plain import plain
from bridge.errors import BridgeError, IngressError, JournalError, Malformed
from bridge.wild import Wild

log = structlog.get_logger()

LONGEST_LINE = 1 << 18
"""Bytes of a request."""

ASK_WITHIN = 10.0
"""Seconds that a request may take to arrive."""

_MOST_AT_ONCE = 64
_MOST_CONNECTIONS = 256
_READ_WITHIN = 3600.0
"""Seconds that a reader may leave an answer unread: somebody may have paused ``tail | less``."""

_LONGEST_PATH = 100
_PEER = struct.Struct("3i")


class CannotControl(BridgeError):
    """The control socket cannot be had; the message names it."""


@asynccontextmanager
async def open_control(path: Path, desk: Desk, *, ask_within: float = ASK_WITHIN) -> AsyncIterator[None]:
    """
    Listen on ``path`` while the context lasts; a request has ``ask_within`` seconds to arrive.

    Raises `CannotControl`.
    """
    server = _Control(desk, ask_within)
    try:
        with short_path(path) as short:
            listening = _bind(short)
    except OSError as e:
        raise CannotControl(f"{path}: the control socket cannot be opened: {e.strerror or e}") from e
    async with asyncio.TaskGroup() as conversations:

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(server.open) >= _MOST_CONNECTIONS:
                writer.close()
                return
            server.open.add(task := conversations.create_task(server.converse(reader, writer)))
            task.add_done_callback(server.open.discard)

        unix = await asyncio.start_unix_server(begin, sock=listening, limit=LONGEST_LINE)
        try:
            yield
        finally:
            unix.close()
            for task in tuple(server.open):
                task.cancel()
            _remove(path)


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for ``path`` that fits: the kernel takes 107 bytes. Raises OSError."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class _Control:
    """The conversations that are open."""

    def __init__(self, desk: Desk, ask_within: float) -> None:
        self._desk = desk
        self._ask_within = ask_within
        self.open: set[asyncio.Task[None]] = set()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request and its answers. Ends quietly when the other side hangs up."""
        who = _who(writer)
        try:
            with contextlib.suppress(OSError, TimeoutError):
                await self._answer(reader, writer, who)
        except Exception as e:  # a bug in one verb must not end the daemon
            log.exception("control.request_failed", who=who)
            with contextlib.suppress(OSError, TimeoutError):
                await _say(writer, {"error": {"code": "bug", "message": repr(e)}})
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, who: str) -> None:
        try:
            verb, arguments = await self._request(reader)
            answers = VERBS[verb](self._desk, arguments, who)
            await _tell(answers, reader, writer)
        except (Malformed, IngressError) as e:
            log.warning("control.request_refused", who=who, why=str(e))
            await _say(writer, {"error": {"code": "malformed", "message": str(e)}})
        except DeskError as e:
            await _say(writer, {"error": {"code": e.code, "message": str(e)}})
        except JournalError as e:
            await _say(writer, {"error": {"code": "storage", "message": str(e)}})

    async def _request(self, reader: asyncio.StreamReader) -> tuple[str, Wild]:
        """Raises `Malformed`, OSError."""
        try:
            async with asyncio.timeout(self._ask_within):
                line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as e:
            raise Malformed(f"a request may have {LONGEST_LINE} bytes") from e
        except TimeoutError as e:
            raise Malformed(f"no whole line came within {self._ask_within:.0f} seconds") from e
        except asyncio.IncompleteReadError as e:
            if not e.partial:
                raise ConnectionResetError("it hung up without a word") from e
            raise Malformed("the line does not end") from e
        if len(self.open) > _MOST_AT_ONCE:
            raise Malformed(f"more than {_MOST_AT_ONCE} conversations at once: end some of them")
        request = Wild.parse(line)
        verb = request["verb"].text()
        if verb not in VERBS:
            raise Malformed(f"there is no verb {verb[:40]!r}")
        return verb, request["args"]


async def _tell(answers: Answers, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer after answer, until the last, or until the other side hangs up."""
    failures: list[Exception] = []

    async def tell() -> None:
        try:
            async with aclosing(answers):
                async for kind, value in answers:
                    await _say(writer, {kind: plain(value)})
        except (BridgeError, OSError, TimeoutError) as e:
            failures.append(e)
        finally:
            listening.cancel()

    async with asyncio.TaskGroup() as both:
        listening = both.create_task(_until_gone(reader))
        telling = both.create_task(tell())
        listening.add_done_callback(lambda _: telling.cancel())
    if failures:
        raise failures[0]


async def _until_gone(reader: asyncio.StreamReader) -> None:
    """Whoever asked may say nothing more; at the end of the connection nobody listens."""
    with contextlib.suppress(OSError):
        while await reader.read(1024):
            pass


async def _say(writer: asyncio.StreamWriter, answer: object) -> None:
    writer.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
    async with asyncio.timeout(_READ_WITHIN):
        await writer.drain()


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _bind(path: str) -> socket.socket:
    """A socket left behind by a dead daemon is taken away; one that answers is not. Raises OSError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                if not Path(path).is_socket():
                    raise OSError("something else has this name") from None
                Path(path).unlink()
            except FileNotFoundError:
                pass
            else:
                raise OSError("another daemon answers there")
        sock.bind(path)
        Path(path).chmod(0o660)
    except OSError:
        sock.close()
        raise
    return sock


def _who(writer: asyncio.StreamWriter) -> str:
    """The user at the other end, as the kernel knows him."""
    connection = writer.get_extra_info("socket")
    _pid, uid, _gid = _PEER.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    )
    return f"uid {uid}"
