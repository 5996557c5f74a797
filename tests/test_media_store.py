"""Files that the bridge keeps for a while."""

import asyncio
import stat

import pytest

from bridge.driver import Opened
from bridge.errors import Refused, Transient
from bridge.media_store import MediaStore, StoreLimits
from tests.clock import FakeClock

KEEP = 100.0


async def pieces(*chunks):
    for chunk in chunks:
        if isinstance(chunk, Exception):
            raise chunk
        yield chunk


async def keep(store, key="k", *chunks, name="a.png", file_type="", size=None):
    return await store.keep(
        key,
        Opened(pieces(*chunks), file_type, name, size),
        filename="",
        claimed_type="",
        fallback_name="image",
    )


async def content(store, kept, *part):
    async with store.reading(kept, *part) as chunks:
        return b"".join([chunk async for chunk in chunks])


def with_store(folder, scenario, *, clock=None, **limits):
    """What ``scenario`` makes of a store in ``folder``."""

    async def run():
        clocked = clock or FakeClock()
        limits_ = StoreLimits(**{"keep": KEEP, **limits})
        return await scenario(await MediaStore.open(folder / "media", clocked, limits_), clocked)

    return asyncio.run(run())


def files(folder):
    return sorted(path.name for path in (folder / "media").iterdir())


def test_what_is_kept_is_found_by_its_name_and_read_whole_or_in_part(tmp_path):
    async def scenario(store, _clock):
        kept = await keep(store, "k", b"\x89PNG\r\n\x1a\n", b"", b"x" * 300_000, b"end")
        assert kept == store.find(kept.token)
        return kept, await content(store, kept), await content(store, kept, 300_008, 2)

    kept, whole, part = with_store(tmp_path, scenario)
    assert b"\x89PNG\r\n\x1a\n" + b"x" * 300_000 + b"end" == whole
    assert b"en" == part
    assert ("a.png", "image/png", len(whole)) == (kept.name, kept.media_type, kept.size)


def test_a_file_without_a_name_is_called_by_what_it_is(tmp_path):
    async def scenario(store, _clock):
        return await keep(store, "k", b"GIF89a...", name="..")

    assert "image.gif" == with_store(tmp_path, scenario).name


def test_names_cannot_be_guessed_and_only_the_daemon_may_read(tmp_path):
    async def scenario(store, _clock):
        return [(await keep(store, f"k{n}", b"x")).token for n in range(20)]

    tokens = with_store(tmp_path, scenario)
    assert 20 == len(set(tokens))
    assert all(len(bytes.fromhex(token)) >= 16 for token in tokens)
    for path in (tmp_path / "media").iterdir():
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert 0o700 == stat.S_IMODE((tmp_path / "media").stat().st_mode)


@pytest.mark.parametrize("token", ["", "..", "../journal.db", "0" * 40, "a.part", "/etc/passwd"])
def test_what_is_not_kept_is_not_found(tmp_path, token):
    async def scenario(store, _clock):
        await keep(store, "k", b"x")
        return store.find(token)

    assert with_store(tmp_path, scenario) is None


def test_a_file_is_over_after_its_time_and_gone_from_the_disk(tmp_path):
    async def scenario(store, clock):
        kept = await keep(store, "k", b"x")
        clock.advance(KEEP - 1)
        before = store.find(kept.token)
        clock.advance(1)
        return before, store.find(kept.token), store.offer("k")

    before, after, offered = with_store(tmp_path, scenario)
    assert before is not None
    assert after is None
    assert offered is None
    assert [] == files(tmp_path)


def test_sweeping_deletes_what_nobody_asks_for(tmp_path):
    async def scenario(store, clock):
        await keep(store, "old", b"x")
        clock.advance(KEEP / 2)
        young = await keep(store, "young", b"x")
        clock.advance(KEEP / 2)
        store.sweep()
        return young.token

    assert [with_store(tmp_path, scenario)] == files(tmp_path)


def test_what_is_offered_again_has_its_whole_time_again_also_after_a_restart(tmp_path):
    clock = FakeClock()

    async def first(store, clock):
        kept = await keep(store, "k", b"x")
        clock.advance(KEEP - 1)
        assert kept.token == store.offer("k").token
        return kept.token

    async def second(store, clock):
        clock.advance(KEEP - 1)
        return store.find(token), store.remaining(store.find(token))

    token = with_store(tmp_path, first, clock=clock)
    kept, remaining = with_store(tmp_path, second, clock=clock)
    assert kept is not None
    assert 1 == pytest.approx(remaining)


def test_a_restart_finds_everything_that_is_whole_and_not_over(tmp_path):
    """And forgets what is half-written, damaged or expired; what is not ours stays."""
    clock = FakeClock()

    async def first(store, clock):
        await keep(store, "expired", b"x")
        clock.advance(KEEP / 2)
        return await keep(store, "k", b"hello", name="季度.txt", file_type="text/plain")

    async def second(store, _clock):
        found = store.find(kept.token)
        assert kept.token == store.offer("k").token
        return found, await content(store, kept)

    kept = with_store(tmp_path, first, clock=clock)
    folder = tmp_path / "media"
    (folder / ("0" * 40 + ".part")).write_bytes(b"half")
    for n, damaged in enumerate(
        (b"", b"no json\n", b"{}\n", b'{"of":"k","name":1,"type":""}\n', b"\xff\n")
    ):
        (folder / f"{n:040x}").write_bytes(damaged)
    (folder / "README").write_text("not ours")
    clock.advance(KEEP / 2)

    found, read = with_store(tmp_path, second, clock=clock)
    assert kept == found
    assert b"hello" == read
    assert sorted(["README", kept.token]) == files(tmp_path)


@pytest.mark.parametrize(
    ("chunks", "size"), [((b"x" * 11,), None), ((b"x" * 6, b"x" * 5), None), ((b"x",), 11)]
)
def test_a_file_that_is_too_large_leaves_nothing(tmp_path, chunks, size):
    async def scenario(store, _clock):
        with pytest.raises(Refused) as caught:
            await keep(store, "k", *chunks, size=size)
        assert "too_large" == caught.value.reason
        exact = await keep(store, "k", b"x" * 10)
        return [exact.token]

    assert with_store(tmp_path, scenario, max_file=10, max_total=10) == files(tmp_path)


def test_a_file_that_breaks_off_leaves_nothing(tmp_path):
    async def scenario(store, _clock):
        with pytest.raises(Transient):
            await keep(store, "k", b"x" * 9, Transient("broke off"))
        whole = [(await keep(store, f"k{n}", b"x" * 5)).token for n in range(2)]
        assert None not in [store.find(token) for token in whole]
        return sorted(whole)

    assert with_store(tmp_path, scenario, max_total=10) == files(tmp_path)


def test_who_is_cancelled_leaves_nothing(tmp_path):
    async def scenario(store, _clock):
        async def stuck():
            yield b"x"
            await asyncio.Event().wait()

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await store.keep("k", Opened(stuck()), filename="", claimed_type="", fallback_name="file")

    with_store(tmp_path, scenario)
    assert [] == files(tmp_path)


def test_the_oldest_make_room(tmp_path):
    """Old is what was not offered for longest."""

    async def scenario(store, _clock):
        first, second, third = [await keep(store, f"k{n}", b"x" * 10) for n in range(3)]
        store.offer("k0")
        await keep(store, "k3", b"x" * 15)
        return [store.find(kept.token) is not None for kept in (first, second, third)]

    assert [True, False, False] == with_store(tmp_path, scenario, max_total=30)
    assert 2 == len(files(tmp_path))


def test_many_small_files_are_bounded_too(tmp_path):
    async def scenario(store, _clock):
        return [(await keep(store, f"k{n}", b"")).token for n in range(5)]

    tokens = with_store(tmp_path, scenario, max_files=3)
    assert sorted(tokens[2:]) == files(tmp_path)


def test_a_store_that_was_made_smaller_shrinks_at_the_next_start(tmp_path):
    async def first(store, clock):
        for n in range(3):
            clock.advance(1)
            kept = await keep(store, f"k{n}", b"x" * 10)
        return kept.token

    async def second(_store, _clock):
        pass

    newest = with_store(tmp_path, first)
    with_store(tmp_path, second, max_total=10)
    assert [newest] == files(tmp_path)


def test_a_file_that_no_store_of_this_size_can_hold_is_refused(tmp_path):
    async def scenario(store, _clock):
        with pytest.raises(Refused) as caught:
            await keep(store, "k", b"x" * 11)
        return caught.value

    error = with_store(tmp_path, scenario, max_total=10)
    assert "no_room" == error.reason
    assert "global.media.max_total" in str(error)


def test_what_an_operator_deleted_is_not_offered(tmp_path):
    async def scenario(store, _clock):
        kept = await keep(store, "k", b"x")
        (tmp_path / "media" / kept.token).unlink()
        return store.offer("k"), store.find(kept.token)

    assert (None, None) == with_store(tmp_path, scenario)


def test_a_file_that_became_shorter_is_an_error_not_half_a_file(tmp_path):
    async def scenario(store, _clock):
        kept = await keep(store, "k", b"x" * 100)
        path = tmp_path / "media" / kept.token
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(OSError, match="shorter"):
            await content(store, kept)

    with_store(tmp_path, scenario)


def test_a_clock_that_was_put_back_prolongs_nothing_beyond_the_limit(tmp_path):
    async def scenario(store, clock):
        kept = await keep(store, "k", b"x")
        clock.advance(-10 * KEEP)
        return store.remaining(kept)

    assert KEEP == with_store(tmp_path, scenario)
