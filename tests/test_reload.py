"""New files while messages pass: what is kept, what is swapped, what is refused."""

import asyncio
import json
import os
import random
import re
import signal
import socket
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.daemon import free_port
from tests.running_app import Mouth, a_daemon, a_mouth, config, rules


def ends(port, mouth, *names, **more):
    """An ear on ``port`` and one mouth for each name."""
    return {
        "ear": {"listen_port": port, "listen_path": "/in"},
        **{name: {"url": f"{mouth.url}/{name}", **more} for name in names},
    }


def test_a_message_is_planned_by_the_rules_that_are_there_when_it_comes(tmp_path):
    async def scenario():
        port = free_port()
        async with a_mouth() as mouth:
            files = config(tmp_path, ends(port, mouth, "a"))
            async with a_daemon(tmp_path, files, rules(("r", "ear", "a", "old {msg}"))) as daemon:
                await daemon.say("1", port=port)
                (tmp_path / "rules.json").write_text(rules(("r", "ear", "a", "new {msg}")))
                answer = await daemon.reload()
                await daemon.say("2", port=port)
                await daemon.until(lambda: len(mouth.got) == 2)
                return answer, mouth.texts

    answer, texts = asyncio.run(scenario())
    assert (True, 2) == (answer["ok"], answer["generation"])
    assert ["r"] == answer["difference"]["rules_changed"]
    assert ["old 1", "new 2"] == texts


def test_a_changed_file_is_taken_once_it_has_settled(tmp_path):
    """Nobody types a command; a half-written file is not read twice for nothing."""

    async def scenario():
        port = free_port()
        async with a_mouth() as mouth:
            files = config(tmp_path, ends(port, mouth, "a"))
            async with a_daemon(tmp_path, files, rules(("r", "ear", "a", "old"))) as daemon:
                (tmp_path / "rules.json").write_text(rules(("s", "ear", "a", "new")))

                async def taken():
                    return (await daemon.status())["generation"] == 2

                await daemon.until(taken)
                status = await daemon.status()
                return status["last_reload"]["asked_by"], [rule["id"] for rule in status["rules"]]

    assert ("file change", ["s"]) == asyncio.run(scenario())


def test_sighup_reloads_at_once(tmp_path):
    async def scenario():
        port = free_port()
        async with a_mouth() as mouth:
            files = config(tmp_path, ends(port, mouth, "a"))
            async with a_daemon(tmp_path, files, rules(("r", "ear", "a", "old"))) as daemon:
                os.kill(os.getpid(), signal.SIGHUP)

                async def taken():
                    return (await daemon.status())["last_reload"]

                return (await daemon.until(taken))["asked_by"]

    assert "SIGHUP" == asyncio.run(scenario())


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("rules.json", '{"rules": [{"id": "x", "fro'),
        ("rules.json", '{"rules": [{"id": "x", "from": {"nobody": {}}, "to": {"a": {}}}]}'),
        ("config.json", '{"webhook": {"ear": {"listen_port": 0}}}'),
        ("config.json", ""),
    ],
    ids=["half-written", "unknown instance", "wrong config", "empty"],
)
def test_wrong_files_change_nothing_and_it_is_said_why(tmp_path, file, content):
    """Traffic goes on under the old files; status has the problems with their places."""

    async def scenario():
        port = free_port()
        async with a_mouth() as mouth:
            files = config(tmp_path, ends(port, mouth, "a"))
            async with a_daemon(tmp_path, files, rules(("r", "ear", "a", "old {msg}"))) as daemon:
                (tmp_path / file).write_text(content)
                answer = await daemon.reload()
                await daemon.say("1", port=port)
                await daemon.until(lambda: mouth.got)
                return answer, await daemon.status(), mouth.texts

    answer, status, texts = asyncio.run(scenario())
    assert (False, 1) == (answer["ok"], answer["generation"])
    assert answer["problems"]
    assert file in answer["report"]
    assert answer == status["last_reload"]
    assert ["old 1"] == texts
    assert "bad" in {concern["level"] for concern in status["concerns"]}


def test_a_port_that_is_taken_refuses_the_whole_reload(tmp_path):
    """Neither the rules nor the instances of those files are in force, and the way out is named."""

    async def scenario():
        port, taken = free_port(), free_port()
        blocker = await asyncio.start_server(lambda *_: None, "127.0.0.1", taken)
        async with a_mouth() as mouth, blocker:
            files = config(tmp_path, ends(port, mouth, "a"))
            async with a_daemon(tmp_path, files, rules(("r", "ear", "a", "old {msg}"))) as daemon:
                more = ends(port, mouth, "a") | {"second": {"listen_port": taken, "listen_path": "/in"}}
                (tmp_path / "config.json").write_text(config(tmp_path, more))
                (tmp_path / "rules.json").write_text(rules(("r", "ear", "a", "new {msg}")))
                answer = await daemon.reload()
                await daemon.say("1", port=port)
                await daemon.until(lambda: mouth.got)
                return answer["why"], str(taken), mouth.texts, (await daemon.status())["instances"]

    why, taken, texts, instances = asyncio.run(scenario())
    assert taken in why
    assert ["old 1"] == texts
    assert ["ear", "a"] == [one["id"] for one in instances]


def test_what_did_not_change_keeps_its_connections(tmp_path):
    """The driver of an untouched instance is the same object before and after, the other is not."""

    async def scenario():
        port = free_port()
        async with a_mouth() as mouth:
            both = ends(port, mouth, "a", "b")
            async with a_daemon(
                tmp_path, config(tmp_path, both), rules(("r", "ear", "ab", "{msg}"))
            ) as daemon:
                before = {id_: one.driver for id_, one in daemon.app.roster.running.items()}
                both["b"]["send_timeout"] = "7s"
                (tmp_path / "config.json").write_text(config(tmp_path, both))
                answer = await daemon.reload()
                after = {id_: one.driver for id_, one in daemon.app.roster.running.items()}
                same = [id_ for id_ in before if before[id_] is after[id_]]
                await daemon.say("1", port=port)
                await daemon.until(lambda: len(mouth.got) == 2)
                return answer["difference"]["instances_changed"], same

    assert (["b"], ["ear", "a"]) == asyncio.run(scenario())


def test_a_send_in_flight_ends_with_the_driver_that_began_it(tmp_path):
    """It is neither cancelled nor repeated; what waits behind it goes by the new settings."""

    async def scenario():
        port = free_port()
        async with a_mouth() as mouth:
            files = ends(port, mouth, "a")
            async with a_daemon(
                tmp_path, config(tmp_path, files), rules(("r", "ear", "a", "{msg}"))
            ) as daemon:
                mouth.hold.clear()
                await daemon.say("in flight", port=port)
                await daemon.until(lambda: mouth.inside)
                await daemon.say("behind", port=port)
                files["a"]["url"] = f"{mouth.url}/elsewhere"
                (tmp_path / "config.json").write_text(config(tmp_path, files))
                await daemon.reload()
                mouth.hold.set()
                await daemon.settled()
                return mouth.got

    assert [("/a", "in flight"), ("/elsewhere", "behind")] == asyncio.run(scenario())


def test_what_is_for_a_removed_instance_waits_until_it_comes_back(tmp_path):
    """Status says so meanwhile; nothing is lost, and the order is kept."""

    async def scenario():
        port = free_port()
        async with a_mouth() as mouth:
            files = ends(port, mouth, "a", "b")
            async with a_daemon(
                tmp_path, config(tmp_path, files), rules(("r", "ear", "ab", "{msg}"))
            ) as daemon:
                mouth.status = 503
                for n in range(3):
                    await daemon.say(f"{n}", port=port)
                await daemon.until(lambda: mouth.got == [])
                gone = ends(port, mouth, "a")
                (tmp_path / "config.json").write_text(config(tmp_path, gone))
                (tmp_path / "rules.json").write_text(rules(("r", "ear", "a", "{msg}")))
                removed = await daemon.reload()
                mouth.status = 200
                await daemon.until(lambda: len(mouth.got) == 3)
                meanwhile = await daemon.status()
                (tmp_path / "config.json").write_text(config(tmp_path, files))
                await daemon.reload()
                await daemon.settled()
                return removed, meanwhile, mouth.got, await daemon.status()

    removed, meanwhile, got, after = asyncio.run(scenario())
    states = {one["destination"]: (one["state"], one["waiting"]) for one in meanwhile["destinations"]}
    assert ["b"] == removed["difference"]["instances_removed"]
    assert ("removed", 3) == states["b/default"]
    assert {"ear": "running", "a": "running", "b": "removed"} == {
        one["id"]: one["state"] for one in meanwhile["instances"]
    }
    assert ["0", "1", "2"] == [text for path, text in got if path == "/b"]
    assert {"running"} == {one["state"] for one in after["instances"]}
    assert after["journal"]["ledger"]["balanced"]


def test_ports_open_and_close_with_their_instances(tmp_path):
    async def scenario():
        port, second = free_port(), free_port()
        async with a_mouth() as mouth:
            files = ends(port, mouth, "a")
            async with a_daemon(
                tmp_path, config(tmp_path, files), rules(("r", "ear", "a", "{msg}"))
            ) as daemon:
                files["ear"]["listen_port"] = second
                (tmp_path / "config.json").write_text(config(tmp_path, files))
                await daemon.reload()
                assert 200 == await daemon.say("moved", port=second)
                await daemon.until(lambda: mouth.got)

                async def closed():
                    try:
                        await daemon.say("nobody", port=port)
                    except OSError:
                        return True
                    return False

                await daemon.until(closed)
                return (await daemon.status())["ports"], second

    ports, second = asyncio.run(scenario())
    assert {str(second): second} == ports


def test_what_only_a_restart_changes_is_named(tmp_path):
    async def scenario():
        port = free_port()
        async with a_mouth() as mouth:
            files = ends(port, mouth, "a")
            made = rules(("r", "ear", "a", "{msg}"))
            async with a_daemon(tmp_path, config(tmp_path, files), made) as daemon:
                (tmp_path / "config.json").write_text(
                    config(
                        tmp_path,
                        files,
                        http={"host": "127.0.0.1", "max_body": "1KiB"},
                        journal={"max_waiting": 9000},
                    )
                )
                return await daemon.reload(dry=True), await daemon.reload()

    dry, taken = asyncio.run(scenario())
    needed = [each["difference"]["restart_needed"] for each in (dry, taken)]
    assert [["http", "journal"]] * 2 == [sorted(names) for names in needed]
    assert (1, 2) == (dry["generation"], taken["generation"])


def test_two_rules_that_say_the_same_are_no_difference(tmp_path):
    """Blank lines, the order of keys, another place in the file: nothing to report but the order."""

    async def scenario():
        port = free_port()
        async with a_mouth() as mouth:
            rule = {"id": "r", "from": {"ear": {}}, "to": {"a": {}}, "when": {"text_matches": "^a+$"}}
            other = {"id": "s", "from": {"ear": {}}, "to": {"a": {}}}
            before = json.dumps({"rules": [rule, other]})
            after = "\n\n" + json.dumps({"rules": [other, dict(reversed(rule.items()))]}, indent=2)
            async with a_daemon(tmp_path, config(tmp_path, ends(port, mouth, "a")), before) as daemon:
                (tmp_path / "rules.json").write_text("\n\n" + json.dumps({"rules": [rule, other]}))
                same = await daemon.reload(dry=True)
                (tmp_path / "rules.json").write_text(after)
                return same["difference"], (await daemon.reload(dry=True))["difference"]

    same, turned = asyncio.run(scenario())
    assert {"rules_moved": False, "restart_needed": []} == {
        key: same[key] for key in ("rules_moved", "restart_needed")
    }
    assert not any(same.values())
    assert {"rules_moved"} == {key for key, value in turned.items() if value}


SECONDS, EVERY, RATE = float(os.environ.get("RELOAD_SECONDS", "3")), 0.05, 100


@dataclass
class Files:
    """Versions of both files: whole ones name their number, in others something is broken."""

    folder: Path
    port: int
    mouth: Mouth
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    def whole(self, n):
        names = ("a", "b") if n % 3 else ("a", "b", "c")
        instances = ends(self.port, self.mouth, *names, send_timeout=f"{10 + n % 2}s")
        return config(self.folder, instances), rules(("r", "ear", "ab", f"{n} {{msg}}"))

    def broken(self, n):
        """Well-formed and wrong at one place, or cut off somewhere."""
        if self.chance.random() < 0.5:
            return self.whole(n)[0], rules(("r", "ear", "ax", "BROKEN {msg}"))
        files = [self.whole(n)[0], rules(("r", "ear", "ab", "BROKEN {msg}"))]
        cut = self.chance.randrange(2)
        files[cut] = files[cut][: self.chance.randrange(len(files[cut]))]
        return files

    def write(self, texts):
        for name, text in zip(("config.json", "rules.json"), texts, strict=True):
            (self.folder / name).write_text(text)


async def talk(daemon, port, end):
    """Say something until ``end``; what was answered with 200."""
    accepted = []
    while asyncio.get_running_loop().time() < end:
        text = f"m{len(daemon.answers)}"
        if await daemon.say(text, port=port) == 200:
            accepted.append(text)
        await asyncio.sleep(1 / RATE)
    return accepted


async def turn(daemon, files, end):
    """Reload until ``end``, whole and broken files in turn; how many of each."""
    outcomes = []
    while asyncio.get_running_loop().time() < end:
        n = len(outcomes) + 1
        good = n % 2 == 0
        files.write(files.whole(n) if good else files.broken(n))
        answer = await daemon.reload()
        assert good == answer["ok"], answer
        outcomes.append(good)
        await asyncio.sleep(EVERY)
    return outcomes


def test_reloads_under_load_lose_nothing_and_mix_nothing(tmp_path):
    """
    100 messages a second, and a reload every 50 ms, half of them of broken or half-written files,
    with instances that change, go and come back: everything that was answered with 200 arrives at
    both ends, under one and the same generation, and nothing of a broken file does.
    """

    async def scenario():
        port = free_port()
        async with a_mouth() as mouth:
            files = Files(tmp_path, port, mouth)
            async with a_daemon(tmp_path, *files.whole(0)) as daemon:
                end = asyncio.get_running_loop().time() + SECONDS
                async with asyncio.TaskGroup() as both:
                    talking = both.create_task(talk(daemon, port, end))
                    turning = both.create_task(turn(daemon, files, end))
                await daemon.settled()
                status = await daemon.status()
                return talking.result(), turning.result(), mouth.texts, daemon.answers, status

    accepted, outcomes, texts, answers, status = asyncio.run(scenario())
    under = defaultdict(set)
    for text in texts:
        generation, _, said = text.partition(" ")
        under[said].add(generation)
    assert {200} == set(answers)
    assert len(outcomes) >= 10
    assert all(len(generations) == 1 for generations in under.values())
    assert sorted(accepted * 2) == sorted(text.partition(" ")[2] for text in texts)
    assert "BROKEN" not in "".join(texts)
    assert status["journal"]["ledger"]["balanced"]
    assert len(accepted) * 2 == status["journal"]["ledger"]["by_status"]["sent"]


def test_a_reload_in_its_midst_does_not_keep_the_daemon_from_stopping(tmp_path):
    """SIGTERM while an old driver still sends: it ends within its ten seconds, nothing is lost."""

    async def scenario():
        port = free_port()
        async with a_mouth() as mouth:
            files = ends(port, mouth, "a")
            loop = asyncio.get_running_loop()
            async with a_daemon(
                tmp_path, config(tmp_path, files), rules(("r", "ear", "a", "{msg}"))
            ) as daemon:
                mouth.hold.clear()
                await daemon.say("in flight", port=port)
                await daemon.until(lambda: mouth.inside)
                files["a"]["send_timeout"] = "60s"
                (tmp_path / "config.json").write_text(config(tmp_path, files))
                await daemon.reload()
                loop.call_later(0.3, mouth.hold.set)
                began = loop.time()
            return loop.time() - began, mouth.texts

    took, texts = asyncio.run(scenario())
    assert took < 5
    assert ["in flight"] == texts


def test_the_supervisor_is_told_of_a_reload(tmp_path):
    """RELOADING with the time that systemd wants, and READY when it is over, whatever came of it."""

    async def scenario():
        port = free_port()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
            supervisor.bind(str(tmp_path / "notify"))
            supervisor.setblocking(False)
            async with a_mouth() as mouth:
                files = config(tmp_path, ends(port, mouth, "a"))
                made = rules(("r", "ear", "a", "{msg}"))
                environ = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
                async with a_daemon(tmp_path, files, made, environ=environ) as daemon:
                    await daemon.reload(dry=True)
                    (tmp_path / "rules.json").write_text("{")
                    await daemon.reload()
            told = []
            while True:
                try:
                    told.append(supervisor.recv(1024).decode())
                except BlockingIOError:
                    return [one for one in told if "WATCHDOG" not in one]

    ready, reloading, again, stopping = asyncio.run(scenario())
    assert ("READY=1", "READY=1", "STOPPING=1") == (ready, again, stopping)
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", reloading)
