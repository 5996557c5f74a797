"""Values that a person writes: durations, sizes, rates, web addresses."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from bridge.loopback import is_loopback
from bridge.model import RateLimit

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,3})?)\s*(B|kB|KB|KiB|MB|MiB|GB|GiB|TB|TiB)")
_BYTES = {
    "B": 1, "kB": 1000, "KB": 1000, "KiB": 1 << 10, "MB": 10**6, "MiB": 1 << 20,
    "GB": 10**9, "GiB": 1 << 30, "TB": 10**12, "TiB": 1 << 40,
}  # fmt: skip
_RATE = re.compile(r"([1-9][0-9]{0,5})\s*/\s*(.+)")
_ENCRYPTED = ("https", "wss")
_OPEN = ("http", "ws")
LONGEST = 366 * 86400.0
"""The longest duration, in seconds."""


def duration(value: object) -> float:
    """Seconds. ``"90s"``, ``"5m"``, ``"24h"``, or a number of seconds. Raises ValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        seconds = float(match.group(1)) * _SECONDS[match.group(2)]
    else:
        raise ValueError(value)
    if not 0 <= seconds <= LONGEST:
        raise ValueError(value)
    return seconds


def timeout(value: object) -> float:
    """Seconds, as `duration`, but more than none. Raises ValueError."""
    seconds = duration(value)
    if seconds <= 0:
        raise ValueError(value)
    return seconds


def size(value: object) -> int:
    """Bytes. ``"20MB"``, ``"256KiB"``, or a number of bytes. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        return int(float(match.group(1)) * _BYTES[match.group(2)])
    raise ValueError(value)


def rate(value: object) -> RateLimit:
    """``"20/1m"``: at most 20 in any minute. Raises ValueError."""
    if isinstance(value, str) and (match := _RATE.fullmatch(value.strip())):
        per = duration(match.group(2))
        if per > 0:
            return RateLimit(int(match.group(1)), per)
    raise ValueError(value)


def is_url(value: object) -> bool:
    """An absolute http, https, ws or wss URL with a host."""
    return isinstance(value, str) and _parts(value) is not None


def is_exposed(value: object) -> bool:
    """A URL without encryption to a host that is not this machine: what it carries can be read."""
    parts = _parts(value) if isinstance(value, str) else None
    if parts is None or parts[0] in _ENCRYPTED:
        return False
    host = parts[1]
    return not (host.endswith(".localhost") or is_loopback(host))


def _parts(value: str) -> tuple[str, str] | None:
    if any(char.isspace() or not char.isprintable() for char in value):
        return None
    try:
        url = urlsplit(value)
        host, _ = url.hostname, url.port
    except ValueError:
        return None
    return (url.scheme, host) if url.scheme in (*_ENCRYPTED, *_OPEN) and host else None
