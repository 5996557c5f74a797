"""Pictures that are made here: the one that the simulator serves, and the cover of a video."""

import struct
import zlib


def small_picture() -> bytes:
    """A PNG of one red pixel."""
    return _png(1, 1, b"\xff\x00\x00")


def plain_picture(width: int, height: int) -> bytes:
    """A grey PNG of so many pixels."""
    return _png(width, height, b"\x60\x60\x60")


def _png(width: int, height: int, colour: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\x00" + colour * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
