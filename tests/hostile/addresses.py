"""Hostile input that leads somewhere: addresses of files, of answers and of gateways."""

from tests.hostile.listeners import (
    ROBOT,
    STATUS,
    STREAM,
    WEBHOOK,
    Visit,
    a_letter,
)
from tests.hostile.reasons import NO_URLS, tries
from tests.hostile.table import Hostile
from tests.hostile.wire import Caller
from tests.strangers import Host, answer

TRAPS = (
    "http://127.0.0.2:PORT/a.png", "http://0.0.0.0:PORT/",
    "http://[::ffff:127.0.0.2]:PORT/", "http://[::ffff:7f00:2]:PORT/", "http://[64:ff9b::7f00:2]:PORT/",
    "http://[::127.0.0.2]:PORT/", "http://[2002:7f00:2::]:PORT/", "http://[::1]:PORT/", "http://[fe80::1]:PORT/",
    "http://[::]:PORT/", "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.0.1/",
    "http://169.254.169.254/latest/meta-data/", "http://100.100.100.200/", "http://168.63.129.16/",
    "http://[fd00:ec2::254]/", "http://224.0.0.1/",
)  # fmt: skip
ODDLY_NAMED = (
    "http://127.0.0.2.:PORT/", "http://127.2:PORT/a.png", "http://0x7f.2:PORT/a.png", "http://0x7f000002:PORT/", "http://017700000002:PORT/",
    "http://2130706434:PORT/", "http://0:PORT/", "http://１２７.０.０.２:PORT/",
)  # fmt: skip
"""What they are is the resolver's to say: no address, or the one that is meant."""
NO_WEB = (
    "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "http:///a", "http://", "//127.0.0.2:PORT/",
    "http://127.0.0.1:99999/", "http://user:pw@127.0.0.1:PORT/a.png", "http://[::1/", "http://exa mple/", "data:,x",
)  # fmt: skip


def _moved(to):
    return (answer(b"", status="302 Found", Location=to),)


def addresses():
    inside = [lambda _, u=url: Visit(url=u) for url in TRAPS]
    named = [lambda _, u=url: Visit(url=u) for url in ODDLY_NAMED]
    fetched = (
        *tries(*inside, want="private_address"),
        *tries(*named, want="private_address connect_failed bad_url"),
        *tries(*(lambda _, u=url: Visit(url=u) for url in NO_WEB), want="bad_url connect_failed"),
        *tries(
            *(lambda _, u=url: Visit(_moved(u)) for url in TRAPS if "PORT" in url),
            want="private_address",
        ),
        *tries(lambda _: Visit(_moved("/again")), want="too_many_redirects"),
        *tries(
            lambda _: Visit(_moved("file:///etc/passwd")), lambda _: Visit(_moved("http://a@127.0.0.1:PORT/")),
            want="bad_url",
        ),
        *tries(
            lambda _: Visit(_moved("http://twice.test:PORT/"), "http://twice.test:PORT/",
                            {"twice_test": [["127.0.0.1"], ["127.0.0.2"]]}),
            lambda _: Visit(url="http://both.test:PORT/", names={"both_test": [["127.0.0.2", "10.0.0.1"]]}),
            want="private_address",
        ),
    )  # fmt: skip
    yield Hostile(
        "addresses of files: private, embedded, in odd notation, redirecting, rebinding",
        "文件地址：私有、内嵌、怪异写法、重定向、重绑定",
        {
            "fetched": fetched,
            "webhook": tries(lambda h: WEBHOOK.request(h, {"text": "x", "attachments": [
                {"url": url} for url in TRAPS]}).wire(), want="200", then=_trapped)
            + tries(*(lambda h, u=url: WEBHOOK.request(h, {"attachments": [{"url": u}]}).wire()
                      for url in ("file:///etc/passwd", "http://", "http://[::1/", "javascript:alert(1)")), want="400"),
            "status": tries(lambda h: STATUS.request(h).wire(), want="202", then=_trapped),
            **dict.fromkeys(("robot", "event", "control", "stream", "links"), NO_URLS),
        },
    )  # fmt: skip
    sessions = [
        "http://127.0.0.2:PORT/robot/sendBySession?session=x", "http://oapi.dingtalk.com/robot/sendBySession?session=x",
        "https://oapi.dingtalk.com@127.0.0.2:PORT/", "https://oapi.dingtalk.com.evil.example/", "https://evil.example/oapi.dingtalk.com",
        "https://oapi.dingtalk.com:444/", "https://oapi.dingtalk.com\\@127.0.0.2:PORT/", "https://oapi。dingtalk。com/",
        "http://0x7f.1:PORT/", "http://2130706433:PORT/", "http://[::ffff:127.0.0.1]:PORT/", "file:///etc/passwd", "",
    ]  # fmt: skip
    made = [{"sessionWebhook": url, "sessionWebhookExpiredTime": 9_999_999_999_999} for url in sessions]
    yield Hostile(
        "`sessionWebhook` that leads elsewhere", "指向别处的 `sessionWebhook`",
        {
            "robot": tries(*(_robot_session(one) for one in made), want="200", then=_answered_by_dingtalk),
            "stream": tries(*(_stream_session(one) for one in made), want="200", then=_answered_by_dingtalk),
            **dict.fromkeys(("event", "webhook", "status", "control", "links", "fetched"), NO_URLS),
        },
    )  # fmt: skip
    yield Hostile(
        "gateways that lead elsewhere", "指向别处的网关",
        {
            "stream": tries(lambda _: _led_astray, want="reconnects"),
            **dict.fromkeys(("robot", "event", "webhook", "status", "control", "links"), NO_URLS),
            "fetched": NO_URLS,
        },
    )  # fmt: skip


def _robot_session(more):
    return lambda house: ROBOT.request(house, {**house.message("x"), **more}).wire()


def _stream_session(more):
    return lambda house: STREAM.request(house, {**house.message("x"), **more})


async def _trapped(house):
    """A message with files goes to DingTalk, which takes uploads: none of the addresses is opened."""
    trap = Host(answer())
    async with trap.running("127.0.0.2"):
        text = house.news()
        files = [
            {"kind": "image", "url": url.replace("PORT", str(trap.port))}
            for url in TRAPS
            if "[fe80" not in url
        ]
        letter = a_letter(text, to="dt", attachments=files[:20])
        async with await Caller.at(house.ports["status"]) as caller:
            assert "202" == (await caller.ask(STATUS.request(house, letter).wire())).status
        await house.until(lambda: any(text in one.text for one in house.dingtalk.received))
    assert [] == trap.asked


async def _answered_by_dingtalk(house):
    """What is said to that group goes where DingTalk is, and nowhere else."""
    text = house.news()
    async with await Caller.at(house.ports["webhook"]) as caller:
        body = {"text": text, "conversation": "answers"}
        assert "200" == (await caller.ask(WEBHOOK.request(house, body).wire())).status
    await house.until(lambda: 2 == sum(text in one.text for one in house.dingtalk.received))


async def _led_astray(house, _):
    """The next time it is asked for an endpoint the gateway names other hosts."""
    gateway = house.gateway
    right = gateway.endpoint
    trap = Host(answer())
    async with trap.running("127.0.0.2"):
        for url in ("http://127.0.0.2:PORT/", "wss://a@127.0.0.2:PORT/", "ws://127.0.0.1:PORT\r\nX: y/"):
            gateway.endpoint = url.replace("PORT", str(trap.port))
            asked = len(gateway.opens)
            for one in tuple(gateway.connections):
                one.drop()
            await house.until(lambda asked=asked: len(gateway.opens) > asked + 1)
        gateway.endpoint = right
    assert [] == trap.asked
