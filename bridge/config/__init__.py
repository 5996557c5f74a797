"""config.json, understood: which accounts exist, and what holds for the whole daemon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bridge.driver import DriverSpec, Listen, Settings
from bridge.journal import Capacity
from bridge.model import InstanceId, RateLimit
from bridge.networks import Network
from bridge.problems.document import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """
    One configured account. ``settings`` are the platform's own keys: valid, defaults filled in,
    references resolved, durations in seconds, sizes in bytes; and the ``language`` that holds.
    """

    id: InstanceId
    platform: str
    spec: DriverSpec
    settings: Settings = field(repr=False)
    enabled: bool = True
    proxy: str = field(default="", repr=False)
    max_rate: RateLimit | None = None
    on_lost_answer: str = "repeat"
    send_timeout: float = 15.0
    language: str = "en"
    listen: Listen | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """The servers that platforms call. Sizes in bytes, times in seconds."""

    host: str = "0.0.0.0"  # noqa: S104 (platforms call from outside; config.json may narrow it)
    trusted_proxies: tuple[str, ...] = ()
    max_body: int = 262_144
    max_connections: int = 1000
    body_timeout: float = 5.0
    header_timeout: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    level: str = "info"
    format: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusServer:
    """/healthz, /readyz, /metrics; ``hosts`` are further names that the Host header may have."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = 8089
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """What a program shows to be let in, and the scopes that it then has: send, read, operate."""

    token: str = field(repr=False)
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The HTTP API on the status server, off without tokens; ``rate`` holds for each of them."""

    tokens: Mapping[str, ApiToken] = field(default_factory=dict)
    rate: RateLimit = field(default_factory=lambda: RateLimit(600, 60.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """In seconds."""

    give_up_after: float = 86_400.0
    late_after: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Files that the bridge opens, and keeps to offer them. Sizes in bytes, ``keep`` in seconds."""

    keep: float = 7 * 86_400.0
    max_file: int = 20_000_000
    max_total: int = 1_000_000_000
    allow_networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Global:
    """What holds for the whole daemon."""

    data_dir: Path
    control_socket: Path
    http: Http = field(default_factory=Http)
    log: Log = field(default_factory=Log)
    status: StatusServer = field(default_factory=StatusServer)
    api: Api = field(default_factory=Api)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    media: Media = field(default_factory=Media)
    capacity: Capacity = field(default_factory=Capacity)
    public_url: str = ""
    language: str = "en"
    proxy: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """
    ``instances`` stand in the order of the file; ``secrets`` are the values to mask everywhere;
    ``source`` is the text that it was read from, for warnings about it.
    """

    global_: Global
    instances: Mapping[InstanceId, Instance]
    secrets: frozenset[str] = field(repr=False)
    file: Path
    source: Document | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """
    What rules.json may name: an instance, even one whose own settings are wrong.

    ``spec`` is None where the platform is unknown, ``settings`` None where they are wrong: nothing
    can be said then about the addresses of that instance.
    """

    spec: DriverSpec | None = None
    settings: Settings | None = field(default=None, repr=False)
    enabled: bool = True
