"""What a ``Retry-After`` header asks for. Pure; every driver that speaks HTTP may use it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Nine digits are thirty years; more would only be there to overflow something.
_SECONDS = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{1,9})?")


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """
    Seconds to wait from ``now`` (aware), never negative; None without the header or for garbage.

    Both forms of https://www.rfc-editor.org/rfc/rfc9110#field.retry-after are understood: seconds
    (a fraction is tolerated) and an HTTP date, which is past as soon as it is not after ``now``.
    """
    value = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(value):
        return max(float(value), 0.0)
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:  # "-0000": UTC, from a place that does not say where it is
            moment = moment.replace(tzinfo=UTC)
        return max((moment - now).total_seconds(), 0.0)
    except (ValueError, OverflowError):
        return None
