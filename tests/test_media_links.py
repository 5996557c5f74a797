"""The bridge's own links, over real sockets."""

import asyncio
import contextlib
from contextlib import asynccontextmanager

import aiohttp
import pytest
from yarl import URL

from bridge.driver import Opened
from bridge.errors import Refused, Transient
from bridge.listening import listen
from bridge.media_links import MediaLinks
from bridge.media_store import MediaStore, StoreLimits
from bridge.model import Attachment, AttachmentKind, InstanceId
from tests.clock import FakeClock

PUBLIC = "https://bridge.example/base/"
HERE = InstanceId("here")
FILE = bytes(range(256)) * 1000


class Source:
    """A platform with files; ``script`` are errors that come first."""

    def __init__(self, *script, content=FILE, file_type="", name=""):
        self.script = list(script)
        self.content = content
        self.file_type = file_type
        self.name = name
        self.opened = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def public_url(self, ref):
        return None

    @asynccontextmanager
    async def open(self, ref):
        self.opened.append(ref)
        if self.script:
            raise self.script.pop(0)
        await self.go_on.wait()
        yield Opened(self._chunks(), self.file_type, self.name)

    async def _chunks(self):
        for at in range(0, len(self.content), 65536):
            yield self.content[at : at + 65536]


class Served:
    """Links, and a client at the port that serves them."""

    def __init__(self, links, clock, session, port, answered):
        self.links = links
        self.answered = answered
        self.clock = clock
        self.session = session
        self.port = port

    async def link(self, source, *, ref="r", **attachment):
        url, _ = await self.links.link(
            Attachment(AttachmentKind.FILE, ref=ref, **attachment), source, HERE
        )
        return url

    async def get(self, url, *, method="GET", **headers):
        """The answer, its body read; ``url`` as we give it to people, or a bare path."""
        path = url.removeprefix("https://bridge.example/base")
        at = URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, at, headers=named) as response:
            return response, await response.read()


def served(folder, scenario, *, stall=30.0, **limits):
    async def run():
        clock = FakeClock()
        store = await MediaStore.open(folder / "media", clock, StoreLimits(**limits))
        links = MediaLinks(store, PUBLIC, clock, stall=stall)
        answered = asyncio.Event()

        async def answer(request):
            try:
                return await links.answer(request)
            finally:
                answered.set()

        async with (
            asyncio.timeout(10),
            listen(answer, "127.0.0.1", 0) as port,
            aiohttp.ClientSession(auto_decompress=False) as session,
        ):
            return await scenario(Served(links, clock, session, port, answered))

    return asyncio.run(run())


def test_a_link_leads_to_the_file(tmp_path):
    async def scenario(here):
        url = await here.link(Source(name="图 1.png", file_type="image/png"))
        return url, await here.get(url)

    url, (response, body) = served(tmp_path, scenario)
    assert url.startswith("https://bridge.example/base/media/")
    assert url.endswith("/%E5%9B%BE%201.png")
    assert (200, FILE) == (response.status, body)
    headers = response.headers
    assert "image/png" == headers["Content-Type"]
    assert "inline; filename*=UTF-8''%E5%9B%BE%201.png" == headers["Content-Disposition"]
    assert "nosniff" == headers["X-Content-Type-Options"]
    assert "default-src 'none'; sandbox" == headers["Content-Security-Policy"]
    assert "no-referrer" == headers["Referrer-Policy"]
    assert "private, max-age=604800" == headers["Cache-Control"]
    assert "bytes" == headers["Accept-Ranges"]


@pytest.mark.parametrize("file_type", ["text/html", "image/svg+xml", "application/javascript", "x/y"])
def test_a_page_from_a_chat_is_never_shown_as_one(tmp_path, file_type):
    async def scenario(here):
        page = Source(content=b"<script>alert(1)</script>", file_type=file_type, name="a.html")
        return await here.get(await here.link(page))

    response, _ = served(tmp_path, scenario)
    assert "application/octet-stream" == response.headers["Content-Type"]
    assert response.headers["Content-Disposition"].startswith("attachment;")
    assert "nosniff" == response.headers["X-Content-Type-Options"]


def test_a_name_breaks_no_header_and_no_path(tmp_path):
    async def scenario(here):
        url = await here.link(Source(), filename='../a"\r\nX-Evil: 1\u202e;ü.txt')
        return url, (await here.get(url))[0]

    url, response = served(tmp_path, scenario)
    assert url.endswith("/a_X-Evil_%201%3B%C3%BC.txt")
    assert 200 == response.status
    assert "X-Evil" not in response.headers


def test_head_tells_the_same_without_the_bytes(tmp_path):
    async def scenario(here):
        url = await here.link(Source(name="a.png"))
        get, _ = await here.get(url)
        head, body = await here.get(url, method="HEAD", Range="bytes=0-1")
        again, _ = await here.get(url)
        return get, head, body, again

    get, head, body, again = served(tmp_path, scenario)
    assert 200 == head.status == again.status
    assert b"" == body
    for name in ("Content-Length", "Content-Type", "ETag", "Content-Disposition"):
        assert get.headers[name] == head.headers[name]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, 999),
        ("bytes=-100", 900, 999),
        ("bytes=-5000", 0, 999),
        ("bytes=990-5000", 990, 999),
        ("bytes=999-999", 999, 999),
    ],
)
def test_a_part_is_a_part(tmp_path, asked, first, last):
    content = FILE[:1000]

    async def scenario(here):
        return await here.get(await here.link(Source(content=content)), Range=asked)

    response, body = served(tmp_path, scenario)
    assert 206 == response.status
    assert content[first : last + 1] == body
    assert f"bytes {first}-{last}/1000" == response.headers["Content-Range"]
    assert str(len(body)) == response.headers["Content-Length"]


@pytest.mark.parametrize(
    "asked", ["bytes=1000-", "bytes=5000-6000", "bytes=-0", "bytes=" + "9" * 18 + "-"]
)
def test_a_part_beyond_the_end_is_not_satisfiable(tmp_path, asked):
    async def scenario(here):
        return await here.get(await here.link(Source(content=FILE[:1000])), Range=asked)

    response, body = served(tmp_path, scenario)
    assert (416, b"") == (response.status, body)
    assert "bytes */1000" == response.headers["Content-Range"]


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-1,5-6",
        "bytes=5-1",
        "bytes=-",
        "bytes=a-b",
        "lines=0-1",
        "bytes=１-2",
        "bytes=" + "9" * 50 + "-",
    ],
)
def test_several_parts_or_garbage_are_answered_with_the_whole(tmp_path, asked):
    async def scenario(here):
        return await here.get(await here.link(Source()), Range=asked)

    response, body = served(tmp_path, scenario)
    assert (200, FILE) == (response.status, body)


def test_a_part_of_another_version_is_answered_with_the_whole(tmp_path):
    async def scenario(here):
        url = await here.link(Source())
        etag = (await here.get(url))[0].headers["ETag"]
        same, _ = await here.get(url, Range="bytes=0-1", If_Range=etag)
        other, _ = await here.get(url, Range="bytes=0-1", If_Range='"other"')
        return same.status, other.status

    assert (206, 200) == served(tmp_path, scenario)


def test_an_empty_file_is_a_file(tmp_path):
    async def scenario(here):
        url = await here.link(Source(content=b""), filename="empty.log")
        whole, _ = await here.get(url)
        part, _ = await here.get(url, Range="bytes=0-")
        return whole.status, part.status

    assert (200, 416) == served(tmp_path, scenario)


def test_unknown_and_expired_links_look_alike(tmp_path):
    async def scenario(here):
        url = await here.link(Source(), filename="x")
        unknown, _ = await here.get("/media/" + "0" * 40 + "/x")
        here.clock.advance(8 * 86400)
        expired, _ = await here.get(url)
        return unknown, expired

    unknown, expired = served(tmp_path, scenario)
    assert 404 == unknown.status == expired.status
    assert dict(unknown.headers) | {"Date": ""} == dict(expired.headers) | {"Date": ""}


@pytest.mark.parametrize(
    "path",
    ["/media/", "/media/TOKEN", "/media/TOKEN/", "/media/TOKEN/../x/y", "/media/../media.secret",
     "/media/..%2f..%2fjournal.db/x", "/media/%2e%2e/journal.db", "/media/../../etc/passwd",
     "/media/TOKEN.part/x", "/media/TOKEN%00/x", "/media/TOKEN%2f../x", "/media//TOKEN/x",
     "/media/UPPER/x", "/media/TOKEN\\..\\x", "/media/x/TOKEN/y", "/other/TOKEN/x"],
)  # fmt: skip
def test_a_path_is_never_a_path(tmp_path, path):
    """Only the one form is looked at, and of it only the token."""

    async def scenario(here):
        token = (await here.link(Source(), filename="x")).split("/")[-2]
        asked = path.replace("TOKEN", token).replace("UPPER", token.upper() + "A")
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(f"GET {asked} HTTP/1.0\r\n\r\n".encode())
        said = await reader.read()
        writer.close()
        return said

    (tmp_path / "media.secret").write_text("secret")
    said = served(tmp_path, scenario)
    assert said.split()[1] in (b"404", b"400")
    assert b"secret" not in said


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_a_link_can_only_be_read(tmp_path, method):
    async def scenario(here):
        url = await here.link(Source())
        refused, _ = await here.get(url, method=method)
        return refused, (await here.get(url))[1]

    refused, body = served(tmp_path, scenario)
    assert (405, "GET, HEAD") == (refused.status, refused.headers["Allow"])
    assert FILE == body


def test_who_sleeps_while_reading_is_let_go(tmp_path):
    """Their connection ends before the file does; others are served."""
    content = bytes(10_000_000)

    async def scenario(here):
        url = await here.link(Source(content=content))
        path = url.removeprefix("https://bridge.example/base")
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port, limit=1024)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await here.answered.wait()
            read = 0
            with contextlib.suppress(ConnectionError):
                while chunk := await reader.read(65536):
                    read += len(chunk)
        finally:
            writer.close()
        return read, (await here.get(url))[1]

    read, body = served(tmp_path, scenario, stall=0.1)
    assert 0 < read < len(content)
    assert content == body


def test_readers_are_bounded_and_the_next_one_is_told_to_come_again(tmp_path):
    async def scenario(here):
        url = await here.link(Source(content=bytes(10_000_000)))
        path = url.removeprefix("https://bridge.example/base")
        asleep = []
        for _ in range(64):
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port, limit=1024)
            asleep.append(writer)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
        response, _ = await here.get(url)
        for writer in asleep:
            writer.transport.abort()
        return response

    response = served(tmp_path, scenario)
    assert (503, "5") == (response.status, response.headers["Retry-After"])


def test_the_same_attachment_is_fetched_once_by_all_who_want_it(tmp_path):
    """Also later, and also after a restart; another instance's reference is another."""

    async def scenario(here):
        source = Source()
        source.go_on.clear()
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(here.link(source)) for _ in range(5)]
            await asyncio.sleep(0)
            source.go_on.set()
        urls = {task.result() for task in asked} | {await here.link(source)}
        await here.links.link(Attachment(AttachmentKind.FILE, ref="r"), source, InstanceId("elsewhere"))
        return urls, source.opened

    async def later(here):
        source = Source()
        return await here.link(source), source.opened

    urls, opened = served(tmp_path, scenario)
    assert 1 == len(urls)
    assert ["r", "r"] == opened
    url, opened = served(tmp_path, later)
    assert {url} == urls
    assert [] == opened


def test_a_source_that_stumbles_is_asked_again_at_once(tmp_path):
    async def scenario(here):
        source = Source(Transient("busy"), Transient("busy"))
        return await here.get(await here.link(source))

    assert FILE == served(tmp_path, scenario)[1]


def test_a_source_that_refuses_is_left_alone_for_a_minute(tmp_path):
    """The other destinations of the message do not wait for the same again."""

    async def scenario(here):
        source = Source(Refused("gone", reason="gone"))
        for _ in range(3):
            with pytest.raises(Refused, match="gone"):
                await here.link(source)
        asked = list(source.opened)
        here.clock.advance(61)
        return asked, await here.link(source)

    asked, url = served(tmp_path, scenario)
    assert ["r"] == asked
    assert url


def test_who_gives_up_waiting_spares_the_others_the_wait(tmp_path):
    async def scenario(here):
        source = Source()
        source.go_on.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await here.link(source)
        with pytest.raises(Transient, match="too long"):
            await here.link(source)
        return source.opened

    assert ["r"] == served(tmp_path, scenario)


def test_a_disk_that_takes_nothing_is_a_delivery_error(tmp_path):
    async def scenario(here):
        (tmp_path / "media").rmdir()
        with pytest.raises(Transient) as caught:
            await here.link(Source())
        return caught.value.reason

    assert "disk" == served(tmp_path, scenario)


def test_our_own_links_are_opened_without_the_network(tmp_path):
    """And nothing else is: the rest goes on to the guarded fetch."""
    fetched = []

    def fetch(url):
        fetched.append(url)
        raise Refused("outside")

    async def scenario(here):
        open_ = here.links.shortcut(fetch)
        url = await here.link(Source(file_type="image/png"), filename="a.png")
        async with open_(url) as opened:
            content = b"".join([chunk async for chunk in opened.chunks])
        for other in ("https://bridge.example/base/mediaX/x", "https://evil.example/media/" + "0" * 40):
            with pytest.raises(Refused, match="outside"):
                open_(other)
        for gone in ("0" * 40 + "/x", "../../etc/passwd", "", "0" * 40 + "/x?y"):
            with pytest.raises(Refused, match="no longer"):
                async with open_(f"https://bridge.example/base/media/{gone}"):
                    pass
        return opened, content

    opened, content = served(tmp_path, scenario)
    assert FILE == content
    assert ("image/png", "a.png", len(FILE)) == (opened.media_type, opened.filename, opened.size)
    assert 2 == len(fetched)


def test_an_error_of_who_reads_a_shortcut_stays_theirs(tmp_path):
    """A driver's broken upload is not mistaken for a missing file."""

    async def scenario(here):
        open_ = here.links.shortcut(lambda _url: None)
        with pytest.raises(ConnectionResetError):
            async with open_(await here.link(Source())):
                raise ConnectionResetError

    served(tmp_path, scenario)


def test_a_file_that_an_operator_deleted_is_gone(tmp_path):
    async def scenario(here):
        url = await here.link(Source())
        (tmp_path / "media" / url.split("/")[-2]).unlink()
        response, _ = await here.get(url)
        with pytest.raises(Refused, match="no longer"):
            async with here.links.shortcut(lambda _url: None)(url):
                pass
        return response.status

    assert 404 == served(tmp_path, scenario)


def test_a_file_that_became_shorter_is_never_taken_for_whole(tmp_path):
    """The reader's connection breaks; a driver is told to try again."""

    async def scenario(here):
        url = await here.link(Source())
        path = tmp_path / "media" / url.split("/")[-2]
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(aiohttp.ClientPayloadError):
            await here.get(url)
        async with here.links.shortcut(lambda _url: None)(url) as opened:
            with pytest.raises(Transient) as caught:
                [_ async for _ in opened.chunks]
        return caught.value.reason

    assert "disk" == served(tmp_path, scenario)
