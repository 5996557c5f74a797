"""What ``msgbridge route`` says, and what the daemon does: random messages against random rules."""

import asyncio
import json
import logging
import random
import sqlite3
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from bridge.acceptor import Acceptor
from bridge.clock import SystemClock
from bridge.courier import Courier
from bridge.delivery import Lanes
from bridge.files import Reading, read_files
from bridge.journal.codec import decode_plan
from bridge.metrics import Metrics
from bridge.model import (
    Capabilities,
    Delivery,
    Envelope,
    Inbound,
    TextFormat,
)
from bridge.preview import previewer
from bridge.render import Resolved, Style, render
from tests.builders import a_journal
from tests.daemon import command, free_port, running, wait_until
from tests.random_rules import PLACES, WORDS, Json, Places, RandomRules, a_random_envelope
from tests.receiver import a_receiver

FILES, MESSAGES = 200, 50
REAL_MESSAGES = 20

Planned = list[tuple[str, str, str]]
"""Destination, rule and text of each delivery, in the order of the plan."""

CONFIG: Json = {
    "global": {"data_dir": "data", "delivery": {"late_after": "24h"}},
    "dingtalk": {
        "dt": {"app_key": "dingkey", "app_secret": "s" * 32, "robot_code": "ding", "receive": "stream"},
        "two": {"app_key": "dingtwo", "app_secret": "s" * 32, "robot_code": "two", "language": "zh"},
        "group": {"webhook_url": "http://127.0.0.1:1/robot/send?access_token=0"},
    },
    "webhook": {
        "ear": {"listen_port": 1, "listen_path": "/in"},
        "hook": {"url": "http://127.0.0.1:1/", "listen_port": 1, "listen_path": "/hook"},
    },
}


@pytest.fixture
def _quiet() -> Iterator[None]:
    """Thirty thousand lines of log are of no use here, and cost seconds."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.reset_defaults()


def _read(folder: Path, rules: Json) -> Reading:
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "rules.json").write_text(json.dumps(rules))
    reading = read_files(folder / "config.json", folder / "rules.json", environ={})
    assert reading.good, [str(problem.message) for problem in reading.problems if not problem.warning]
    return reading


async def _journaled(
    reading: Reading, envelopes: Sequence[Envelope], metrics: Metrics
) -> Mapping[str, Planned]:
    """What the daemon plans and would post, by message."""
    assert reading.rules is not None
    router, clock = reading.rules.router, SystemClock()
    journal = a_journal(clock)
    courier = Courier(journal=journal, outlets={}, clock=clock, metrics=metrics, random=random.Random(1))
    acceptor = Acceptor(lambda: router, journal, Lanes(journal, courier, clock, metrics), metrics)
    for envelope in envelopes:
        await acceptor.take(envelope.source.instance, Inbound((envelope,)))
    found = [d for lane in await journal.lanes() for d in await journal.waiting(lane, len(envelopes))]
    planned: dict[str, Planned] = {envelope.id: [] for envelope in envelopes}
    for delivery in sorted(found, key=lambda delivery: delivery.seq):
        route = delivery.route
        text = _posted(delivery, reading)
        planned[delivery.envelope.id].append((str(route.destination), route.plan.rule, text))
    return planned


def _posted(delivery: Delivery, reading: Reading) -> str:
    assert reading.config is not None
    instances, envelope = reading.config.instances, delivery.envelope
    posts = render(
        delivery,
        Capabilities(max_text=50_000, formats=frozenset(TextFormat)),
        platform=instances[envelope.source.instance].platform,
        style=Style(
            language=instances[delivery.route.destination.instance].language,
            late_after=reading.config.global_.delivery.late_after,
        ),
        now=envelope.received_at,
        resolved=[Resolved(attachment) for attachment in envelope.message.attachments],
        in_place=True,  # a mark before an edit is the platform's matter, not the rules'
    )
    return "".join(post.text for post in posts)


def _explained(reading: Reading, envelope: Envelope) -> Planned:
    """What the command says: every rule's decision, and of those the first for each destination."""
    assert reading.rules is not None
    assert reading.config is not None
    router, preview = reading.rules.router, previewer(reading.config)
    by_rules = [
        (str(route.destination), route.plan.rule)
        for decision in router.explain(envelope)
        for route in decision.routes
    ]
    first = dict(reversed(by_rules))
    answer = [(str(r.destination), r.plan.rule, preview(r, envelope)) for r in router.route(envelope)]
    assert first == {to: rule for to, rule, _ in answer}, "the reasons are not those of the answer"
    return answer


@pytest.mark.usefixtures("_quiet")
def test_ten_thousand_random_messages_go_where_route_says(tmp_path: Path) -> None:
    """
    The same destinations in the same order, by the same rules, with the same texts.
    """
    rules, chance, metrics = RandomRules(PLACES, 1), random.Random(2), Metrics("test")
    compared, deliveries, by_length = 0, 0, Counter[int]()
    for _ in range(FILES):
        written = rules.file()
        daemons, commands = _read(tmp_path, written), _read(tmp_path, written)
        envelopes = [a_random_envelope(chance, n) for n in range(MESSAGES)]
        planned = asyncio.run(_journaled(daemons, envelopes, metrics))
        for envelope in envelopes:
            said = _explained(commands, envelope)
            assert said == planned[envelope.id], (json.dumps(written, ensure_ascii=False), envelope)
            compared += 1
            deliveries += len(said)
            by_length[min(len(said), 3)] += 1

    assert FILES * MESSAGES == compared
    assert min(by_length[n] for n in range(4)) > compared / 50, f"too much alike: {by_length}"
    assert deliveries > compared


_MOUTHS = [(name, {"conversation": room}) for name in ("one", "two") for room in "xyz"]
REAL_PLACES = Places(
    sources=(
        ("ear", {"conversation": "a"}), ("ear", {"conversation": "b"}), ("ear", {"conversation": "*"}),
        ("nose", {"conversation": "*"}), ("nose", {}),
    ),
    targets=(
        *_MOUTHS, ("one", {"conversation": "{user_id}"}), ("two", {"conversation": "of-{conversation}"}),
    ),
    channels=(),
    heard=("ear/a", "ear/b", "ear/c", "nose/default", "nose/a"),
)  # fmt: skip


@pytest.mark.real_time
def test_the_command_says_what_the_running_daemon_does(tmp_path: Path) -> None:
    """
    Twenty messages through the real ways in and out; the journal is asked where each went, and why.
    """
    chance = random.Random(3)
    port = free_port()
    with a_receiver() as receiver:
        config = {
            "global": {
                "data_dir": "data",
                "http": {"host": "127.0.0.1"},
                "status": {"port": free_port()},
                "delivery": {"late_after": "24h"},
            },
            "webhook": {
                **{n: {"listen_port": port, "listen_path": f"/{n}"} for n in ("ear", "nose")},
                **{n: {"url": receiver.url} for n in ("one", "two")},
            },
        }
        messages = [_a_real_message(chance, n) for n in range(REAL_MESSAGES)]
        rules = RandomRules(REAL_PLACES, 5).file(rules=12)
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "rules.json").write_text(json.dumps(rules))
        with ThreadPoolExecutor(4) as several:
            said = list(several.map(lambda message: _asked(tmp_path, message), messages))
        expected = [route["text"] for routes in said for route in routes]
        with running(tmp_path):
            for message in messages:
                _post(port, message)
            wait_until(lambda: len(receiver.got) >= len(expected))

    assert len({len(routes) for routes in said}) > 1, "too much alike"
    assert {
        f"m{n}": [(route["to"], route["rule"]) for route in routes]
        for n, routes in enumerate(said)
        if routes
    } == _in_the_journal(tmp_path / "data" / "journal.db")
    assert Counter(expected) == Counter(receiver.got)


def _a_real_message(chance: random.Random, number: int) -> Json:
    return {
        "at": chance.choice(REAL_PLACES.heard),
        "id": f"m{number}",
        "text": " ".join([f"no-{number}", *chance.choices(WORDS, k=chance.randint(0, 3))]),
        "user": chance.choice(("Ada", "李雷")),
        "user_id": f"u{chance.randrange(3)}",
        "title": chance.choice(("", "Team A")),
    }


def _asked(folder: Path, message: Json) -> list[Json]:
    """The routes by ``msgbridge route``, in a process of its own."""
    options = [f"--{name}={message[key]}" for name, key in (
        ("from", "at"), ("text", "text"), ("user", "user"), ("user-id", "user_id"), ("title", "title"),
    )]  # fmt: skip
    done = command("route", *options, "--json", folder=folder)
    assert 0 == done.returncode, done.stderr
    routes: list[Json] = json.loads(done.stdout)["routes"]
    return routes


def _post(port: int, message: Json) -> None:
    instance, _, conversation = message["at"].partition("/")
    body = {
        "conversation": conversation,
        "text": message["text"],
        "sender": {"id": message["user_id"], "name": message["user"]},
        "title": message["title"],
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/{instance}", json.dumps(body).encode(), {"webhook-id": message["id"]}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert 200 == answer.status


def _in_the_journal(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Destination and rule of each delivery, by message, in the order of the plan."""
    planned: dict[str, list[tuple[str, str]]] = {}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "SELECT m.event_id, o.instance || '/' || o.conversation, p.body FROM deliveries AS d "
            "JOIN messages AS m ON m.seq = d.message JOIN places AS o ON o.id = d.place "
            "JOIN plans AS p ON p.id = d.plan ORDER BY d.seq"
        )
        for event_id, place, body in rows:
            planned.setdefault(event_id, []).append((place, decode_plan(body).rule))
    return planned
