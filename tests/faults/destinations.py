"""
Many accounts whose platforms fail at the same time, each in its own way, beside others that are well.

Every failing account has a line of its own to the platform, and one conversation. It gets a message
before its trouble, two during it, and one after it.
"""

import asyncio
import json
import os
import re
import signal
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.bridge_files import Bridge
from bench.callbacks import ROBOT_CODE, destination, source
from bench.ports import free_port
from bench.wire import get
from tests.faults.answers import TAKEN, Said
from tests.faults.authority import self_signed
from tests.faults.cases import CASES, SHORT_CASES, Case, Dns, Driver, Remedy, Tls
from tests.faults.chaos import Chaos, Trouble, chaos
from tests.faults.daemon import Daemon
from tests.faults.latency import Resident, latency, own_lag, too_slow
from tests.faults.platform import Call, Platform, Post
from tests.faults.scenarios import LONG, Length, Scenario
from tests.faults.senders import Sender
from tests.faults.stage import Result, Stage, running

_OTHERS = 8
_FIRST = 100
_SEND_TIMEOUT = 1.5
_MET_WITHIN = 15.0
_ATTEMPTS_A_SECOND = 1.5
"""More than this of one account is a storm: the schedule's waits are 1, 2 and 5 s."""

_HOOK = "/hook"
_NOWHERE = "a." * 126 + "invalid"
"""Longer than a name may be, by 6 bytes: the resolver says no without asking anybody."""


@dataclass(slots=True)
class Destinations(Platform):
    """``meets`` by conversation, while there is trouble; ``asked`` counts messages of each."""

    meets: dict[str, Case] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def receive(self, call: Call, target: str, body: bytes) -> None:
        """One request."""
        message = json.loads(body)
        if target == _HOOK:
            conversation, text = message["conversation"], message["text"]
        elif "msgParam" in message:
            conversation = message["openConversationId"]
            text = json.loads(message["msgParam"])["content"]
        else:
            Platform.receive(self, call, target, body)
            return
        self.asked[conversation] += 1
        case = self.meets.get(conversation)
        if case is None or not isinstance(case.meets, Said):
            self.take(call, conversation, text, TAKEN)
            return
        said = case.meets
        if said.taken:
            self.posts.append(Post(time.monotonic(), conversation, text))
            self.texts.add(text)
            self.swallowed[conversation] += bool(case.kinds)
        _say(call, said)


def _say(call: Call, said: Said) -> None:
    call.transport.write(said.written())
    if said.hangs_up:
        call.transport.close()
    if said.later:
        asyncio.get_running_loop().call_later(0.3, call.answer, said.later)
    if said.endless:
        _say_for_ever(call, said.endless)


def _say_for_ever(call: Call, chunk: bytes) -> None:
    if not call.transport.is_closing():
        call.transport.write(chunk)
        asyncio.get_running_loop().call_later(0.005, _say_for_ever, call, chunk)


@dataclass(slots=True)
class Account:
    """One case, played: the instance that meets it, its group's number, its line, who writes to it."""

    case: Case
    number: int
    line: Chaos
    sender: Sender
    asked: int = 0

    @property
    def instance(self) -> str:
        return f"case-{self.number}"

    @property
    def group(self) -> str:
        return destination(self.number)

    def settings(self, *, mended: bool = False) -> Mapping[str, Any]:
        """Its own keys in config.json."""
        scheme = "https" if isinstance(self.case.meets, Tls) else "http"
        host = "127.0.0.1" if mended or not isinstance(self.case.meets, Dns) else _NOWHERE
        scheme = "https" if host == _NOWHERE else scheme
        url = f"{scheme}://{host}:{self.line.port}"
        limit = {"send_timeout": f"{_SEND_TIMEOUT:g}s"}
        if self.case.driver is Driver.WEBHOOK:
            return {"url": url + _HOOK, "secret": "hook-secret-0123456789", **limit}
        return {
            "app_key": f"dingfault{self.number}",
            "app_secret": f"fault-app-secret-{self.number}-0123456789",
            "robot_code": ROBOT_CODE,
            "api_base_url": url,
            "receive": "none",
            **limit,
        }

    @property
    def address(self) -> Mapping[str, str]:
        key = "conversation" if self.case.driver is Driver.WEBHOOK else "open_conversation_id"
        return {key: self.group}


@dataclass(slots=True)
class Ports:
    """
    Where the platform listens: in the clear, with a certificate that is trusted, with another. At
    ``refuses`` is a server that knows no TLS, and says so.
    """

    plain: int
    trusted: int
    unknown: int
    refuses: int

    def target(self, trouble: Tls) -> int:
        """What is met there instead of the certificate that is trusted."""
        match trouble:
            case Tls.PLAIN:
                return self.refuses
            case Tls.SILENT:
                return self.plain
            case Tls.UNKNOWN:
                return self.unknown


async def destinations_fail(directory: Path, length: Length) -> Result:
    """Every way in which a platform can fail, at once, beside accounts that are well."""
    cases = [one for one in CASES if length is LONG or one.name in SHORT_CASES]
    platform = Destinations(free_port())
    async with _set_up(directory, platform, cases) as (stage, accounts, written, ports):
        started = [one for one in accounts if not isinstance(one.case.meets, Dns)]
        await _write(started, 1)
        before = await stage.until_taken(_texts(stage, accounts), seconds=10.0)
        stage.expect(before, "not everything arrived before the trouble began")
        async with own_lag() as lag, stage.load(pause=0.05):
            await asyncio.sleep(2.0 if length is LONG else 0.5)
            calm = time.monotonic()
            await _begin(platform, accounts, ports)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_write([a for a in accounts if a.case.remedy is Remedy.REPLAY], 1))
                tasks.create_task(_write([a for a in accounts if a.case.remedy is not Remedy.REPLAY], 2))
            await _until_met(stage, accounts)
            await asyncio.sleep(4.0 if length is LONG else 0.5)
            complaints = list(await _misjudged(stage, accounts, time.monotonic() - calm))
            over = time.monotonic()
            await _end(stage, accounts, ports)
            await _write(accounts, 1)
        for account in accounts:
            platform.swallowed[account.group] += account.line.halved
        result = await stage.curtain(f"{len(accounts)} troubles at once")
    complaints += [
        f"{_named(account)}: {len(missing)} messages never arrived"
        for account in accounts
        if (missing := _texts(stage, [account]) - platform.texts)
    ]
    quiet = latency(written, platform, until=calm)
    meanwhile = latency(written, platform, since=calm, until=over)
    complaints += too_slow(meanwhile, quiet, lag)
    notes = (
        f"{platform.turned_away + sum(platform.asked.values())} sends; others before {quiet}, "
        f"meanwhile {meanwhile} ({lag}); {platform.swallowed.total()} answers lost"
    )
    return replace(result, complaints=(*complaints, *result.complaints), notes=notes)


def _texts(stage: Stage, accounts: Sequence[Account]) -> set[str]:
    groups = {account.group for account in accounts}
    return {sent.text for sent in stage.ledger.values() if sent.answered and sent.conversation in groups}


async def _write(accounts: Sequence[Account], count: int) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for account in accounts:
            tasks.create_task(account.sender.write(stop, count=count))


async def _begin(platform: Destinations, accounts: Sequence[Account], ports: Ports) -> None:
    for account in accounts:
        account.asked = platform.asked[account.group]
        match account.case.meets:
            case Trouble() as trouble:
                await account.line.become(trouble)
            case Tls() as trouble:
                await account.line.become(Trouble.NONE, target=ports.target(trouble))
            case Said():
                platform.meets[account.group] = account.case


async def _until_met(stage: Stage, accounts: Sequence[Account]) -> None:
    """Every account that shall fail has failed; every other has got what was written."""
    deadline = time.monotonic() + _MET_WITHIN
    waiting = [account for account in accounts if account.case.kinds]
    while waiting and time.monotonic() < deadline:
        failed = await _failures(stage.daemon.bridge.status_port)
        waiting = [account for account in waiting if not failed[account.instance]]
        await asyncio.sleep(0.1)
    for account in waiting:
        stage.expect(False, f"{_named(account)}: no failure within {_MET_WITHIN:g} s")


async def _failures(port: int) -> Mapping[str, Counter[str]]:
    """Failed attempts by instance and kind, from the daemon's own metrics."""
    _, page = await get(port, "/metrics")
    failed: dict[str, Counter[str]] = defaultdict(Counter)
    pattern = r'msgbridge_attempts_failed_total\{instance="([^"]+)",kind="(\w+)"\} ([\d.]+)'
    for instance, kind, count in re.findall(pattern, page.decode()):
        if float(count):
            failed[instance][kind] += int(float(count))
    return failed


async def _misjudged(stage: Stage, accounts: Sequence[Account], lasted: float) -> list[str]:
    """What the daemon made of a trouble and should not have, by its metrics and its log."""
    failed = await _failures(stage.daemon.bridge.status_port)
    told = _told(stage.daemon.bridge.log)
    return [
        f"{_named(account)}: {complaint}"
        for account in accounts
        for complaint in _complaints(account, failed[account.instance], told, lasted)
    ]


def _complaints(
    account: Account, failed: Counter[str], told: Sequence[Mapping[str, Any]], lasted: float
) -> Iterator[str]:
    case = account.case
    wanted = set(case.kinds.split())
    if not set(failed) <= wanted or (wanted and not failed):
        yield f"taken for {dict(failed)}, not for {case.kinds or 'a success'}"
    most = 2 + _ATTEMPTS_A_SECOND * lasted
    if failed.total() > most:
        yield f"{failed.total()} attempts in {lasted:.0f} s are a storm"
    about = [
        one for one in told if account.instance in (one.get("instance"), str(one.get("to")).split("/")[0])
    ]
    if wanted and case.remedy is not Remedy.REPLAY:
        first = next((one for one in about if "reason" in one), {})
        if first.get("reason") != case.reason:
            yield f"said to be {first.get('reason')!r}, not {case.reason!r}: {first.get('why')}"
        if case.wait is not None and not case.wait[0] <= first.get("wait", -1) <= case.wait[1]:
            yield f"waits {first.get('wait')} s, not {case.wait}"
    if bugs := [one for one in about if one.get("reason") == "bug" or "exception" in one]:
        yield f"a bug of ours: {bugs[0]}"


def _told(log: Path) -> list[Mapping[str, Any]]:
    lines = log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def _named(account: Account) -> str:
    return f"{account.case.driver}, {account.case.name}"


async def _end(stage: Stage, accounts: Sequence[Account], ports: Ports) -> None:
    """The trouble is over everywhere; then the operator's turn."""
    platform, bridge = stage.platform, stage.daemon.bridge
    assert isinstance(platform, Destinations)
    platform.meets.clear()
    for account in accounts:
        if isinstance(account.case.meets, Tls):
            await account.line.become(Trouble.NONE, target=ports.trusted)
        elif isinstance(account.case.meets, Trouble):
            await account.line.become(Trouble.NONE)
    for account in accounts:
        match account.case.remedy:
            case Remedy.RESUME:
                await ask(bridge, "resume", instance=account.instance)
            case Remedy.PAUSE:
                await ask(bridge, "pause", instance=account.instance)
                await ask(bridge, "resume", instance=account.instance)
            case Remedy.REPLAY:
                await ask(bridge, "replay", choice={"instance": account.instance})
            case Remedy.MEND:
                _mend(bridge, account)
                assert stage.daemon.process is not None
                os.kill(stage.daemon.process.pid, signal.SIGHUP)


async def ask(bridge: Bridge, verb: str, **wanted: Any) -> Mapping[str, Any]:
    """What an operator asks the daemon. Raises `RuntimeError` when it says no."""
    async with asyncio.timeout(10.0):
        reader, writer = await asyncio.open_unix_connection(bridge.directory / "data" / "control.sock")
        try:
            writer.write(json.dumps({"verb": verb, "args": {"lang": "en", **wanted}}).encode() + b"\n")
            async for line in reader:
                answer: dict[str, Any] = json.loads(line)
                if "error" in answer:
                    raise RuntimeError(f"{verb}: {answer['error']}")
                if "result" in answer:
                    return answer
        finally:
            writer.close()
    raise RuntimeError(f"{verb}: no answer")


def _mend(bridge: Bridge, account: Account) -> None:
    file = bridge.directory / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config[account.case.driver][account.instance] = account.settings(mended=True)
    file.write_text(json.dumps(config), encoding="utf-8")


def _free_ports(taken: set[int]) -> Iterator[int]:
    """Ports that are free, and not meant for somebody who does not listen yet."""
    while True:
        port = free_port()
        if port not in taken:
            taken.add(port)
            yield port


@asynccontextmanager
async def _set_up(
    directory: Path, platform: Destinations, cases: Sequence[Case]
) -> AsyncIterator[tuple[Stage, list[Account], dict[str, float], Ports]]:
    bridge = Bridge(directory, free_port(), free_port())
    bridge.write(sink_port=platform.port, pairs=[(n, n) for n in range(_OTHERS)])
    stage = Stage(platform, Daemon(bridge))
    written: dict[str, float] = {}
    listen = bridge.listen_port
    stage.senders = [
        Resident(n, listen, stage.ledger, stubborn=True, written=written) for n in range(_OTHERS)
    ]
    free = _free_ports({platform.port, bridge.listen_port, bridge.status_port})
    ports = Ports(platform.port, next(free), next(free), next(free))
    async with AsyncExitStack() as stack:
        trusted = await _tls(stack, directory, platform, ports)
        accounts = []
        for number, case in enumerate(cases, _FIRST):
            target = ports.trusted if isinstance(case.meets, Tls) else ports.plain
            line = await stack.enter_async_context(chaos(next(free), target))
            sender = Sender(number, listen, stage.ledger, stubborn=True)
            accounts.append(Account(case, number, line, sender))
        _write_accounts(directory, accounts)
        before = os.environ.get("SSL_CERT_FILE")
        os.environ["SSL_CERT_FILE"] = str(trusted)
        try:
            async with running(stage):
                yield stage, accounts, written, ports
        finally:
            del os.environ["SSL_CERT_FILE"]
            if before is not None:
                os.environ["SSL_CERT_FILE"] = before


async def _tls(stack: AsyncExitStack, directory: Path, platform: Platform, ports: Ports) -> Path:
    """The platform listens with TLS too; the certificate that the daemon shall trust."""
    loop = asyncio.get_running_loop()
    trusted, good = self_signed(directory, "trusted")
    _, bad = self_signed(directory, "unknown")
    for port, context in ((ports.trusted, good), (ports.unknown, bad)):
        server = await loop.create_server(lambda: Call(platform), "127.0.0.1", port, ssl=context)
        stack.callback(server.close)
    no_tls = await asyncio.start_server(_knows_no_tls, "127.0.0.1", ports.refuses)
    stack.callback(no_tls.close)
    return trusted


async def _knows_no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    writer.close()


def _write_accounts(directory: Path, accounts: Sequence[Account]) -> None:
    config_file, rules_file = directory / "config.json", directory / "rules.json"
    config = json.loads(config_file.read_text(encoding="utf-8"))
    rules = json.loads(rules_file.read_text(encoding="utf-8"))
    for account in accounts:
        config.setdefault(account.case.driver, {})[account.instance] = account.settings()
        rules["rules"].append(
            {
                "id": account.instance,
                "type": "forward",
                "from": {"src": {"open_conversation_id": source(account.number)}},
                "to": {account.instance: account.address},
                "msg": {"msg_format": "{msg}"},
            }
        )
    config_file.write_text(json.dumps(config), encoding="utf-8")
    rules_file.write_text(json.dumps(rules), encoding="utf-8")


LONG_ONLY: dict[str, Scenario] = {"destinations": destinations_fail}
