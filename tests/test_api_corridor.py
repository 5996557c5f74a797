"""The status page and the HTTP API of a whole daemon: from a program's request to a platform's door."""

import asyncio
import json
from contextlib import asynccontextmanager

from bridge.journal.codec import delivery_id
from tests.api_client import ApiClient
from tests.builders import a_place
from tests.daemon import free_port
from tests.running_app import a_daemon, a_mouth, config, rules

TOKEN = "a-token-for-everything"
SCOPES = ["send", "read", "operate"]


class Asking:
    """The status server of a daemon, as `ApiClient` wants it."""

    def __init__(self, daemon, port):
        self.session = daemon.session
        self.url = f"http://127.0.0.1:{daemon.app.ports[port]}"

    async def ask(self, method, path, *, token=None, **more):
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
        async with self.session.request(method, self.url + path, headers=headers, **more) as response:
            await response.read()
            return response


@asynccontextmanager
async def an_api(folder, tokens=None):
    """A daemon, its API, and the mouth that it posts to."""
    port = free_port()
    async with a_mouth() as mouth:
        written = config(
            folder,
            {
                "ear": {"listen_port": free_port(), "listen_path": "/in"},
                "mouth": {"url": f"{mouth.url}/mouth"},
            },
            status={"port": port},
            api={"tokens": tokens or {"all": {"token": TOKEN, "scopes": SCOPES}}},
        )
        async with a_daemon(folder, written, rules(("all", "ear", ["mouth"], "{msg}"))) as daemon:
            asking = Asking(daemon, port)
            document = json.loads(await (await asking.ask("GET", "/api/openapi.json")).text())
            yield ApiClient(asking, document), daemon, mouth


def over_a_daemon(scenario, folder, **more):
    async def run():
        async with an_api(folder, **more) as (api, daemon, mouth):
            return await scenario(api, daemon, mouth)

    return asyncio.run(run())


async def ask(api, method, path, **more):
    return await api.ask(method, path, token=TOKEN, **more)


LETTER = {"to": {"mouth": {}}, "text": "build 7 is out"}


def test_a_letter_goes_out_and_its_outcome_is_told(tmp_path):
    """Through the journal and a lane, like any message; the same key again goes out once."""

    async def scenario(api, daemon, mouth):
        key = {"Idempotency-Key": "build-7"}
        for _ in range(3):
            status, headers, _ = await ask(api, "POST", "/api/messages", json=LETTER, headers=key)
            assert 202 == status

        async def sent():
            return (await ask(api, "GET", headers["Location"]))[2]["status"] == "sent"

        await daemon.until(sent)
        assert ["build 7 is out"] == mouth.texts
        other = {**LETTER, "text": "build 8 is out"}
        assert 409 == (await ask(api, "POST", "/api/messages", json=other, headers=key))[0]

    over_a_daemon(scenario, tmp_path)


def test_what_was_sent_is_changed_and_taken_back(tmp_path):
    """A webhook can do neither: the new text is said, or skipped with a reason, but never lost."""

    async def scenario(api, daemon, mouth):
        _, headers, _ = await ask(api, "POST", "/api/messages", json=LETTER)
        await daemon.settled()
        for method, more in (("PATCH", {"json": {"text": "build 8"}}), ("DELETE", {})):
            status, later, _ = await ask(api, method, headers["Location"], **more)
            assert 202 == status
            await daemon.settled()
            outcome = (await ask(api, "GET", later["Location"]))[2]
            assert outcome["status"] in ("sent", "skipped")
        assert any("build 8" in text for text in mouth.texts)

    over_a_daemon(scenario, tmp_path)


def test_what_people_said_is_not_a_programs_to_change(tmp_path):
    """A token for sending does not rewrite what the bridge relayed."""

    async def scenario(api, daemon, mouth):
        port = next(
            port for port, real in daemon.app.ports.items() if not api.server.url.endswith(f":{real}")
        )
        assert 200 == await daemon.say("hello", port=port)
        await daemon.settled()
        relayed = delivery_id("ear", "m1", a_place("mouth/default"))
        assert "sent" == (await ask(api, "GET", f"/api/deliveries/{relayed}"))[2]["status"]
        for method, more in (("PATCH", {"json": {"text": "forged"}}), ("DELETE", {})):
            status, _, problem = await ask(api, method, f"/api/deliveries/{relayed}", **more)
            assert (422, "urn:msgbridge:problem:unable") == (status, problem["type"])
        assert ["hello"] == mouth.texts

    over_a_daemon(scenario, tmp_path)


def test_a_paused_account_waits_and_its_queue_is_operated(tmp_path):
    """Paused, held, released, dropped, resumed: the books balance all the while."""

    async def scenario(api, daemon, mouth):
        assert 204 == (await ask(api, "POST", "/api/instances/mouth/pause"))[0]
        for number in range(3):
            await ask(api, "POST", "/api/messages", json={**LETTER, "text": f"letter {number}"})

        async def queue(status="waiting"):
            return [
                one["id"]
                for one in (await ask(api, "GET", f"/api/queue?status={status}"))[2]["deliveries"]
            ]

        first, second, third = await queue()
        assert 1 == (await ask(api, "POST", "/api/queue/hold", json={"ids": [first]}))[2]["count"]
        assert [first] == await queue("held")
        assert 1 == (await ask(api, "POST", "/api/queue/drop", json={"ids": [second]}))[2]["count"]
        assert [third] == await queue()
        assert 1 == (await ask(api, "POST", "/api/queue/release", json={"everything": True}))[2]["count"]
        assert [] == mouth.texts
        assert 204 == (await ask(api, "POST", "/api/instances/mouth/resume"))[0]
        await daemon.settled()
        assert {"letter 0", "letter 2"} == set(mouth.texts)

        state = (await ask(api, "GET", "/api/status"))[2]
        assert state["journal"]["ledger"]["balanced"]
        assert {"sent": 2, "dropped": 1} == {
            word: count for word, count in state["journal"]["ledger"]["by_status"].items() if count
        }

    over_a_daemon(scenario, tmp_path)


def test_dead_letters_are_tried_again_or_given_up(tmp_path):
    async def scenario(api, daemon, mouth):
        mouth.status = 400
        for number in range(2):
            await ask(api, "POST", "/api/messages", json={**LETTER, "text": f"letter {number}"})
        await daemon.settled()
        first, second = (await ask(api, "GET", "/api/dead"))[2]["deliveries"]
        assert 1 == (await ask(api, "POST", "/api/dead/drop", json={"ids": [first["id"]]}))[2]["count"]
        mouth.status = 200
        assert (
            1
            == (await ask(api, "POST", "/api/dead/replay", json={"reason": second["reason"]}))[2]["count"]
        )
        await daemon.settled()
        assert ["letter 1"] == mouth.texts

    over_a_daemon(scenario, tmp_path)


def test_a_reload_puts_new_tokens_in_force(tmp_path):
    """And a broken file is refused with its place, on the page too."""

    async def scenario(api, daemon, mouth):
        path = tmp_path / "config.json"
        good = path.read_text()
        path.write_text(good.replace('"mouth": {', '"mouth": {"ulr": 1, '))
        status, _, problem = await ask(api, "POST", "/api/reload")
        assert 422 == status
        wrong = [one for one in problem["problems"] if one["severity"] == "error"]
        assert ["E102"] == [one["code"] for one in wrong]
        page = await (await api.server.ask("GET", "/?lang=en", token=TOKEN)).text()
        assert "The last reload was refused" in page
        assert TOKEN not in page

        path.write_text(good.replace(TOKEN, "another-token-entirely"))
        assert 200 == (await ask(api, "POST", "/api/reload"))[0]
        assert 401 == (await ask(api, "GET", "/api/status"))[0]
        assert 200 == (await api.ask("GET", "/api/status", token="another-token-entirely"))[0]

    over_a_daemon(scenario, tmp_path)


def test_the_page_of_a_running_daemon_shows_its_routes_and_numbers(tmp_path):
    """What came in, what went out, by which rule, and the picture of it all."""

    async def scenario(api, daemon, mouth):
        port = next(
            port
            for port in daemon.app.ports
            if daemon.app.ports[port] != int(api.server.url.rpartition(":")[2])
        )
        assert 200 == await daemon.say("hello", port=port)
        await daemon.settled()
        page = await (await api.server.ask("GET", "/?lang=en", token=TOKEN)).text()
        assert '<svg xmlns="http://www.w3.org/2000/svg"' in page
        for shown in ("ear", "mouth", "rules.json", "<b>1</b> sent", "the books balance"):
            assert shown in page

    over_a_daemon(scenario, tmp_path)


def test_people_are_listed_where_the_platform_lets_us(tmp_path):
    """A webhook has none: the answer says so."""

    async def scenario(api, daemon, mouth):
        for listing in ("users", "conversations"):
            status, _, problem = await ask(api, "GET", f"/api/instances/mouth/{listing}")
            assert (422, "urn:msgbridge:problem:unable") == (status, problem["type"])

    over_a_daemon(scenario, tmp_path)
