"""Hostile input: HTTP that is none, or too much of it; and what is like it where no HTTP is spoken."""

import asyncio
import gzip
import random
import zlib

from tests.hostile.house import BODY_WITHIN, MOST_CONNECTIONS
from tests.hostile.listeners import (
    CONTROL,
    EVENT,
    HTTP,
    IGNORED,
    LINKS,
    POSTED,
    STREAM,
    Visit,
)
from tests.hostile.reasons import AIOHTTP_ASKS, NO_BODY, NO_HTTP, NOT_COMPRESSED, OURS, WE_ASK, tries
from tests.hostile.table import Hostile
from tests.hostile.wire import CLOSED, Caller, Request
from tests.strangers import answer


def _lines(*headers):
    return lambda request: request.head(*headers) + request.body


def _in_head(old, new):
    """The whole request, with bytes of its head replaced."""

    def change(request):
        head, body = request.head(b"Content-Length: %d" % len(request.body)), request.body
        assert old in head
        return head.replace(old, new) + body

    return change


def _long_path(request):
    path, mark, query = request.target.partition(b"?")
    return Request(path + b"/" + b"x" * 65_536 + mark + query, request.headers, request.body).wire()


def _smuggled(*headers, between=b""):
    """A body in which a whole request is hidden, for whoever reads its length differently."""

    def change(request):
        hidden = Request(b"/healthz", method=b"GET").wire()
        return request.head(*headers) + between + request.body + hidden

    return change


_LENGTH = b"Content-Length: 4"
_CHUNKED = b"Transfer-Encoding: chunked"

_CHUNKS = tuple(
    _smuggled(_CHUNKED, between=one)
    for one in (
        b"-1\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"f" * 17 + b"\r\n",
        b"5 \x00\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"zz\r\n\r\n",
        b"1;" + b"x" * 20_000 + b"\r\na\r\n0\r\n\r\n",
    )
)

WIRE = (
    (
        "doubled headers", "重复的请求头", "400",
        (_lines(b"Content-Length: 2", b"Content-Length: 3"), _lines(b"Content-Length: 2", b"Content-Length: 2"),
         _lines(b"Content-Length: 2, 2"), lambda r: r.wire(b"Host: elsewhere"), _lines(_CHUNKED, _CHUNKED)),
    ),
    (
        "a length, and chunks", "长度与分块并存", "400",
        (_smuggled(_LENGTH, _CHUNKED, between=b"0\r\n\r\n"), _smuggled(_CHUNKED, _LENGTH, between=b"0\r\n\r\n")),
    ),
    (
        "lengths and encodings that are none", "无效的长度与编码", "400",
        (_smuggled(b"Content-Length: +4"), _smuggled(b"Content-Length: -4"), _smuggled(b"Content-Length: 0x4"),
         _smuggled(b"Content-Length: 4 4"), _smuggled(b"Content-Length: " + b"9" * 40), _smuggled(b"Content-Length:"),
         _smuggled(b"Content-Length : 4"), _smuggled(b"Transfer-Encoding : chunked", _LENGTH),
         _smuggled(b"Transfer-Encoding: xchunked", _LENGTH), _smuggled(b"Transfer-Encoding: chunked, identity", _LENGTH),
         _smuggled(b"Transfer-Encoding:\x0bchunked", _LENGTH), _smuggled(b"X: x\r\n Transfer-Encoding: chunked", _LENGTH)),
    ),
    (
        "chunks that are none", "无效的分块", "400",
        _CHUNKS,
    ),
    ("bare line feeds", "单独的换行符", "400", (_in_head(b"\r\n", b"\n"), _in_head(b"\r\nHost", b"\nHost"))),
    ("folded headers", "折行的请求头", "400", (_lines(b"X: a\r\n b", _LENGTH), _lines(b"X: a\r\n\tb", _LENGTH))),
    (
        "NUL and controls in the head", "头部中的 NUL 与控制字符", "400",
        (_in_head(b"Host: ", b"Host: \x00"), _in_head(b"Host", b"Ho\x00st"), _in_head(b" HTTP", b"\x00 HTTP"), _lines(b"X: a\rb")),
    ),
    ("200 headers", "200 个请求头", "400", (_lines(*[b"X%d: y" % n for n in range(200)], _LENGTH),)),
    ("a header of 9 KB", "9 KB 的请求头", "400", (_lines(b"X: " + b"y" * 9_000), _lines(b"Y" * 9_000 + b": x"))),
    ("a path of 64 KB", "64 KB 的路径", "400", (_long_path,)),
    (
        "other versions of HTTP", "其他 HTTP 版本", "200 202 400 404 405 421 505",
        (lambda _: b"GET /\r\n\r\n", lambda r: r.wire(version=b"HTTP/0.9"), lambda r: r.wire(version=b"HTTP/9.9"),
         lambda _: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", lambda _: b"GET / RTSP/1.0\r\n\r\n"),
    ),
)  # fmt: skip


def http():
    for english, chinese, want, changes in WIRE:
        cells = {
            one.name: tries(
                *(lambda house, o=one, c=change: c(o.request(house)) for change in changes), want=want
            )
            for one in HTTP
        }
        if changes is _CHUNKS:  # what nobody reads is not looked at to its end
            cells["links"] = tries(
                *(lambda house, c=change: c(LINKS.request(house)) for change in changes[:-1]),
                want="200 400",
            )
        yield Hostile(
            english, chinese, {**cells, "control": NO_HTTP, "stream": NO_HTTP, "fetched": AIOHTTP_ASKS}
        )
    yield _pipelined()
    yield _binary()
    yield _oversized()
    yield _bombs()
    yield _methods()
    yield _half()
    yield _many()


def _pipelined():
    """Fifty at once on one connection: every one is answered, in order."""

    def cell(listener):
        async def all_answered(house):
            texts = [house.news() for _ in range(50)]
            raw = b"".join(listener.good(house, text).wire() for text in texts)
            async with await Caller.at(house.ports[listener.name]) as caller:
                await caller.send(raw)
                answers = [await caller.answer() for _ in texts]
            assert {listener.fine} == {one.status for one in answers}
            if listener is not LINKS:
                await house.heard(texts[-1])

        good = (lambda house: listener.request(house).wire(),)
        return tries(*good, want=listener.fine, then=all_answered)

    async def all_acknowledged(house):
        sent = [await house.gateway.say(house.message(house.news())) for _ in range(50)]
        for one in sent:
            assert 200 == (await house.gateway.acked(one)).code

    cells = {one.name: cell(one) for one in HTTP}
    cells["control"] = tries(lambda h: CONTROL.request(h) + CONTROL.request(h), want="result")
    cells["stream"] = tries(STREAM.request, want="200", then=all_acknowledged)
    return Hostile("pipelining", "流水线请求", {**cells, "fetched": AIOHTTP_ASKS})


def _binary():
    rubbish = [random.Random(seed).randbytes(4_000) for seed in range(4)]
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rubbish[0][:500]
    cells = {
        one.name: tries(*(lambda _, r=raw: r + b"\r\n\r\n" for raw in (*rubbish, hello)), want="400")
        for one in HTTP
    }
    cells["control"] = tries(*(lambda _, r=raw: r + b"\n" for raw in rubbish), want="malformed")
    cells["stream"] = tries(*(lambda _, r=raw: r for raw in rubbish), want=IGNORED)
    visits = [lambda _, r=raw: Visit((r,)) for raw in (*rubbish, hello)]
    cells["fetched"] = tries(*visits, want="no_answer")
    return Hostile("binary rubbish, TLS on a plain port", "二进制垃圾、明文端口上的 TLS", cells)


def _oversized():
    big, chunk = b"x" * 300_000, b"x" * 65_536
    cells = {}
    for one in POSTED:
        with_length = lambda h, o=one: _bodied(o, h, big).wire()  # noqa: E731 (one of two forms)
        without = lambda h, o=one: _bodied(o, h, big).chunked(*[chunk] * 6)  # noqa: E731 (the other)
        cells[one.name] = tries(with_length, without, want="413")
    cells["control"] = tries(lambda _: big + b"\n", lambda _: big * 4, want="malformed closed")
    cells["stream"] = tries(lambda _: "x" * (5 << 20), want="reconnects")
    cells["fetched"] = tries(
        lambda _: Visit((answer(b"x" * 1_500_000),)),
        lambda _: Visit((answer(b"x" * 1_500_000, length=False),)),
        lambda _: Visit((answer(b"x", length=1 << 60),)),
        want="too_large",
    )
    return Hostile(
        "too large, with and without a length", "过大，有长度或没有长度", {**cells, "links": NO_BODY}
    )


def _bodied(listener, house, body):
    """A request with ``body`` on the wire; the encryption's own frame is left out."""
    return EVENT.outer(house, body) if listener is EVENT else listener.request(house, body)


_ZEROS = b"\x00" * (64 << 20)
BOMBS = (
    (b"gzip", gzip.compress(_ZEROS, 1)),
    (b"deflate", zlib.compress(_ZEROS, 1)),
    (b"br", b"\xcf\xff\xff\x7f\xf8\x27\x00\xe2\xb1\x40\x20\xf0" * 8),
    (b"zstd", b"\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x04" * 8),
)
"""64 MB each, had they been opened; the last two stand for codings that no library here can write."""
del _ZEROS


def _bombs():
    cells = {}
    for one in POSTED:
        made = [
            lambda h, o=one, b=bomb, c=coding: (
                _bodied(o, h, b[:200_000]).plus((b"Content-Encoding", c)).wire()
            )
            for coding, bomb in BOMBS
        ]
        cells[one.name] = tries(*made, want="415")
    cells["stream"] = tries(lambda _: _compressed_frame, want="reconnects")
    cells["fetched"] = tries(
        *(
            lambda _, b=bomb, c=coding: Visit((answer(b, Content_Encoding=c.decode()),))
            for coding, bomb in BOMBS
        ),
        want="encoded",
    )
    return Hostile(
        "gzip, deflate, brotli and zstd bombs", "gzip、deflate、brotli、zstd 炸弹",
        {**cells, "control": NOT_COMPRESSED, "links": NO_BODY},
    )  # fmt: skip


async def _compressed_frame(_, connection):
    """A frame with the bit of a compression that was never agreed on."""
    squeezer = zlib.compressobj(1, zlib.DEFLATED, -15)
    payload = squeezer.compress(b"x" * (8 << 20)) + squeezer.flush(zlib.Z_SYNC_FLUSH)
    connection.request.transport.write(b"\xc1\x7f" + len(payload).to_bytes(8, "big") + payload)


def _methods():
    words = b"GET HEAD PUT DELETE PATCH OPTIONS TRACE FOO".split()

    def cell(listener, *, but, want):
        made = []
        for word in words:
            if word in but:
                continue

            def make(house, word=word):
                request = listener.request(house)
                return Request(request.target, request.headers, b"", word).wire()

            made.append(make)
        return tries(*made, want=want)

    cells = {one.name: cell(one, but=(), want="400 405") for one in POSTED}
    cells["links"] = cell(LINKS, but=(b"GET", b"HEAD"), want="400 405")
    cells["links"] += tries(lambda h: LINKS.request(h).wire().replace(b"GET", b"get"), want="400 405")
    cells["control"] = tries(
        *(
            lambda h, v=verb: CONTROL.request(h, {}, v)
            for verb in ("", "GET", "__class__", "run", "shell")
        ),
        want="malformed",
    )
    cells["stream"] = tries(
        lambda h: STREAM.request(h, topic="/v1.0/other"),
        lambda h: STREAM.request(h, kind="SHELL"),
        want="404",
    )
    return Hostile(
        "other methods, verbs and topics", "其他方法、动词和主题", {**cells, "fetched": AIOHTTP_ASKS}
    )


def _half():
    """The beginning of something good, then silence, or the end."""
    cells = {
        one.name: tries(lambda h, o=one: o.request(h).wire()[:-1], want="408")
        for one in POSTED
    }  # fmt: skip
    cells["control"] = tries(lambda _: _hung_up_early, want="malformed")
    cells["stream"] = tries(lambda _: _half_a_frame, want="reconnects")
    cells["fetched"] = tries(lambda _: Visit((answer(b"x", length=5)[:-1],)), want="broke_off")
    return Hostile(
        f"half of it, then silence (here {BODY_WITHIN:g} s of it) or the end", "说到一半便沉默或断开",
        {**cells, "links": NO_BODY},
    )  # fmt: skip


async def _half_a_frame(_, connection):
    connection.request.transport.write(b"\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff{")
    connection.request.transport.close()


async def _hung_up_early(house):
    return await CONTROL.meet(house, b'{"verb": "sta', hang_up=True)


def _many():
    """As many as may be open are held open; the next is served or turned away, and all goes on."""

    def cell(listener):
        async def crowd(house):
            held = [await Caller.at(house.ports[listener.name]) for _ in range(MOST_CONNECTIONS)]
            async with await Caller.at(house.ports[listener.name]) as caller:
                got = await caller.ask(listener.request(house).wire())
                assert got.status in (listener.fine, "503")
            for one in held:
                await one.__aexit__()

        return tries(lambda h: listener.request(h).wire(), want=listener.fine, then=crowd)

    async def crowd_at_the_socket(house):
        asked = [CONTROL.meet(house, CONTROL.request(house, {}, "status")) for _ in range(300)]
        outcomes = {(await one)[0] for one in asyncio.as_completed(asked)}
        assert outcomes <= {"result", "malformed", CLOSED}

    cells = {one.name: cell(one) for one in HTTP}
    cells["control"] = tries(CONTROL.request, want="result", then=crowd_at_the_socket)
    return Hostile(
        "more connections than there may be", "超出上限的连接",
        {**cells, "stream": OURS, "fetched": WE_ASK},
    )  # fmt: skip
