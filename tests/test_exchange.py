"""Small requests on kept connections: on the wire they are the ones that aiohttp writes."""

import socket
import ssl
from contextlib import suppress

import aiohttp
import pytest

from bridge.clock import SystemClock
from bridge.driver import Toolbox
from bridge.errors import Indeterminate
from bridge.exchange import Connector
from tests.faults.authority import self_signed
from tests.peer import GOOD, SECRET, Peer, a_toolbox, answer, count, failing, post, run, says, turns


def has_ipv6():
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


@pytest.mark.parametrize(
    ("rest", "headers", "body"),
    [
        ("", {}, b"x"),
        ("/", {"Content-Type": "application/json"}, b"{}"),
        ("/?token=a%2Bb+c&x=%2F&empty=&x=2#part", {}, b"x"),
        ("?no=path", {"X-Empty": ""}, b"x"),
        ("/robot/a%20b%2Fc/%e4%bd%a0", {"content-type": "text/plain; charset=utf-8"}, b"x"),
        ("/消息/a b/../c;d?键=值 ü", {}, "你好".encode()),
        ("/", {"user-agent": "other/1", "ACCEPT": "text/html", "accept-encoding": "identity"}, b"x"),
        ("/", {"host": "elsewhere.example", "AUTHORIZATION": "Bearer abc", "X-a": "1"}, b"x"),
        ("/", {"X-a": "1", "x-A": "2", "Accept": "a/b", "accept": "c/d"}, b"x"),
        ("/", {}, b"\0\r\n\r\n\xff"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_request_on_a_kept_connection_is_the_one_that_aiohttp_writes(method, rest, headers, body):
    """Line, fields and body; and it is on the kept connection, not past it."""

    async def scenario():
        async with Peer().listening() as peer, a_toolbox() as (toolbox, by_aiohttp):
            url = f"http://127.0.0.1:{peer.address[1]}{rest}"
            for _ in range(3):
                got = await post(toolbox, url, body, headers, method)
                assert (got.status, got.body) == (200, b"ok")
        first, *others = peer.asked
        assert [first.said] * 2 == [other.said for other in others]
        assert 1 == len(peer.writers)
        assert [method] == by_aiohttp

    run(scenario)


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "[::1]", "[0:0:0:0:0:0:0:1]"])
def test_the_host_is_named_as_aiohttp_names_it(host):
    if ":" in host and not has_ipv6():
        pytest.skip("needs IPv6 on the loopback interface")

    async def scenario():
        there = "::1" if ":" in host else "127.0.0.1"
        async with Peer().listening(there) as peer, a_toolbox() as (toolbox, by_aiohttp):
            for _ in range(2):
                await post(toolbox, f"http://{host}:{peer.address[1]}/")
        first, second = peer.asked
        assert first.said == second.said
        assert (1, 1) == (len(peer.writers), len(by_aiohttp))

    run(scenario)


def test_a_kept_tls_connection_is_used_as_well(tmp_path):
    """The same lines, and still encrypted; what a peer closed is not written to."""
    certificate, server = self_signed(tmp_path, "platform")

    async def scenario():
        async with Peer(GOOD, GOOD, says(answer(), then="close")).listening(ssl=server) as peer:
            context = ssl.create_default_context(cafile=certificate)
            async with aiohttp.ClientSession(
                connector=Connector(ssl=context), headers={"User-Agent": "us"}
            ) as session:
                toolbox, by_aiohttp = Toolbox(session, SystemClock()), count(session)
                url = f"https://127.0.0.1:{peer.address[1]}/x?y=z"
                for _ in range(3):
                    assert b"ok" == (await post(toolbox, url)).body
                assert (1, 1) == (len(peer.writers), len(by_aiohttp))
                await turns()
                assert b"ok" == (await post(toolbox, url)).body
        assert 1 == len({asked.said for asked in peer.asked})
        assert [0, 0, 0, 1] == [asked.connection for asked in peer.asked]

    run(scenario)


def test_a_proxy_is_asked_every_time():
    """The pool keeps connections to the proxy as well; lines for it look different."""

    async def scenario():
        async with Peer().listening() as proxy:
            address = f"http://127.0.0.1:{proxy.address[1]}"
            async with a_toolbox(proxy=address) as (toolbox, by_aiohttp):
                for url in ["http://platform.invalid/x", f"{address}/y", "http://platform.invalid/x"]:
                    await post(toolbox, url)
        assert ["POST http://platform.invalid/x HTTP/1.1", f"POST {address}/y HTTP/1.1"] == [
            asked.line for asked in proxy.asked[:2]
        ]
        assert proxy.asked[0].said == proxy.asked[2].said
        assert 3 == len(by_aiohttp)

    run(scenario)


@pytest.mark.parametrize(
    "more",
    [
        {"headers": {"Connection": "close"}},
        {"headers": {"cookie": "a=b"}},
        {"headers": {"CONTENT-LENGTH": "1"}},
        {"headers": {"Expect": "100-continue"}},
        {"headers": {"Upgrade": "h2c"}},
        {"headers": {"Transfer-Encoding": "identity"}},
        {"headers": {"X-Name": "Jürgen 你好"}},
        {"headers": {"X-Tab": "a\tb"}},
        {"body": b""},
        {"body": b"", "method": "GET"},
        {"method": "GET"},
        {"method": "post"},
        {"method": "QUERY"},
    ],
)
def test_what_is_not_plain_is_left_to_aiohttp(more):
    """It arrives as aiohttp sends it."""

    async def scenario():
        async with Peer().listening() as peer, a_toolbox() as (toolbox, by_aiohttp):
            await post(toolbox, peer.url)
            got = await post(toolbox, peer.url, **more)
        assert 200 == got.status
        method, asked = more.get("method", "POST").upper(), peer.asked[1]
        assert ["POST", method] == by_aiohttp
        assert f"{method} /send?token={SECRET} HTTP/1.1" == asked.line
        assert more.get("body", b"x") == asked.body
        fields = {(name.lower(), value) for name, value in more.get("headers", {}).items()}
        assert fields <= set(asked.fields)

    run(scenario)


@pytest.mark.parametrize(("size", "by"), [(32 << 10, 1), ((32 << 10) + 1, 2), (3 << 20, 2)])
def test_what_nobody_has_to_wait_for_is_written_at_once(size, by):
    """A large body is aiohttp's, which sends it as the peer takes it."""

    async def scenario():
        async with Peer().listening() as peer, a_toolbox() as (toolbox, by_aiohttp):
            for body in [b"x", bytes(size)]:
                assert b"ok" == (await post(toolbox, peer.url, body)).body
        assert [b"x", bytes(size)] == [asked.body for asked in peer.asked]
        assert (1, by) == (len(peer.writers), len(by_aiohttp))

    run(scenario)


def test_a_name_and_a_password_in_the_url_are_no_part_of_the_line():
    async def scenario():
        async with Peer().listening() as peer, a_toolbox() as (toolbox, by_aiohttp):
            for who in ["", "me:pw@", ":pw@", "me@", ""]:
                await post(toolbox, f"http://{who}127.0.0.1:{peer.address[1]}/")
        given = [dict(asked.fields).get("authorization") for asked in peer.asked]
        assert [None, "Basic bWU6cHc=", "Basic OnB3", "Basic bWU6", None] == given
        assert {"POST / HTTP/1.1"} == {asked.line for asked in peer.asked}
        assert (1, 4) == (len(peer.writers), len(by_aiohttp))

    run(scenario)


@pytest.mark.parametrize(
    "more",
    [
        {"headers": {"X": "a\r\nX-Injected: b"}},
        {"headers": {"X": "a\nb"}},
        {"headers": {"X": "a\0b"}},
        {"headers": {"X\r\nX-Injected": "b"}},
        {"method": "POST /other HTTP/1.1\r\nX-Injected: b\r\n\r\nPOST"},
        {"method": "POST /other"},
        {"method": "PÖST"},
    ],
)
def test_nothing_is_injected(more):
    """Refused as aiohttp refuses it; nothing of it is sent."""

    async def scenario():
        async with Peer().listening() as peer, a_toolbox() as (toolbox, _):
            await post(toolbox, peer.url)
            with pytest.raises(ValueError, match=r"[Cc]ontrol character|non-token"):
                await post(toolbox, peer.url, **more)
            await post(toolbox, peer.url)
        first, second = peer.asked
        assert first.said == second.said

    run(scenario)


@pytest.mark.parametrize("url", ["/relative", "http://", "http://127.0.0.1:99999/"])
def test_a_url_that_is_none_is_refused_as_aiohttp_refuses_it(url):
    async def scenario():
        async with a_toolbox() as (toolbox, _):
            with failing(Indeterminate):
                await post(toolbox, f"{url}?{SECRET}")

    run(scenario)


def test_a_session_of_another_make_is_left_to_aiohttp():
    """It may have cookies, or a pool that gives away what has an answer of somebody else on it."""

    async def scenario():
        jar = aiohttp.CookieJar(unsafe=True)
        async with (
            Peer(says(answer(b"", "Set-Cookie: a=b"))).listening() as peer,
            aiohttp.ClientSession(cookie_jar=jar) as session,
        ):
            toolbox, by_aiohttp = Toolbox(session, SystemClock()), count(session)
            for _ in range(2):
                await post(toolbox, peer.url)
        assert ("cookie", "a=b") in peer.asked[1].fields
        assert 2 == len(by_aiohttp)

    run(scenario)
