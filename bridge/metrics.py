"""Every metric family, declared in one place. Base units; no message, person or URL is ever a label."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from bridge.model import InstanceId, Status

_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 86400)
_GATHER = 1000
_VERDICTS = ("new", "duplicate", "conflict", "echo")


class Metrics:
    """The families of one daemon, in a registry of its own."""

    def __init__(self, version: str) -> None:
        self._registry = registry = CollectorRegistry()
        self._damaged = 0
        # What comes with every message is gathered here, and counted when somebody looks.
        self._accepted: dict[tuple[InstanceId, str], int] = {}
        self._sent: dict[InstanceId, list[float]] = {}
        info = Gauge("msgbridge_info", "The running version.", ["version"], registry=registry)
        info.labels(version).set(1)
        self.messages_accepted = Counter(
            "msgbridge_messages_accepted_total",
            "Messages received and answered, by what the journal made of them.",
            ["instance", "verdict"],
            registry=registry,
        )
        self.messages_ignored = Counter(
            "msgbridge_messages_ignored_total",
            "Messages understood and acknowledged, but not ours to bridge.",
            ["instance", "reason"],
            registry=registry,
        )
        self.requests_refused = Counter(
            "msgbridge_requests_refused_total",
            "Requests answered with an error, by HTTP status.",
            ["instance", "status"],
            registry=registry,
        )
        self.deliveries_settled = Counter(
            "msgbridge_deliveries_settled_total",
            "Deliveries that ended, by destination instance.",
            ["instance", "status", "reason"],
            registry=registry,
        )
        self.delivery_seconds = Histogram(
            "msgbridge_delivery_seconds",
            "From the acceptance of a message until a destination took it.",
            ["instance"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.attempts_failed = Counter(
            "msgbridge_attempts_failed_total",
            "Attempts that failed, by kind of failure.",
            ["instance", "kind"],
            registry=registry,
        )
        self.driver_events = Counter(
            "msgbridge_driver_events_total",
            "What drivers count of themselves.",
            ["instance", "event"],
            registry=registry,
        )
        self.driver_state = Gauge(
            "msgbridge_driver_state",
            "What drivers say of their connections; moments in seconds since 1970.",
            ["instance", "name"],
            registry=registry,
        )
        self.deliveries_waiting = Gauge(
            "msgbridge_deliveries_waiting",
            "Deliveries that wait in the journal.",
            ["instance"],
            registry=registry,
        )
        self.oldest_waiting_seconds = Gauge(
            "msgbridge_oldest_waiting_seconds",
            "Age of the oldest delivery that waits.",
            ["instance"],
            registry=registry,
        )
        self.suspended = Gauge(
            "msgbridge_destinations_suspended",
            "Conversations or whole instances that need an operator.",
            ["instance"],
            registry=registry,
        )
        self.loops_tripped = Counter(
            "msgbridge_loops_tripped_total",
            "Times that somebody's messages were found to go round, by the instance that heard them.",
            ["instance"],
            registry=registry,
        )
        self.reloads = Counter(
            "msgbridge_reloads_total",
            "Attempts to take new files, by how they ended.",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("taken", "refused"):
            self.reloads.labels(outcome)
        self.config_generation = Gauge(
            "msgbridge_config_generation",
            "1 for the files of the start, one more with every reload that was taken.",
            registry=registry,
        )
        self.config_generation.set(1)
        self.config_refused = Gauge(
            "msgbridge_config_refused",
            "1 while the last files were refused, so that older ones run.",
            registry=registry,
        )
        self.journal_fullness = Gauge(
            "msgbridge_journal_fullness_ratio",
            "How full the journal is; from 0.95 on nothing is accepted.",
            registry=registry,
        )
        self.journal_damaged = Counter(
            "msgbridge_journal_rows_damaged_total",
            "Rows whose checksum did not hold.",
            registry=registry,
        )
        self.journal_lost = Counter(
            "msgbridge_journal_rows_lost_total",
            "Accepted messages that the journal no longer had when it was opened.",
            registry=registry,
        )
        self.ledger_balanced = Gauge(
            "msgbridge_ledger_balanced",
            "1 while planned = sent + skipped + waiting + held + dead + dropped.",
            registry=registry,
        )

    def declare(self, instances: Iterable[InstanceId]) -> None:
        """Every series exists at 0 from the start, so that a first failure shows as a rise."""
        for instance in instances:
            for verdict in _VERDICTS:
                self.messages_accepted.labels(instance, verdict)
            for status in (Status.SENT, Status.DEAD, Status.HELD, Status.SKIPPED):
                self.deliveries_settled.labels(instance, status.value, "")
            for kind in ("transient", "throttled", "refused", "broken", "indeterminate"):
                self.attempts_failed.labels(instance, kind)
            self.delivery_seconds.labels(instance)
            self.loops_tripped.labels(instance)
            for gauge in (self.deliveries_waiting, self.oldest_waiting_seconds, self.suspended):
                gauge.labels(instance).set(0)

    def accepted(self, instance: InstanceId, verdict: str) -> None:
        """A message was received and answered."""
        key = instance, verdict
        self._accepted[key] = self._accepted.get(key, 0) + 1

    def sent(self, instance: InstanceId, took: float) -> None:
        """A delivery was sent, ``took`` seconds after its message was accepted."""
        gathered = self._sent.get(instance)
        if gathered is None:
            gathered = self._sent[instance] = []
        gathered.append(took)
        if len(gathered) >= _GATHER:
            self._count_sent(instance)

    def _count_sent(self, instance: InstanceId) -> None:
        gathered = self._sent.pop(instance)
        self.deliveries_settled.labels(instance, Status.SENT.value, "").inc(len(gathered))
        seconds = self.delivery_seconds.labels(instance)
        for took in gathered:
            seconds.observe(took)

    def reloaded(self, generation: int) -> None:
        """New files are in force."""
        self.reloads.labels("taken").inc()
        self.config_generation.set(generation)
        self.config_refused.set(0)

    def reload_refused(self) -> None:
        """The old files run on."""
        self.reloads.labels("refused").inc()
        self.config_refused.set(1)

    def settled(self, instance: InstanceId, status: Status, reason: str) -> None:
        """A delivery has ended, but was not sent."""
        self.deliveries_settled.labels(instance, status.value, reason).inc()

    def damaged(self, rows: int) -> None:
        """So many rows were quarantined since the start."""
        self.journal_damaged.inc(rows - self._damaged)
        self._damaged = rows

    def page(self) -> bytes:
        """The text that Prometheus scrapes."""
        for (instance, verdict), count in self._accepted.items():
            self.messages_accepted.labels(instance, verdict).inc(count)
        self._accepted.clear()
        for sent_to in list(self._sent):
            self._count_sent(sent_to)
        return generate_latest(self._registry)
