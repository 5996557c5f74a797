"""
What the driver contract has to know of a platform.

Each platform has its `Case` in ``tests/contract/platforms/<platform>.py``, under the name ``CASE``.
One with several kinds of account has a file for each: ``<platform>_<kind>.py`` beside it.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import aiohttp

from bridge.clock import SystemClock
from bridge.driver import Driver, DriverSpec, Toolbox
from bridge.exchange import Connector
from bridge.model import ConversationId, ConversationRef, InstanceId

ROOT = Path(__file__).parents[2]
DRIVERS = ROOT / "drivers"
WIRE_FILES = ROOT / "tests/drivers"
PLATFORMS = sorted(path.parent.name for path in DRIVERS.glob("*/__init__.py"))
KINDS = sorted({path.stem for path in Path(__file__).parent.glob("platforms/*.py")} | set(PLATFORMS))
"""Every kind of account: a platform's name, or ``<platform>_<kind>``."""

SECRET = "planted-5ecret-9f1c2e7d0b"
"""Every case gives it (or something that holds it) for every secret of its platform."""

LETTERS_AND_DIGITS = SECRET.replace("-", "")
"""It, for secrets in which nothing else may stand."""

INSTANCE = InstanceId("contract")
PATIENCE = 10.0
LITTLE_PATIENCE = 1.0
"""Seconds; the ``send_timeout`` of the instance, in front of a server that hangs the little one."""


class Behaviour(StrEnum):
    """How the platform's server takes a post."""

    FINE = "fine"
    NO = "no"
    """It will never take this message."""
    WHO = "who?"
    """It does not know us (any more)."""
    BUSY = "busy"
    """It is in trouble itself, and says so."""
    LATER = "later"
    """We are too fast; come back in 7 seconds."""
    DOWN = "down"
    """Nothing listens there: the connection is refused."""
    HANG_UP = "hang up"
    """The connection ends before an answer."""
    HANG = "hang"
    """The connection stays, and no answer comes."""
    GARBAGE = "garbage"
    """Something answers that is not the platform."""
    HUGE_ANSWER = "huge answer"
    """An answer far larger than any that the platform gives."""


@dataclass(frozen=True, slots=True)
class Stage:
    """An open driver, in front of a server that behaves as asked."""

    driver: Driver
    posts: Callable[[], int]
    """How many posts the server has seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    One platform in the driver contract.

    ``settings`` are those of an instance that listens if the platform can, with `SECRET` in every
    secret. ``open`` opens a driver with them, against a server of its own. ``conversation`` is one
    that the server knows. ``signed`` gives the headers that prove where a body comes from, for a
    request received at that moment; None where the platform does not call us. ``says_when``: a server
    that is asked too often can say for how long, and its driver hears it.
    """

    settings: Mapping[str, Any]
    open: Callable[[Behaviour], AbstractAsyncContextManager[Stage]]
    conversation: ConversationId
    signed: Callable[[bytes, datetime], Mapping[str, str]] | None = None
    signature_headers: tuple[str, ...] = ()
    says_when: bool = True

    @property
    def destination(self) -> ConversationRef:
        return ConversationRef(INSTANCE, self.conversation)


def case_of(kind: str) -> Case:
    """Fails where a platform has none, and says what to do."""
    try:
        module = importlib.import_module(f"tests.contract.platforms.{kind}")
    except ModuleNotFoundError as e:
        raise AssertionError(
            f"drivers/{kind} has no contract case: write tests/contract/platforms/{kind}.py "
            "with CASE = Case(…), as the ones beside it"
        ) from e
    case = module.CASE
    assert isinstance(case, Case), f"tests/contract/platforms/{kind}.py: CASE is no Case"
    return case


def cases_of(platform: str) -> list[Case]:
    """One for each kind of account."""
    return [case_of(kind) for kind in KINDS if platform_of(kind) == platform]


def platform_of(kind: str) -> str:
    """Fails for a case of a platform that is not there."""
    found = [one for one in PLATFORMS if kind == one or kind.startswith(f"{one}_")]
    assert found, f"tests/contract/platforms/{kind}.py: there is no such folder in drivers/"
    return max(found, key=len)


def spec_of(kind: str) -> DriverSpec:
    """What the folder's front door offers."""
    platform = platform_of(kind)
    spec = importlib.import_module(f"drivers.{platform}").DRIVER
    assert isinstance(spec, DriverSpec), f"drivers/{platform}/__init__.py: DRIVER is no DriverSpec"
    return spec


@asynccontextmanager
async def opened(
    spec: DriverSpec, settings: Mapping[str, Any], behaviour: Behaviour
) -> AsyncIterator[Driver]:
    """A driver with a session as the core gives it."""
    patience = LITTLE_PATIENCE if behaviour is Behaviour.HANG else PATIENCE
    async with (
        aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=patience),
            connector=Connector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as http,
        spec.open(INSTANCE, settings, Toolbox(http, SystemClock())) as driver,
    ):
        yield driver
