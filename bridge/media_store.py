"""
Files that the bridge keeps for a while, so that it can offer them itself.

Each lies in the folder under a name that cannot be guessed: one line of JSON that describes it, then
its bytes. The file's time is when it was last offered, and it counts for ``keep`` from there. So one
rename makes a file whole, and the folder is all that a restart needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Self

from bridge.clock import Clock
from bridge.driver import Opened
from bridge.errors import Malformed, Refused
from bridge.filenames import LONGEST, safe_name
from bridge.media_types import BINARY, extension, media_type, safe_type
from bridge.wild import Wild

TOKEN = "[0-9a-f]{40}"  # noqa: S105 (a pattern; the tokens that fit it are the secrets)
"""160 bits: who has a link was given it."""

_PART = ".part"
_LONGEST_LINE = 4096
_AT_ONCE = 500
_BATCH = 1 << 18
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLimits:
    """``keep`` in seconds, sizes in bytes."""

    keep: float = 7 * 86_400.0
    max_file: int = 20_000_000
    max_total: int = 1_000_000_000
    max_files: int = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """
    A file in the store. ``key`` says what it is a copy of; ``size`` is without the ``lead`` bytes
    that describe it; ``since`` is when it was last offered, in seconds since 1970.
    """

    token: str
    key: str
    name: str
    media_type: str
    size: int
    lead: int
    since: float


class MediaStore:
    """The files of one folder; the oldest make room for the newest."""

    def __init__(self, folder: Path, clock: Clock, limits: StoreLimits) -> None:
        self._folder = folder
        self._clock = clock
        self._limits = limits
        self._by_token: dict[str, Kept] = {}
        self._by_key: dict[str, str] = {}
        self._total = 0

    @classmethod
    async def open(cls, folder: Path, clock: Clock, limits: StoreLimits) -> Self:
        """What is there already counts, but for what is half-written or expired. Raises `OSError`."""
        store = cls(folder, clock, limits)
        for kept in await asyncio.to_thread(_found_in, folder):
            store._add(kept)
        store.sweep()
        store._make_room(0)
        return store

    def find(self, token: str) -> Kept | None:
        """The file of this name, if there is one and its time is not over."""
        kept = self._by_token.get(token)
        if kept is None or not self._is_over(kept):
            return kept
        self._forget(token)
        return None

    def offer(self, key: str) -> Kept | None:
        """The copy of what ``key`` says, if there is one; its time begins anew. Raises `OSError`."""
        kept = self.find(self._by_key.get(key, ""))
        if kept is None:
            return None
        since = self._clock.now().timestamp()
        try:
            os.utime(self._path(kept.token), (since, since))
        except FileNotFoundError:
            self._forget(kept.token)
            return None
        self._drop(kept.token)
        return self._add(replace(kept, since=since))

    async def keep(
        self, key: str, opened: Opened, *, filename: str, claimed_type: str, fallback_name: str
    ) -> Kept:
        """
        A copy of ``opened`` for ``key``; ``filename`` wins over the file's own name.

        Raises `Refused` when it is too large, `OSError` when the disk does not take it, and what
        the reading raises; nothing of it stays then.
        """
        if (opened.size or 0) > self._limits.max_file:
            raise self._too_large()
        chunks = aiter(opened.chunks)
        start = await anext(chunks, b"")
        name = safe_name(filename) or safe_name(opened.filename)
        kind = media_type(opened.media_type, claimed_type, filename=name, start=start)
        name = name or fallback_name + extension(kind)
        token = secrets.token_hex(20)
        line = _described(key, name, kind)
        part = self._folder / (token + _PART)
        size = 0
        try:
            with _create(part) as file:
                batch = bytearray(line)
                chunk: bytes | None = start
                while chunk is not None:
                    self._admit(size, len(chunk))
                    size += len(chunk)
                    batch += chunk
                    if len(batch) >= _BATCH:
                        await asyncio.to_thread(file.write, bytes(batch))
                        batch.clear()
                    chunk = await anext(chunks, None)
                await asyncio.to_thread(_finish, file, bytes(batch))
            since = self._clock.now().timestamp()
            os.utime(part, (since, since))
            part.rename(self._path(token))
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        finally:
            self._total -= size  # as a whole file it is counted by `_add`
        return self._add(
            Kept(token=token, key=key, name=name, media_type=kind, size=size, lead=len(line), since=since)
        )

    @asynccontextmanager
    async def reading(
        self, kept: Kept, first: int = 0, count: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """``count`` bytes from ``first`` on, in pieces. Raises `OSError`, also when some are missing."""
        file = await asyncio.to_thread(self._path(kept.token).open, "rb")
        try:
            yield _pieces(file, kept.lead + first, kept.size - first if count is None else count)
        finally:
            file.close()

    def sweep(self) -> None:
        """Delete some of what is expired; call it now and then."""
        over = [token for token, kept in self._by_token.items() if self._is_over(kept)]
        for token in over[:_AT_ONCE]:
            self._forget(token)

    def remaining(self, kept: Kept) -> float:
        """Seconds until its time is over, not more than ``keep`` even if the clock was put back."""
        left = kept.since + self._limits.keep - self._clock.now().timestamp()
        return min(left, self._limits.keep)

    def _is_over(self, kept: Kept) -> bool:
        return self.remaining(kept) <= 0

    def _admit(self, so_far: int, coming: int) -> None:
        """Raises `Refused`; else ``coming`` bytes more count."""
        if so_far + coming > self._limits.max_file:
            raise self._too_large()
        self._make_room(coming)

    def _make_room(self, coming: int) -> None:
        """Raises `Refused` where even an empty store would be too small."""
        while (
            self._total + coming > self._limits.max_total or len(self._by_token) >= self._limits.max_files
        ):
            oldest = next(iter(self._by_token), None)
            if oldest is None:
                raise Refused("there is no room for it (see global.media.max_total)", reason="no_room")
            self._forget(oldest)
        self._total += coming

    def _add(self, kept: Kept) -> Kept:
        """The order of ``_by_token`` is that of age."""
        self._by_token[kept.token] = kept
        self._by_key[kept.key] = kept.token
        self._total += kept.size
        return kept

    def _drop(self, token: str) -> None:
        kept = self._by_token.pop(token)
        if self._by_key.get(kept.key) == token:
            del self._by_key[kept.key]
        self._total -= kept.size

    def _forget(self, token: str) -> None:
        self._drop(token)
        with contextlib.suppress(OSError):  # what could not be deleted now is found at the next start
            self._path(token).unlink()

    def _path(self, token: str) -> Path:
        return self._folder / token

    def _too_large(self) -> Refused:
        return Refused(f"larger than {self._limits.max_file / 1e6:g} MB", reason="too_large")


def _described(key: str, name: str, kind: str) -> bytes:
    return json.dumps({"of": key, "name": name, "type": kind}).encode() + b"\n"


def _create(part: Path) -> BinaryIO:
    return os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _finish(file: BinaryIO, rest: bytes) -> None:
    file.write(rest)
    file.flush()
    os.fsync(file.fileno())


async def _pieces(file: BinaryIO, at: int, count: int) -> AsyncIterator[bytes]:
    await asyncio.to_thread(file.seek, at)
    while count:
        piece = await asyncio.to_thread(file.read, min(count, _CHUNK))
        if not piece:
            raise OSError("the file is shorter than it was")
        count -= len(piece)
        yield piece


def _found_in(folder: Path) -> list[Kept]:
    """The whole files of a folder, oldest first; what is half-written or damaged is deleted."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = []
    for path in folder.iterdir():
        if re.fullmatch(TOKEN + re.escape(_PART), path.name):
            path.unlink(missing_ok=True)
        elif re.fullmatch(TOKEN, path.name) and path.is_file():
            try:
                found.append(_read_description(path))
            except Malformed:
                path.unlink(missing_ok=True)
    return sorted(found, key=lambda kept: kept.since)


def _read_description(path: Path) -> Kept:
    """Raises `Malformed`, `OSError`."""
    with path.open("rb") as file:
        line = file.readline(_LONGEST_LINE)
        status = os.fstat(file.fileno())
    described = Wild.parse(line)
    return Kept(
        token=path.name,
        key=described["of"].identifier(),
        name=safe_name(described["name"].text())[:LONGEST],
        media_type=safe_type(described["type"].text()) or BINARY,
        size=status.st_size - len(line),
        lead=len(line),
        since=status.st_mtime,
    )
