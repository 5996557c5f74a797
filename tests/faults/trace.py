"""
What strace wrote down, read as evidence: was a message on the disk before it was answered? Pure.

A page of SQLite's WAL is on the disk when the frame of its commit was written and a sync that began
after that has ended well (https://www.sqlite.org/fileformat2.html#walformat).
"""

import json
import re
from bisect import bisect_right
from codecs import escape_decode
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>)?(.*)")
_CALL = re.compile(r"(\w+)\(\d+<([^<]*?)>(?:, (.*))?\) += (-?\d+)[^\"]*", re.DOTALL)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_UNFINISHED = " <unfinished ...>"

_IDS = re.compile(rb"msg[a-z]\d+-\d{6}==")
_SYNCS = {"fsync", "fdatasync"}
_WRITES = {"pwrite64", "pwritev"}
_READS = {"recvfrom", "recvmsg", "read"}
_SENDS = {"sendto", "sendmsg", "write", "writev"}
_FRAME_HEAD = 24
_PAGES_AFTER_COMMIT = slice(4, 8)  # zero but in the frame that commits

_ANSWER = b"HTTP/1.1 "
_TAKEN = b"HTTP/1.1 200 "
_SWITCHED = b"HTTP/1.1 101 "
_LENGTH_16, _LENGTH_64, _MASKED = 126, 127, 0x80


@dataclass(frozen=True, slots=True)
class Call:
    """A system call on ``file``. ``began`` and ``ended`` are lines of the trace."""

    name: str
    file: str
    content: bytes
    result: int
    began: int
    ended: int


@dataclass(slots=True)
class Evidence:
    """
    How many ``requests`` and ``frames`` of Stream were shown to be on the disk before their answer
    was written, in how many ``syncs``; ``unshown`` are the others, with the reason.
    """

    requests: int = 0
    frames: int = 0
    syncs: int = 0
    unshown: list[tuple[str, str]] = field(default_factory=list)


def read_trace(file: Path) -> list[Call]:
    """The calls in the order in which they ended."""
    with file.open(encoding="ascii") as lines:
        return list(calls_in(lines))


def calls_in(lines: Iterable[str]) -> Iterator[Call]:
    """As `read_trace`. What is no call on a file is passed over."""
    unfinished: dict[str, tuple[str, int]] = {}
    for at, line in enumerate(lines):
        found = _LINE.fullmatch(line.rstrip("\n"))
        if found is None:
            continue
        thread, resumed, text = found.groups()
        began = at
        if resumed:
            head, began = unfinished.pop(thread, ("", at))
            text = head + text
        if text.endswith(_UNFINISHED):
            unfinished[thread] = (text.removesuffix(_UNFINISHED), began)
        elif call := _CALL.fullmatch(text):
            name, file, arguments, result = call.groups()
            yield Call(name, file, _content(arguments or ""), int(result), began, at)


def _content(arguments: str) -> bytes:
    content: bytes = escape_decode("".join(_STRING.findall(arguments)).encode("ascii"))[0]
    return content


def evidence(calls: Iterable[Call]) -> Evidence:
    """Hold every answer that says yes against what was written and synced before it."""
    disk, mouth = _Disk(), _Conversations()
    for call in calls:
        if call.file.endswith("-wal"):
            disk.see(call)
        elif call.file.startswith("TCP"):
            mouth.see(call)
    found = Evidence(syncs=len(disk.syncs))
    for answer in mouth.answers:
        if why := disk.objection(answer):
            found.unshown.append((answer.message, why))
        elif answer.by_stream:
            found.frames += 1
        else:
            found.requests += 1
    return found


@dataclass(frozen=True, slots=True)
class _Answer:
    message: str
    read: int
    written: int
    by_stream: bool


@dataclass(slots=True)
class _Disk:
    """``written``: where an id was first written; ``syncs``: begin and end of those after a commit."""

    written: dict[str, int] = field(default_factory=dict)
    syncs: list[tuple[int, int]] = field(default_factory=list)
    _whole: bool = False

    def see(self, call: Call) -> None:
        if call.name in _WRITES and call.result == len(call.content):
            if call.result == _FRAME_HEAD:
                self._whole = any(call.content[_PAGES_AFTER_COMMIT])
            for message in _IDS.findall(call.content):
                self.written.setdefault(message.decode(), call.ended)
        elif call.name in _SYNCS and call.result == 0 and self._whole:
            self.syncs.append((call.began, call.ended))

    def objection(self, answer: _Answer) -> str:
        """Why it is not shown that the message was on disk before the answer; empty if it is."""
        written = self.written.get(answer.message)
        if written is None:
            return "was answered, and never written to the WAL"
        if written < answer.read:
            return "was written before it was read: the id is not new"
        later = bisect_right(self.syncs, (written, written))
        if later == len(self.syncs):
            return "was answered, and no sync of a commit followed"
        if self.syncs[later][1] > answer.written:
            return "was answered before the sync of its commit had ended"
        return ""


@dataclass(slots=True)
class _Conversations:
    """Both ways of every connection."""

    answers: list[_Answer] = field(default_factory=list)
    _asked: dict[str, list[Call]] = field(default_factory=lambda: defaultdict(list))
    _streams: "dict[str, _Stream]" = field(default_factory=dict)

    def see(self, call: Call) -> None:
        if call.result <= 0:
            return
        said = call.content[: call.result]
        stream = self._streams.get(call.file)
        if call.name in _READS:
            if stream is not None:
                stream.hear(said, call)
            elif said.startswith(_SWITCHED):
                self._streams[call.file] = stream = _Stream()
                stream.hear(said.partition(b"\r\n\r\n")[2], call)
            else:
                self._asked[call.file].append(call)
        elif call.name in _SENDS:
            if stream is not None:
                self.answers += stream.say(said, call)
            elif said.startswith(_ANSWER):
                self._answered(call, taken=said.startswith(_TAKEN))

    def _answered(self, call: Call, *, taken: bool) -> None:
        asked = self._asked.pop(call.file, [])
        if taken:  # one request at a time on each connection
            messages = dict.fromkeys(_IDS.findall(b"".join(part.content for part in asked)))
            read = asked[-1].ended if asked else 0
            self.answers += [_Answer(one.decode(), read, call.began, by_stream=False) for one in messages]


@dataclass(slots=True)
class _Stream:
    """A WebSocket: frames that came in, by the id that they are acknowledged by."""

    _in: bytes = b""
    _out: bytes = b""
    _began: int = 0
    _messages: dict[str, tuple[str, int]] = field(default_factory=dict)

    def hear(self, said: bytes, call: Call) -> None:
        frames, self._in = frames_in(self._in + said)
        for frame in frames:
            message = _IDS.search(frame)
            if message:
                self._messages[_name(frame)] = (message[0].decode(), call.ended)

    def say(self, said: bytes, call: Call) -> Iterator[_Answer]:
        if not self._out:
            self._began = call.began
        frames, self._out = frames_in(self._out + said)
        for frame in frames:
            if frame.startswith(b"{") and json.loads(frame)["code"] == 200:
                message, read = self._messages.pop(_name(frame), ("", 0))
                if message:
                    yield _Answer(message, read, self._began, by_stream=True)


def _name(frame: bytes) -> str:
    return str(json.loads(frame)["headers"]["messageId"])


def frames_in(said: bytes) -> tuple[list[bytes], bytes]:
    """The payloads of whole WebSocket frames, and the rest (RFC 6455, 5.2); none is fragmented here."""
    frames = []
    while len(said) >= 2:
        length, at = said[1] & ~_MASKED, 2
        if length == _LENGTH_16:
            length, at = int.from_bytes(said[2:4], "big"), 4
        elif length == _LENGTH_64:
            length, at = int.from_bytes(said[2:10], "big"), 10
        mask = b""
        if said[1] & _MASKED:
            mask, at = said[at : at + 4], at + 4
        if len(said) < at + length:
            break
        payload = said[at : at + length]
        if mask:
            payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        frames.append(payload)
        said = said[at + length :]
    return frames, said
