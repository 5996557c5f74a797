"""What a schema cannot say about the keys of encrypted events."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bridge.driver import Complaint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridge.driver import Settings

_KEYS = ("callback_token", "callback_aes_key")
_AES_KEY = re.compile("[A-Za-z0-9+/]{43}").fullmatch


def check_events(
    settings: Settings, find: Callable[[str], object | None] = find_spec
) -> Iterator[Complaint]:
    """Both keys or neither; ``find`` tells whether a library is installed."""
    given = [key for key in _KEYS if settings.get(key)]
    if not given:
        return
    for key in _KEYS:
        if key not in given:
            yield Complaint(
                path=(given[0],),
                code="callback-keys",
                message="{given} is set and {missing} is not: encrypted events need both",
                hint="copy both from the page of the event subscription, or remove both",
                args={"given": given[0], "missing": key},
            )
    if "callback_aes_key" in given and not _AES_KEY(settings["callback_aes_key"]):
        yield Complaint(
            path=("callback_aes_key",),
            code="callback-aes-key",
            message="callback_aes_key is not an AES key: that has 43 letters and digits",
            hint="copy it whole from the page of the event subscription",
        )
    if find("cryptography") is None:
        yield Complaint(
            path=(given[0],),
            code="library-missing",
            message="encrypted events need a library that is not installed: {library}",
            hint="pip install 'msgbridge[dingtalk]'",
            args={"library": "cryptography"},
        )
