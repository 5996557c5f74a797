"""
What a platform, or what stands in its place, may answer to a message; and what the daemon must make
of it. Raw bytes, since most of it is nothing that a server library would write.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from bench.wire import answer

MEGABYTE = 1 << 20
_TAKEN = {"processQueryKey": "fault", "id": "fault"}
"""What both drivers understand as success."""

TAKEN = answer(200, json.dumps(_TAKEN).encode())
_FINE = json.dumps(_TAKEN)
_SOON, _PAST = b"<in 4 s>", b"<an hour ago>"
_OUT_OF_ORDER = b'{"code":"system.error","requestid":"0","message":"out of order"}'
_TOO_FAST = b'{"requestid":"0","message":"too fast"}'


@dataclass(frozen=True, slots=True)
class Said:
    """
    The bytes of an answer. ``hangs_up`` right behind them; ``taken``: the message has arrived all the
    same; ``endless`` are written again and again, ``later`` once, when nobody asked.
    """

    raw: bytes
    hangs_up: bool = False
    taken: bool = False
    endless: bytes = b""
    later: bytes = b""

    def written(self) -> bytes:
        """With the dates that it names by how far off they are."""
        return self.raw.replace(_SOON, _date(4)).replace(_PAST, _date(-3600))


def head(*headers: str, status: str = "200 OK") -> bytes:
    """The lines up to the body."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


def typed(body: bytes, media_type: str = "application/json", *, status: str = "200 OK") -> bytes:
    """A whole answer of some media type."""
    return head(f"Content-Type: {media_type}", f"Content-Length: {len(body)}", status=status) + body


def throttled(*retry_after: str) -> Said:
    """429, with as many ``Retry-After`` as there are values."""
    lines = [f"Retry-After: {value}" for value in retry_after]
    length = f"Content-Length: {len(_TOO_FAST)}"
    return Said(head(*lines, length, status="429 Too Many Requests") + _TOO_FAST)


def _date(seconds: float) -> bytes:
    """An HTTP date so far from now; it has whole seconds."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return format_datetime(moment, usegmt=True).encode()


_STALE = b'HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n{"processQueryKey":"stale"}'
_BOMB = gzip.compress(bytes(16 * MEGABYTE))
_HTML = b"<!DOCTYPE html><title>Bad day</title><p>Try later.</p>"

ANSWERS: Mapping[str, Said] = {
    "500": Said(answer(500, _OUT_OF_ORDER)),
    "503 with Retry-After": Said(
        head("Retry-After: 2", "Content-Length: 2", status="503 Service Unavailable") + b"{}"
    ),
    "502": Said(typed(_HTML, "text/html", status="502 Bad Gateway")),
    "404": Said(answer(404, b"{}")),
    "302": Said(head("Location: http://127.0.0.1:1/", "Content-Length: 0", status="302 Found")),
    "an error in a 200, known": Said(answer(200, b'{"code":"system.error"}')),
    "an error in a 200, unknown": Said(answer(200, b'{"errcode":98765,"errmsg":"ok"}')),
    "an error in a 200, refusing": Said(answer(200, b'{"code":"contain.unsafe.url"}')),
    "900 KB": Said(typed(json.dumps({**_TAKEN, "pad": "x" * 900_000}).encode()), taken=True),
    "3 MB": Said(typed(json.dumps({"pad": "x" * 3 * MEGABYTE, **_TAKEN}).encode()), taken=True),
    "endless": Said(head("Transfer-Encoding: chunked"), endless=b"10000\r\n" + b"x" * 0x10000 + b"\r\n"),
    "16 MB in gzip": Said(head("Content-Encoding: gzip", f"Content-Length: {len(_BOMB)}") + _BOMB),
    "no gzip at all": Said(head("Content-Encoding: gzip", "Content-Length: 4") + b"junk"),
    "HTML": Said(typed(_HTML, "text/html")),
    "empty": Said(typed(b"")),
    "BOM": Said(typed(b"\xef\xbb\xbf" + _FINE.encode()), taken=True),
    "UTF-16": Said(typed(_FINE.encode("utf-16")), taken=True),
    "a list": Said(typed(b"[" + _FINE.encode() + b"]"), taken=True),
    "deep": Said(typed(b"[" * 100_000 + b"]" * 100_000)),
    "half an answer": Said(TAKEN[: len(TAKEN) * 2 // 3], hangs_up=True, taken=True),
    "Content-Length too long": Said(TAKEN.replace(b"gth: ", b"gth: 9"), taken=True),
    "too long, hangs up": Said(TAKEN.replace(b"gth: ", b"gth: 9"), hangs_up=True, taken=True),
    "Content-Length too short": Said(head("Content-Length: 5") + _FINE.encode() + _STALE, taken=True),
    "a second answer behind it": Said(answer(500, _OUT_OF_ORDER) + _STALE),
    "a second answer later": Said(answer(500, _OUT_OF_ORDER), later=_STALE),
    "chunks cut": Said(
        head("Transfer-Encoding: chunked") + b'20\r\n{"processQ', hangs_up=True, taken=True
    ),
    "chunks of nonsense": Said(head("Transfer-Encoding: chunked") + b"zz\r\n{}\r\n"),
    "no HTTP": Said(b"220 mail.example.com ESMTP\r\n", hangs_up=True),
    "hangs up": Said(b"", hangs_up=True),
    "silence": Said(b""),
    "429, 2 s": throttled("2"),
    "429, a date": throttled(_SOON.decode()),
    "429, garbage": throttled("soon"),
    "429, negative": throttled("-5"),
    "429, zero": throttled("0"),
    "429, past": throttled(_PAST.decode()),
    "429, huge": throttled("999999999"),
    "429, endless digits": throttled("9" * 4000),
    "429, fraction": throttled("1.5"),
    "429, twice": throttled("2", "3000"),
    "429": throttled(),
}
