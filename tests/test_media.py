"""From an attachment that only its source can open to one that anybody can."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from bridge.driver import MediaSource, Opened
from bridge.errors import Refused, Throttled, Transient
from bridge.media import LONGEST_WAIT, resolve
from bridge.media_links import MediaLinks
from bridge.media_store import MediaStore, StoreLimits
from bridge.model import Attachment, AttachmentKind, InstanceId
from tests.builders import a_message, an_envelope
from tests.clock import FakeClock, VirtualClock, run_virtual
from tests.loopback import Loopback

HERE = InstanceId("here")
TEMPORARY = "https://files.example/tmp?Signature=x"
PICTURE = Attachment(AttachmentKind.IMAGE, ref="code")


class Source(Loopback):
    """A driver whose attachments are references."""

    def __init__(self, *, public=TEMPORARY, opens=b"\x89PNG\r\n\x1a\n", hangs=False):
        super().__init__(HERE)
        self.public = public
        self.opens = opens
        self.hangs = hangs
        self.asked = []

    async def public_url(self, ref):
        self.asked.append("public_url")
        if isinstance(self.public, Exception):
            raise self.public
        if self.hangs:
            await asyncio.sleep(0.4 if self.hangs == "open" else 1000)
        return self.public

    @asynccontextmanager
    async def open(self, ref):
        self.asked.append("open")
        if isinstance(self.opens, Exception):
            raise self.opens
        if self.hangs:
            await asyncio.sleep(1000)
        yield Opened(self._chunks())

    async def _chunks(self):
        yield self.opens


def a_letter(*attachments):
    return an_envelope(at="here/room", message=a_message(attachments=attachments))


async def links_in(folder, clock, **limits):
    store = await MediaStore.open(folder / "media", clock, StoreLimits(**limits))
    return MediaLinks(store, "https://bridge.example", clock)


def resolved(folder, source, *attachments, with_links=True, **limits):
    assert source is None or isinstance(source, MediaSource)

    async def scenario():
        clock = FakeClock()
        links = await links_in(folder, clock, **limits) if with_links else None
        drivers = {HERE: source} if source else {}
        return await resolve(a_letter(*attachments), drivers, clock, links)

    return asyncio.run(scenario())


def test_with_a_public_url_the_bridge_offers_a_copy(tmp_path):
    """What the copy turned out to be stands in the attachment, for who wants to upload it."""
    source = Source()

    (one,) = resolved(tmp_path, source, PICTURE)

    attachment = one.attachment
    assert "" == one.why_not
    assert attachment.url.startswith("https://bridge.example/media/")
    assert attachment.url.endswith("/image.png")
    assert ("image.png", "image/png", 8) == (
        attachment.filename,
        attachment.media_type,
        attachment.size,
    )
    assert ["open"] == source.asked


def test_the_sender_s_own_name_for_a_file_wins(tmp_path):
    attachment = Attachment(AttachmentKind.FILE, ref="code", filename="季度/报告.xlsx")

    (one,) = resolved(tmp_path, Source(), attachment)

    assert "报告.xlsx" == one.attachment.filename


def test_without_a_public_url_it_is_the_platforms_temporary_one(tmp_path):
    source = Source()

    (one,) = resolved(tmp_path, source, PICTURE, with_links=False)

    assert TEMPORARY == one.attachment.url
    assert ["public_url"] == source.asked


def test_what_has_a_url_keeps_it(tmp_path):
    open_to_all = Attachment(AttachmentKind.FILE, url="https://files.example/x")
    source = Source()

    (one,) = resolved(tmp_path, source, open_to_all)

    assert open_to_all == one.attachment
    assert [] == source.asked


@pytest.mark.parametrize(
    ("source", "limits"),
    [
        (Source(opens=Refused("no such file")), {}),
        (Source(opens=b"x" * 11), {"max_file": 10}),
        (Source(opens=b"x" * 11), {"max_total": 10}),
        (Source(opens=Transient("down")), {}),
        (Source(opens=Throttled("slow down")), {}),
    ],
    ids=["refused", "too large", "no room", "down", "throttled"],
)
def test_where_there_can_be_no_copy_the_temporary_url_does(tmp_path, source, limits):
    (one,) = resolved(tmp_path, source, PICTURE, **limits)

    assert TEMPORARY == one.attachment.url
    assert "" == one.why_not
    assert "public_url" == source.asked[-1]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (Source(opens=b"x" * 2_000_001, public=None), "larger than 2 MB"),
        (Source(opens=Refused("too large"), public="ftp://x/"), "too large"),
        (Source(opens=Refused("too large"), public=Refused("expired")), "expired"),
        (None, "its source cannot be asked"),
    ],
)
def test_where_there_is_nothing_the_note_says_why(tmp_path, source, why):
    (one,) = resolved(tmp_path, source, PICTURE, max_file=2_000_000)

    assert why == one.why_not
    assert "" == one.attachment.url


@pytest.mark.parametrize(
    ("hangs", "url", "why"),
    [("open", TEMPORARY, ""), ("both", "", "its source does not answer")],
)
def test_a_lane_waits_no_longer_than_the_limit_however_many_there_are(tmp_path, hangs, url, why):
    """What is left of the time goes into asking for the temporary URLs."""
    clock = VirtualClock()
    links = asyncio.run(links_in(tmp_path, FakeClock()))
    many = [Attachment(AttachmentKind.IMAGE, ref=f"code{n}") for n in range(10)]

    async def scenario():
        began = clock.monotonic()
        found = await resolve(a_letter(*many), {HERE: Source(hangs=hangs)}, clock, links)
        return found, clock.monotonic() - began

    found, took = run_virtual(scenario())
    assert took <= LONGEST_WAIT
    assert [(url, why)] * 10 == [(one.attachment.url, one.why_not) for one in found]


def test_lanes_that_wait_for_the_same_file_wait_together(tmp_path):
    """A hanging source costs its limit once, not once for every destination."""
    clock = VirtualClock()
    links = asyncio.run(links_in(tmp_path, FakeClock()))
    source = Source(hangs="open")

    async def scenario():
        began = clock.monotonic()
        async with asyncio.TaskGroup() as lanes:
            asked = [
                lanes.create_task(resolve(a_letter(PICTURE), {HERE: source}, clock, links))
                for _ in range(5)
            ]
        await resolve(a_letter(PICTURE), {HERE: source}, clock, links)
        return [lane.result()[0].attachment.url for lane in asked], clock.monotonic() - began

    urls, took = run_virtual(scenario())
    assert [TEMPORARY] * 5 == urls
    assert took <= LONGEST_WAIT
    assert 1 == source.asked.count("open")
