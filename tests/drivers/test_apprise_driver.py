"""The Apprise driver with the real library, in front of receivers of its own kinds on loopback."""

import asyncio
import json
import logging
import subprocess
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bridge.errors import Broken, DeliveryError, Indeterminate, Refused, Transient
from bridge.model import Receipt, TextFormat
from tests.contract.servers import closed_port
from tests.drivers.apprise.receiving import (
    HOOK,
    LITTLE,
    SECRET,
    a_driver,
    a_mail_server,
    a_post,
    a_receiver,
)

ROOT = Path(__file__).parents[2]


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"apprise {HOOK}"]


def test_one_message_reaches_services_of_several_kinds() -> None:
    """
    Independent receivers read title and text out of Apprise's JSON, XML and form.
    """

    async def scenario() -> None:
        async with a_receiver() as receiver:
            urls = [f"{kind}://{receiver.authority}/{kind}" for kind in ("json", "xml", "form")]
            async with a_driver(*urls) as driver:
                receipt = await driver.send(a_post("Ada: <b>你好</b> & *all*", title="Team room"))

            assert Receipt() == receipt
            (_, _, as_json), (_, _, as_xml), (_, form, as_form) = receiver.posts
            said = json.loads(as_json)
            assert ("Team room", "Ada: <b>你好</b> & *all*") == (said["title"], said["message"])
            xml = {one.tag.rpartition("}")[2]: one.text for one in ET.fromstring(as_xml).iter()}
            assert ("Team room", "Ada: <b>你好</b> & *all*") == (xml["Subject"], xml["Message"])
            assert "application/x-www-form-urlencoded" == form
            assert b"title=Team+room" in as_form

    asyncio.run(scenario())


def test_each_service_gets_the_form_that_it_reads() -> None:
    """
    Apprise converts nothing: what it would make of Markdown or of typed marks is its own idea.
    """

    async def scenario() -> None:
        async with a_receiver() as receiver:
            urls = [
                f"json://{receiver.authority}/?format={form}" for form in ("text", "markdown", "html")
            ]
            async with a_driver(*urls) as driver:
                await driver.send(a_post("**bold** \\*typed\\*", format=TextFormat.MARKDOWN, key="d1:1"))
                await driver.send(a_post("*typed*", key="d2:1"))

            assert [
                "bold *typed*",
                "**bold** \\*typed\\*",
                "<p><strong>bold</strong> *typed*</p>",
                "*typed*",
                "\\*typed\\*",
                "<p>*typed*</p>",
            ] == [said["message"] for said in receiver.messages()]

    asyncio.run(scenario())


def test_a_retry_goes_only_where_the_message_is_not_yet() -> None:
    """
    One of two services fails; it alone gets the message again, and only under the same key.
    """

    async def scenario() -> None:
        async with a_receiver() as receiver:
            receiver.statuses["/b"] = 503
            urls = [f"json://{receiver.authority}/{name}" for name in "abc"]
            async with a_driver(*urls) as driver:
                with pytest.raises(Transient, match=r"2 of 3 services have it; JSON answers 503"):
                    await driver.send(a_post(key="d1:1"))
                receiver.statuses.clear()
                await driver.send(a_post(key="d1:1"))
                assert ["/a", "/b", "/c", "/b"] == receiver.paths()

                await driver.send(a_post(key="d1:2"))
                assert ["/a", "/b", "/c"] == receiver.paths()[4:]

    asyncio.run(scenario())


def test_a_lost_answer_that_comes_late_is_no_second_post() -> None:
    """
    The call goes on in its thread after we gave up; the next attempt knows what became of it.
    """

    async def scenario() -> None:
        async with a_receiver() as receiver:
            receiver.hold.clear()
            async with a_driver(f"json://{receiver.authority}/a", patience=LITTLE) as driver:
                with pytest.raises(Indeterminate, match="no answer in time"):
                    await driver.send(a_post())
                receiver.hold.set()
                for thread in threads():
                    await asyncio.to_thread(thread.join, 5)
                await driver.send(a_post())

            assert ["/a"] == receiver.paths()

    asyncio.run(scenario())


def test_a_call_that_hangs_keeps_one_thread_and_no_more() -> None:
    """
    What comes behind it waits for its turn, is told so, and begins no thread of its own.
    """

    async def scenario() -> None:
        async with a_receiver() as receiver:
            receiver.hold.clear()
            async with a_driver(f"json://{receiver.authority}/a", patience=LITTLE) as driver:
                with pytest.raises(Indeterminate):
                    await driver.send(a_post(key="d1:1"))
                for number in range(2, 4):
                    with pytest.raises(Transient) as caught:
                        await driver.send(a_post(key=f"d{number}:1"))
                    assert "still_busy" == caught.value.reason
                    assert 1 == len(threads())

            assert ["/a"] == receiver.paths()

    asyncio.run(scenario())


def test_the_end_of_the_process_waits_for_no_hanging_call() -> None:
    """
    The service would hang for a minute; the daemon has gone long before.
    """
    program = """if True:
    import asyncio, socket, aiohttp
    from bridge.clock import SystemClock
    from bridge.driver import Toolbox
    from bridge.errors import Indeterminate
    from drivers.apprise import DRIVER
    from tests.builders import an_outgoing

    async def main():
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"json://127.0.0.1:{silent.getsockname()[1]}/?rto=60"
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.1)) as http,
                DRIVER.open("pager", {"urls": [url]}, Toolbox(http, SystemClock())) as driver,
            ):
                try:
                    await driver.send(an_outgoing("hello"))
                except Indeterminate:
                    print("given up", flush=True)
            silent.detach()  # stays open for as long as the process lives

    asyncio.run(main())
    """

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )

    assert "given up\n" == done.stdout
    assert "" == done.stderr


class Everything(logging.Handler):
    """A root handler that keeps all records as text."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(f"{record.name}: {record.getMessage()}")


@pytest.mark.parametrize("behaviour", ["down", "garbage", "bad headers", "no"])
def test_no_log_and_no_error_shows_what_is_in_a_url(
    behaviour: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """
    Apprise and the libraries below it log URLs and texts, some even as warnings; none of it gets out.
    """
    answers = {
        "garbage": b"\x00 what is HTTP?\r\n\r\n",
        "bad headers": b"HTTP/1.1 500 No\r\nno colon here\r\nContent-Length: 0\r\n\r\n",
        "no": f"HTTP/1.1 400 {SECRET}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode(),
    }

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers[behaviour])
        writer.close()

    async def scenario() -> str:
        with closed_port() as closed:
            async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
                port = closed if behaviour == "down" else server.sockets[0].getsockname()[1]
                url = f"json://ada:{SECRET}@127.0.0.1:{port}/{SECRET}?+X={SECRET}&-token={SECRET}"
                async with a_driver(url) as driver:
                    with pytest.raises((Transient, Indeterminate, Refused)) as caught:
                        await driver.send(a_post(f"a text with {SECRET}"))
                    findings = await driver.probe()
                    return f"{caught.value!r} {caught.value.__cause__} {driver!r} {findings!r}"

    root, everything = logging.getLogger(), Everything()
    level = root.level
    root.addHandler(everything)
    root.setLevel(logging.NOTSET)
    try:
        said = asyncio.run(scenario())
    finally:
        root.removeHandler(everything)
        root.setLevel(level)

    out, err = capfd.readouterr()
    assert SECRET not in "\n".join((said, out, err, *everything.said))


def test_a_message_without_text_is_refused() -> None:
    """
    Apprise would call it a failure like any other, and it would be tried for a day.
    """

    async def scenario() -> None:
        async with a_driver("json://127.0.0.1:9/") as driver:
            with pytest.raises(Refused, match="no text"):
                await driver.send(a_post(" \n"))

    asyncio.run(scenario())


def test_a_mail_arrives_as_it_was_written() -> None:
    """
    The title is its subject, and what looks like a mention stays as it is: mails ping nobody.
    """

    async def scenario() -> None:
        async with a_mail_server() as (url, told), a_driver(url) as driver:
            await driver.send(a_post("Ada: *hello* @all", title="Team room"))

            assert "Subject: Team room" in told
            assert "Ada: *hello* @all" in told
            assert "rcpt TO:<ops@example.com>" in told

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("replies", "kind"),
    [
        ({"AUTH": f"535 no, {SECRET}"}, Broken),
        ({"MAIL": "451 later"}, Transient),
        ({"RCPT": f"550 no such user, {SECRET}"}, Refused),
        ({"DATA": "552 too large"}, Refused),
    ],
)
def test_a_mail_server_is_understood(replies: dict[str, str], kind: type[DeliveryError]) -> None:
    """
    By what the real library logs of its answers.
    """

    async def scenario() -> None:
        async with a_mail_server(**replies) as (url, _), a_driver(url) as driver:
            with pytest.raises(kind) as caught:
                await driver.send(a_post())
            assert SECRET not in repr(caught.value)

    asyncio.run(scenario())


def test_a_token_that_is_revoked_needs_somebody() -> None:
    """
    Messages wait then, instead of being tried for a day and given up.
    """

    async def scenario() -> None:
        async with a_receiver() as receiver:
            receiver.statuses["/a"] = 401
            async with a_driver(f"json://{receiver.authority}/a") as driver:
                with pytest.raises(Broken, match="JSON answers 401: check the token"):
                    await driver.send(a_post())

    asyncio.run(scenario())


def test_the_shortest_service_sets_the_length_of_a_part() -> None:
    """
    A text message of a phone has 160 characters, whatever else is in the list.
    """
    phone = "twilio://AC735c307c62944b5a:e29dfbcebf390dee9@12223334444/15553334444"

    async def scenario() -> None:
        async with a_driver("json://127.0.0.1:9/", phone) as driver:
            assert 160 == driver.capabilities.max_text
        async with a_driver("json://127.0.0.1:9/") as driver:
            assert 32768 == driver.capabilities.max_text

    asyncio.run(scenario())


def test_a_probe_looks_only_where_the_url_names_a_host() -> None:
    """
    In the URL of Discord a token stands in its place; to look that up would tell it to the DNS.
    """

    async def scenario() -> None:
        async with (
            a_receiver() as receiver,
            a_driver(f"json://{receiver.authority}/{SECRET}", f"discord://4174216298/{SECRET}") as driver,
        ):
            first, second = await driver.probe()

            assert "the server answers; only a message can prove the rest: JSON" == first.what
            assert "only a message can prove its URL: Discord" == second.what
            assert [] == receiver.posts

    asyncio.run(scenario())
