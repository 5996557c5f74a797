"""What may happen to a message on its way out, and what the daemon must make of it: the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bridge.retry import LONGEST_RETRY_AFTER
from tests.faults.answers import ANSWERS, Said
from tests.faults.chaos import Trouble


class Driver(StrEnum):
    DINGTALK = "dingtalk"
    WEBHOOK = "webhook"


class Remedy(StrEnum):
    """What an operator does once the trouble is over, for what does not end by itself, or not soon."""

    NONE = "nothing"
    RESUME = "resume"
    PAUSE = "pause, then resume"
    REPLAY = "replay the dead letter"
    MEND = "mend config.json"


class Tls(StrEnum):
    """What a client meets that wants TLS."""

    PLAIN = "a port without TLS"
    SILENT = "a port that does not answer a handshake"
    UNKNOWN = "a certificate that nobody signed"


class Dns(StrEnum):
    """What a name may come to."""

    NOWHERE = "a name that nobody knows"


@dataclass(frozen=True, slots=True)
class Case:
    """
    One trouble, and what must be made of it: ``kinds`` of failure, none of them if it is no failure;
    ``reason`` and, where the platform's wish decides it, the first ``wait`` in seconds.
    """

    meets: Said | Trouble | Tls | Dns
    name: str
    kinds: str
    reason: str
    wait: tuple[float, float] | None = None
    remedy: Remedy = Remedy.NONE
    driver: Driver = Driver.DINGTALK


def _line(trouble: Trouble, kinds: str = "", reason: str = "") -> Case:
    return Case(trouble, trouble.value, kinds, reason)


def _said(
    name: str,
    kinds: str = "",
    reason: str = "",
    wait: tuple[float, float] | None = None,
    remedy: Remedy = Remedy.NONE,
    driver: Driver = Driver.DINGTALK,
) -> Case:
    return Case(ANSWERS[name], name, kinds, reason, wait, remedy, driver)


def _hook(
    name: str,
    kinds: str = "",
    reason: str = "",
    wait: tuple[float, float] | None = None,
    remedy: Remedy = Remedy.NONE,
) -> Case:
    return _said(name, kinds, reason, wait, remedy, Driver.WEBHOOK)


_SCHEDULE = (0.8, 1.2)
_MINUTE = (60.0, 60.0)
_HOUR = (LONGEST_RETRY_AFTER, LONGEST_RETRY_AFTER)
_BAN = (300.0, 300.0)

CASES: Sequence[Case] = (
    _line(Trouble.REFUSES, "transient", "connect_failed"),
    _line(Trouble.BLACKHOLE, "indeterminate transient", "no_answer"),
    _line(Trouble.HANGS, "indeterminate", "no_answer"),
    _line(Trouble.RESETS, "indeterminate", "no_answer"),
    _line(Trouble.HALVES, "indeterminate", "no_answer"),
    _line(Trouble.DELAYS),
    Case(Dns.NOWHERE, Dns.NOWHERE.value, "transient", "connect_failed", remedy=Remedy.MEND),
    *(Case(one, one.value, "transient", "connect_failed") for one in Tls),
    _said("500", "transient", "server_error", _SCHEDULE),
    _said("503 with Retry-After", "transient", "server_error", (2.0, 2.0)),
    _said("502", "indeterminate", "gateway_timeout"),
    _said("404", "broken", "not_dingtalk", remedy=Remedy.RESUME),
    _said("302", "broken", "not_dingtalk", remedy=Remedy.RESUME),
    _said("an error in a 200, known", "transient", "server_error"),
    _said("an error in a 200, unknown", "indeterminate", "unknown_result"),
    _said("an error in a 200, refusing", "refused", "unsafe_content", remedy=Remedy.REPLAY),
    _said("900 KB"),
    _said("3 MB", "indeterminate", "unknown_result"),
    _said("endless", "indeterminate", "unknown_result"),
    _said("16 MB in gzip", "indeterminate", "unknown_result"),
    _said("no gzip at all", "indeterminate", "no_answer"),
    _said("HTML", "throttled", "address_banned", _BAN, Remedy.PAUSE),
    _said("empty", "indeterminate", "unknown_result"),
    _said("BOM"),
    _said("UTF-16"),
    _said("a list", "indeterminate", "unknown_result"),
    _said("deep", "indeterminate", "unknown_result"),
    _said("half an answer", "indeterminate", "no_answer"),
    _said("Content-Length too long", "indeterminate", "no_answer"),
    _said("too long, hangs up", "indeterminate", "no_answer"),
    _said("Content-Length too short", "indeterminate", "no_answer"),
    _said("a second answer behind it", "transient", "server_error"),
    _said("a second answer later", "transient", "server_error"),
    _said("chunks cut", "indeterminate", "no_answer"),
    _said("chunks of nonsense", "indeterminate", "no_answer"),
    _said("no HTTP", "indeterminate", "no_answer"),
    _said("hangs up", "indeterminate", "no_answer"),
    _said("silence", "indeterminate", "no_answer"),
    _said("429", "throttled", "too_many_requests", _MINUTE, Remedy.PAUSE),
    _said("429, 2 s", "throttled", "too_many_requests", (2.0, 2.0)),
    _said("429, a date", "throttled", "too_many_requests", (2.9, 4.0)),
    _said("429, garbage", "throttled", "too_many_requests", _MINUTE, Remedy.PAUSE),
    _said("429, negative", "throttled", "too_many_requests", _SCHEDULE),
    _said("429, zero", "throttled", "too_many_requests", _SCHEDULE),
    _said("429, past", "throttled", "too_many_requests", _SCHEDULE),
    _said("429, huge", "throttled", "too_many_requests", _HOUR, Remedy.PAUSE),
    _said("429, endless digits", "throttled", "too_many_requests", _MINUTE, Remedy.PAUSE),
    _said("429, fraction", "throttled", "too_many_requests", (1.5, 1.5)),
    _said("429, twice", "throttled", "too_many_requests", (2.0, 2.0)),
    _hook("500", "transient", "server_error", _SCHEDULE),
    _hook("404", "broken", "not_found", remedy=Remedy.RESUME),
    _hook("302", "broken", "moved", remedy=Remedy.RESUME),
    _hook("half an answer", "indeterminate", "no_answer"),
    _hook("silence", "indeterminate", "no_answer"),
    _hook("a second answer later", "transient", "server_error"),
    _hook("429, 2 s", "throttled", "rate_limited", (2.0, 2.0)),
    _hook("429, garbage", "throttled", "rate_limited", _SCHEDULE),
    _hook("429, zero", "throttled", "rate_limited", _SCHEDULE),
    _hook("429, huge", "throttled", "rate_limited", _HOUR, Remedy.PAUSE),
)
SHORT_CASES = frozenset(
    {
        "refuses connections", "resets after the request", "a port without TLS", "500", "404",
        "an error in a 200, refusing", "3 MB", "16 MB in gzip", "UTF-16", "deep", "half an answer",
        "a second answer later", "429, 2 s", "429, zero", "429, huge",
    }
)  # fmt: skip
