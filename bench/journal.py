"""
What the journal costs: CPU of all threads that it adds to a message accepted and settled, and a
lone accept's wait.

    python bench/journal.py [messages]
"""

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bridge.clock import SystemClock
from bridge.journal import Acceptance, Capacity, Retention, Verdict
from bridge.journal.sqlite import SqliteJournal, open_journal
from bridge.model import (
    ConversationId,
    ConversationRef,
    Delivery,
    DeliveryId,
    Envelope,
    EventId,
    EventKind,
    InstanceId,
    Message,
    MessageId,
    Outcome,
    Plan,
    Route,
    Sender,
    Status,
    UserId,
)

TEXT = "build failed on main, 失败, please look. " * 5


def envelope(name: str, conversation: int) -> Envelope:
    now = datetime.now(UTC)
    return Envelope(
        id=EventId(f"msg{name}=="),
        kind=EventKind.MESSAGE,
        source=ConversationRef(InstanceId("dt_main"), ConversationId(f"cidSource{conversation}==")),
        sender=Sender(UserId("manager123"), "Li Lei"),
        message=Message(MessageId(f"msg{name}=="), TEXT),
        occurred_at=now,
        received_at=now,
        conversation_title="ops",
    )


class Nothing:
    """Answers in the next turn of the loop and keeps nothing: what the load itself costs."""

    commits = 0

    async def accept(self, message: Envelope, routes: tuple[Route, ...]) -> Acceptance:
        await asyncio.sleep(0)
        delivery = Delivery(1, DeliveryId("0" * 16), message, routes[0])
        return Acceptance(Verdict.NEW, (delivery,))

    async def settle(self, _delivery: Delivery, _outcome: Outcome) -> None:
        await asyncio.sleep(0)


async def load(journal: SqliteJournal | Nothing, waiters: int, messages: int) -> tuple[float, float, int]:
    """CPU and wall microseconds a message, and commits."""
    sent = Plan("rule")
    routes = [
        (Route(ConversationRef(InstanceId("dt_two"), ConversationId(f"cidTarget{i}==")), sent),)
        for i in range(64)
    ]

    async def one(waiter: int) -> None:
        for i in range(messages // waiters):
            name = f"{waiters}x{hash((waiter, i)) & 0xFFFFFFFFFFFF:x}"
            accepted = await journal.accept(envelope(name, waiter), routes[waiter % 64])
            for delivery in accepted.deliveries:
                posted = MessageId(f"posted{delivery.id}")
                await journal.settle(delivery, Outcome(Status.SENT, (posted,)))

    commits = journal.commits
    cpu, wall = time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for waiter in range(waiters):
            tasks.create_task(one(waiter))
    count = messages // waiters * waiters
    return (
        (time.process_time() - cpu) / count * 1e6,
        (time.perf_counter() - wall) / count * 1e6,
        journal.commits - commits,
    )


async def lone(journal: SqliteJournal) -> float:
    """Median milliseconds of an accept with nothing else going on."""
    waits = []
    for i in range(200):
        message = envelope(f"lone{i}", 1)
        start = time.perf_counter()
        await journal.accept(message, ())
        waits.append(time.perf_counter() - start)
        await asyncio.sleep(0.002)
    return sorted(waits)[100] * 1e3


async def main(messages: int) -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        async with open_journal(
            Path(folder) / "journal.db",
            clock=SystemClock(),
            capacity=Capacity(),
            retention=Retention(),
        ) as journal:
            own, _, _ = await load(Nothing(), 64, messages)
            print(f"the load itself: {own:.1f} µs CPU a message")
            for waiters in (1, 8, 32, 64, 128):
                some = messages if waiters > 1 else messages // 10
                cpu, wall, commits = await load(journal, waiters, some)
                print(
                    f"{waiters:4} waiters: {cpu - own:6.1f} µs CPU more, {wall:6.1f} µs wall a message, "
                    f"{some / commits:5.1f} messages a commit"
                )
            print(f"lone accept: {await lone(journal):.2f} ms")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
