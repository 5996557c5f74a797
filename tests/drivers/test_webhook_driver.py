"""The webhook driver over real sockets, and the examples of its README."""

import asyncio
import json
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import standardwebhooks
from aiohttp import web

from bridge.clock import SystemClock
from bridge.driver import Toolbox, Webhook
from bridge.errors import Broken, IngressError
from bridge.model import (
    Attachment,
    AttachmentKind,
    Envelope,
    InboundRequest,
    InstanceId,
    Outgoing,
)
from drivers.webhook import DRIVER
from drivers.webhook.driver import WebhookDriver
from tests.builders import a_sender, an_outgoing
from tests.clock import FakeClock

README = (Path(__file__).parents[2] / "drivers/webhook/README.md").read_text(encoding="utf-8")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HOOK = InstanceId("hook")


class Receiver:
    """A stranger's server: remembers what it got, verifies like one, answers what it was told."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.envelopes: list[Envelope] = []
        self.driver: WebhookDriver | None = None
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append((request.method, dict(request.headers), body))
        if self.driver is None:
            return web.json_response({"id": "theirs-7"})
        inbound_request = InboundRequest(
            request.method,
            request.path,
            request.query,
            request.headers,
            body,
            "127.0.0.1",
            datetime.now(UTC),
        )
        try:
            self.driver.verify(inbound_request)
            inbound = self.driver.normalize(inbound_request)
        except IngressError as e:
            return web.Response(status=e.status, text=str(e))
        self.envelopes.extend(inbound.envelopes)
        reply = self.driver.reply(inbound_request, inbound, now=datetime.now(UTC), nonce="")
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/webhook", receiver.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhook"
        yield receiver
    finally:
        await runner.cleanup()


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[WebhookDriver]:
    async with (
        aiohttp.ClientSession() as http,
        DRIVER.open(HOOK, settings, Toolbox(http, SystemClock())) as driver,
    ):
        assert isinstance(driver, WebhookDriver)
        yield driver


EVERYTHING: Outgoing = an_outgoing(
    "Ada: 你好",
    key="d1:1",
    sender=a_sender("Ada"),
    attachments=(Attachment(AttachmentKind.IMAGE, url="https://example.com/a.png"),),
)


def test_a_post_is_signed_for_the_official_library() -> None:
    """
    What arrives verifies, carries our idempotency key and the operator's headers, and is JSON.
    """

    async def scenario() -> None:
        async with (
            receiving() as receiver,
            opened(
                url=receiver.url, secret=SECRET, method="PUT", headers={"Authorization": "Bearer x"}
            ) as driver,
        ):
            receipt = await driver.send(EVERYTHING)

        ((method, headers, body),) = receiver.requests
        said = standardwebhooks.Webhook(SECRET).verify(body, headers)
        assert "theirs-7" == receipt.message_id
        assert "PUT" == method
        assert "d1:1" == headers["webhook-id"] == said["id"]
        assert "Bearer x" == headers["Authorization"]
        assert "application/json" == headers["Content-Type"]
        assert "Ada: 你好" == said["text"]

    asyncio.run(scenario())


def test_an_attempt_is_signed_for_its_own_time() -> None:
    """
    The id stays, the timestamp is that of the attempt: a late retry is not refused as stale.
    """

    async def scenario() -> None:
        async with receiving() as receiver, aiohttp.ClientSession() as http:
            clock = FakeClock()
            settings = {"url": receiver.url, "secret": SECRET}
            async with DRIVER.open(HOOK, settings, Toolbox(http, clock)) as driver:
                await driver.send(EVERYTHING)
                clock.advance(3600)
                await driver.send(EVERYTHING)

        first, second = (headers for _, headers, _ in receiver.requests)
        assert first["webhook-id"] == second["webhook-id"]
        assert 3600 == int(second["webhook-timestamp"]) - int(first["webhook-timestamp"])

    asyncio.run(scenario())


def test_without_a_secret_nothing_is_signed_but_the_id_is_there() -> None:
    """
    A receiver can still drop what it knows already.
    """

    async def scenario() -> None:
        async with receiving() as receiver, opened(url=receiver.url) as driver:
            await driver.send(EVERYTHING)

        ((_, headers, _),) = receiver.requests
        assert "d1:1" == headers["webhook-id"]
        assert "webhook-signature" not in headers

    asyncio.run(scenario())


def test_an_instance_that_only_receives_holds_what_it_is_to_send() -> None:
    """
    A rule that names it is the operator's mistake, and loses nothing.
    """

    async def scenario() -> None:
        async with opened(listen_port=8083, secret=SECRET) as driver:
            assert isinstance(driver, Webhook)
            with pytest.raises(Broken, match="no url"):
                await driver.send(EVERYTHING)

    asyncio.run(scenario())


def test_a_probe_says_what_is_wrong_and_posts_nothing() -> None:
    """
    An address that answers is fine, whatever it answers; a missing secret is always said.
    """

    async def scenario() -> None:
        async with receiving() as receiver:
            async with opened(url=receiver.url, secret=SECRET) as driver:
                assert [True] == [finding.ok for finding in await driver.probe()]
            async with opened(url=f"{receiver.url}/gone") as driver:
                assert [False, False] == [finding.ok for finding in await driver.probe()]
        async with opened(url=receiver.url, secret=SECRET) as driver:
            assert [False] == [finding.ok for finding in await driver.probe()]
        assert ["HEAD"] == [method for method, _, _ in receiver.requests]

    asyncio.run(scenario())


def example(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found, f"drivers/webhook/README.md has no {language} example"
    return found[1]


async def run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert 0 == process.returncode, err.decode()
    return out.decode()


def test_the_python_example_posts_into_the_bridge() -> None:
    """
    Six lines, copied from the README, are verified and understood.
    """

    async def scenario() -> None:
        async with receiving() as receiver, opened(listen_port=1, secret=SECRET) as driver:
            receiver.driver = driver
            script = example("python").replace("http://127.0.0.1:8083/webhook", receiver.url)
            answer = await run(sys.executable, "-c", script)

        assert {"accepted": True, "id": "build-512"} == json.loads(answer)
        (envelope,) = receiver.envelopes
        assert "It failed" == envelope.message.text

    assert 6 == len([line for line in example("python").splitlines() if line])
    asyncio.run(scenario())


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("openssl")), reason="needs curl and openssl"
)
def test_the_shell_example_posts_into_the_bridge() -> None:
    """
    With a secret in plain text, as the README says.
    """

    async def scenario() -> None:
        async with receiving() as receiver, opened(listen_port=1, secret="any text you like") as driver:
            receiver.driver = driver
            await run("sh", "-c", example("sh").replace("http://127.0.0.1:8083/webhook", receiver.url))

        (envelope,) = receiver.envelopes
        assert "Backup done" == envelope.message.text
        assert envelope.id.startswith("backup-")

    asyncio.run(scenario())


def test_the_documented_body_is_what_we_send() -> None:
    """
    The README's example has the same keys as a real post, down to the attachments.
    """
    documented = json.loads(README.split("Every message is one request")[1].split("```")[1][5:])

    async def scenario() -> None:
        async with receiving() as receiver, opened(url=receiver.url) as driver:
            await driver.send(EVERYTHING)

        ((_, _, body),) = receiver.requests
        sent = json.loads(body)
        assert list(documented) == list(sent)
        assert list(documented["sender"]) == list(sent["sender"])
        assert list(documented["attachments"][0]) == list(sent["attachments"][0])

    asyncio.run(scenario())
