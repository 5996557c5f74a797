"""Moments in the life of a bridge, as snapshots: for the tests of the status page and its pictures."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from bridge.desk import (
    DestinationView,
    Event,
    Failure,
    InstanceState,
    InstanceView,
    JournalView,
    LaneState,
    Reloaded,
    RuleView,
    Snapshot,
    SourceView,
)
from bridge.journal import Ledger
from bridge.model import Status
from tests.builders import a_place
from tests.clock import NOON
from tests.reading import CONFIG, RULES, read

HOSTILE = "<img src=x onerror=alert(1)>\"'&\u202eevil\u2066" + "长" * 10_000


def ago(seconds):
    return NOON - timedelta(seconds=seconds)


def books(**counts):
    """A balanced ledger, but for ``planned`` where it is given."""
    by_status = {status: counts.get(status.value, 0) for status in Status}
    return Ledger(counts.get("planned", sum(by_status.values())), by_status)


def a_journal(ledger=None, **more):
    fields = {
        "path": "/var/lib/msgbridge/journal.db",
        "size": 48_300_000,
        "free_disk": 61_000_000_000,
        "fullness": 0.012,
        "ledger": ledger or books(sent=18_342, skipped=12, waiting=1, dropped=2),
        "lost": 0,
        "damaged": 0,
    }
    return JournalView(**{**fields, **more})


def an_instance(name, platform="dingtalk", state=InstanceState.RUNNING, **more):
    return InstanceView(id=name, platform=platform, state=state, **{"driver_states": {}, **more})


def a_source(name, received, last=None, **more):
    fields = {"duplicates": 0, "ignored": 0, **more}
    return SourceView(instance=name, received=received, last=last, **fields)


def a_destination(place, state=LaneState.OK, **more):
    fields = {
        "waiting": 0, "held": 0, "oldest": None, "next_send": None, "sent": 400, "sent_per_hour": 64,
        "seconds": 0.21, "last_sent": ago(42), "last_failure": None, **more,
    }  # fmt: skip
    return DestinationView(destination=a_place(place), state=state, **fields)


def a_rule(name, line, matches=0, last=None, *, enabled=True):
    return RuleView(
        id=name, file="/etc/msgbridge/rules.json", line=line, enabled=enabled, matches=matches,
        last_match=last,
    )  # fmt: skip


def empty():
    """Two files that hold nothing yet."""
    return Snapshot(
        version="0.1.0",
        now=NOON,
        started_at=ago(75),
        uptime=75.0,
        generation=1,
        loaded_at=ago(75),
        config_file="/etc/msgbridge/config.json",
        rules_file="/etc/msgbridge/rules.json",
        ready="",
        last_reload=None,
        warnings=(),
        instances=(),
        sources=(),
        destinations=(),
        destinations_unshown=0,
        rules=(),
        dead={},
        journal=a_journal(books(), size=94_208, fullness=0.0),
        events=(),
        ports={8089: 8089},
    )


def healthy():
    """Some weeks in, and nothing to do."""
    return replace(
        empty(),
        started_at=ago(1_900_000),
        uptime=1_900_000.0,
        generation=7,
        loaded_at=ago(260_000),
        instances=(
            an_instance("dt_main", listens_on="8082/dingtalk/event"),
            an_instance("dt_stream", driver_states={"connected": 1.0, "connected_since": 1_795_000_000}),
            an_instance("dt_alerts"),
            an_instance("ci", "webhook", listens_on="8083/in"),
        ),
        sources=(
            a_source("dt_main", 12_480, ago(42), duplicates=31, ignored=204),
            a_source("dt_stream", 3_022, ago(610)),
            a_source("ci", 877, ago(5_400), duplicates=2),
        ),
        destinations=(
            a_destination("dt_main/cidYvT8Pq0n2mR5w=="),
            a_destination("dt_main/user:manager7", sent_per_hour=3, last_sent=ago(900), seconds=0.35),
            a_destination("dt_alerts/default", sent_per_hour=12, last_sent=ago(310), seconds=1.4),
            a_destination("ci/default", sent_per_hour=0, last_sent=ago(8_000), seconds=0.03),
        ),
        rules=(
            a_rule("team-room", 6, 12_101, ago(42)),
            a_rule("failures-to-ops", 17, 833, ago(310)),
            a_rule("发布通知", 29, 410, ago(5_400)),
        ),
        journal=a_journal(),
        events=(
            Event(
                ago(260_000), "info", "config.reloaded", {"generation": 7, "rules_changed": "team-room"}
            ),
            Event(
                ago(1_900_000),
                "info",
                "daemon.started",
                {"version": "0.1.0", "ports": [8082, 8083, 8089]},
            ),
        ),
    )


def suspended():
    """A group robot whose token was revoked, a slow webhook, and dead letters."""
    well = healthy()
    refusal = "errcode 310000: token is not exist"
    return replace(
        well,
        destinations=(
            a_destination(
                "dt_alerts/default", LaneState.SUSPENDED, waiting=218, oldest=ago(9_300),
                next_send=NOON + timedelta(seconds=140), sent_per_hour=0, last_sent=ago(9_400),
                last_failure=Failure(ago(160), "token_unknown", refusal),
            ),
            a_destination(
                "ci/default", LaneState.RETRYING, waiting=3, held=1, oldest=ago(96),
                next_send=NOON + timedelta(seconds=21),
                last_failure=Failure(ago(9), "server_error", "the endpoint answered 502"),
            ),
            *well.destinations[:2],
        ),
        rules=(*well.rules, a_rule("night-watch", 38), a_rule("old-room", 44, enabled=False)),
        dead={"too_large": 2, "content_rejected": 11, "gave_up": 1},
        journal=a_journal(books(sent=18_102, skipped=12, waiting=221, held=1, dead=14, dropped=2)),
        events=(
            Event(ago(9), "warning", "delivery.retry_scheduled", {"to": "ci/default", "reason": "server_error"}),
            Event(ago(9_300), "error", "destination.suspended", {"to": "dt_alerts/default", "detail": refusal}),
            *well.events,
        ),
    )  # fmt: skip


def refused():
    """Somebody saved rules.json with a slip; the old rules run on."""
    with TemporaryDirectory() as folder:
        written = (
            '{\n  "rules": [\n    {\n      "id": "team-room",\n      "form": {"here": {"room": "r1"}},\n'
            '      "to": {"thre": {}}\n    }\n  ]\n}\n'
        )
        problems = read(Path(folder), rules=written).problems
    problems = tuple(_moved(problem) for problem in problems if not problem.warning)
    last = Reloaded(at=ago(35), ok=False, asked_by="file change", generation=7, problems=problems)
    event = Event(ago(35), "error", "config.reload_refused", {"errors": len(problems)})
    return replace(healthy(), last_reload=last, events=(event, *healthy().events))


def with_warnings():
    """It runs, but not as it should: nothing is verified."""
    with TemporaryDirectory() as folder:
        config = {**CONFIG, "chat": {"here": {"token": "t0p-secret"}}}
        problems = read(Path(folder), config, RULES).problems
    return replace(healthy(), warnings=tuple(_moved(problem) for problem in problems))


def crowded():
    """Sixty destinations."""
    rooms = (
        a_destination(f"dt_main/cid{number:03}XyZ==", sent_per_hour=number * 7 % 90, seconds=number / 9)
        for number in range(60)
    )
    return replace(healthy(), destinations=tuple(rooms), destinations_unshown=1_240)


def damaged():
    """Storage that lies, and a ledger that shows it."""
    journal = a_journal(
        books(planned=18_400, sent=18_342), fullness=0.97, lost=44, damaged=3, broken="EIO on fsync"
    )
    return replace(healthy(), ready="EIO on fsync", journal=journal)


def hostile():
    """Every name and text that a stranger may choose, as bad as it can be."""
    place = a_place("here/room")
    return replace(
        suspended(),
        ready=HOSTILE,
        instances=(
            an_instance(
                HOSTILE, HOSTILE, InstanceState.SUSPENDED, reason=HOSTILE, since=ago(5), listens_on=HOSTILE,
                driver_states={HOSTILE: 1e300, "nan": float("nan")},
            ),
        ),
        sources=(a_source(HOSTILE, 5, ago(5)),),
        destinations=(
            replace(
                a_destination("here/room", LaneState.SUSPENDED),
                destination=place._replace(conversation=HOSTILE),
                last_failure=Failure(ago(5), HOSTILE, HOSTILE),
            ),
        ),
        rules=(a_rule(HOSTILE, 1),),
        dead={HOSTILE: 3},
        last_reload=Reloaded(at=ago(5), ok=False, asked_by=HOSTILE, generation=1, why=HOSTILE),
        journal=a_journal(path=HOSTILE, broken=HOSTILE),
        events=(Event(ago(5), "error", HOSTILE, {HOSTILE: HOSTILE}),) * 500,
    )  # fmt: skip


def rules_of_the_house():
    """The router behind the scenes: the rules that they name, between the places that they name."""
    room, manager, alerts = {"room": "cidYvT8Pq0n2mR5w=="}, {"user_id": "manager7"}, {"dt_alerts": {}}
    config = {
        "chat": {
            "dt_main": {"token": "t0p-secret", "sign": "s1gn", "listen_port": 8082},
            "dt_stream": {"token": "t0p-secret", "sign": "s1gn", "listen_port": 8084},
        },
        "hook": {"dt_alerts": {}, "ci": {}},
    }
    rules = {
        "rules": [
            {"id": "team-room", "channels": {"dt_main": room, "dt_stream": {"room": "cidB7"}}},
            {
                "id": "failures-to-ops",
                "from": {"dt_stream": {"room": "*"}},
                "when": {"text_contains": "failed"},
                "to": {**alerts, "ci": {}},
            },
            {"id": "发布通知", "from": {"ci": {}}, "to": {"dt_main": [room, manager]}},
        ]
    }
    with TemporaryDirectory() as folder:
        return read(Path(folder), config, rules).rules.router


def _moved(problem):
    """The same problem, where an operator's files would be."""
    place = replace(problem.place, file=f"/etc/msgbridge/{Path(problem.file).name}")
    return replace(problem, place=place, second=None)


ALL = {
    "empty": empty, "healthy": healthy, "suspended": suspended, "refused": refused,
    "warnings": with_warnings, "crowded": crowded, "damaged": damaged, "hostile": hostile,
}  # fmt: skip
