"""Where URLs that strangers chose may lead: outside, however they are written."""

import asyncio

import pytest

from bridge.errors import Refused
from tests.strangers import FILE, Host, Names, answer, fetch_from, fetcher, read, refused


@pytest.mark.parametrize(
    "host",
    ["127.0.0.2", "localhost", "127.2", "2130706434", "0x7f000002", "0177.0.0.2", "１２７.0.0.2",
     "[::1]", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]", "[64:ff9b::7f00:2]", "[2002:7f00:2::]",
     "0.0.0.0", "10.0.0.1", "169.254.169.254", "[fe80::1%25lo]", "224.0.0.1"],
)  # fmt: skip
def test_no_way_to_write_it_leads_inside(host):
    """Literal addresses in every notation, and a name that the machine itself knows."""
    inside = Host(answer())

    async def scenario():
        async with (
            inside.running("0.0.0.0"),
            fetcher(allowed=(), total=5) as fetch,
        ):
            with pytest.raises(Refused) as caught:
                await read(fetch, f"http://{host}:{inside.port}/?sig=SECRET")
            return caught.value

    assert refused(asyncio.run(scenario())) in ("private_address", "bad_url")
    assert [] == inside.asked


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/x", "file:///etc/passwd", "data:,x", "//127.0.0.1/x", "/x", "", "http://",
     "http:///x", "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://[::1/",
     "http://user:pass@127.0.0.1:PORT/", "http://user@127.0.0.1:PORT/", "http://:@127.0.0.1:PORT/",
     "http://127.0.0.1:PORT/" + "x" * 9000, "unix:///run/x.sock", "http://\ud800/"],
)  # fmt: skip
def test_what_is_no_plain_web_address_is_refused(url):
    outcome, host = fetch_from(answer(), url=url)

    assert "bad_url" == refused(outcome)
    assert [] == host.asked


def test_line_breaks_in_a_url_smuggle_nothing():
    _, host = fetch_from(answer(), url="http://127.0.0.1:PORT/x\r\nX-Evil: 1\r\n\r\nGET /y")

    assert all("\r\nx-evil" not in head.lower() for head in host.asked)
    assert len(host.asked) <= 1


@pytest.mark.parametrize(
    "target", ["http://127.0.0.2:PORT/", "http://inside.example:PORT/", "//127.0.0.2:PORT/"]
)
def test_a_redirect_does_not_lead_inside(target):
    """Nobody knocks at the inner door."""
    inside = Host(answer())

    async def scenario():
        async with inside.running("127.0.0.2"):
            outside = Host(answer(b"", status="307 X", Location=target.replace("PORT", str(inside.port))))
            names = Names(inside_example=[["127.0.0.2"]])
            async with outside.running(), fetcher(names=names) as fetch:
                with pytest.raises(Refused) as caught:
                    await read(fetch, f"http://127.0.0.1:{outside.port}/")
                return caught.value, outside

    error, outside = asyncio.run(scenario())
    assert "private_address" == refused(error)
    assert 1 == len(outside.asked)
    assert [] == inside.asked


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://u:p@127.0.0.1:PORT/", "http://[::1/"]
)
def test_a_redirect_leads_to_web_addresses_only(target):
    outcome, host = fetch_from(answer(b"", status="302 X", Location=target))

    assert "bad_url" == refused(outcome)
    assert 1 == len(host.asked)


def test_three_redirects_are_followed_and_not_a_hundred():
    hop = answer(b"", status="301 X", Location="next/")

    (_, content), host = fetch_from(hop, hop, hop, answer(), url="http://127.0.0.1:PORT/a/")
    endless, round_and_round = fetch_from(*[hop] * 100)

    assert FILE == content
    assert ["/a/", "/a/next/", "/a/next/next/", "/a/next/next/next/"] == host.paths
    assert "too_many_redirects" == refused(endless)
    assert 4 == len(round_and_round.asked)


def test_a_name_that_changes_its_mind_gains_nothing():
    """DNS rebinding: what is checked is the address that is connected to, every time."""
    inside, outside = Host(answer(b"inside")), Host(answer(b"outside"))

    async def scenario():
        names = Names(rebind_example=[["127.0.0.1"], ["127.0.0.2"]])
        async with (
            outside.running() as here,
            inside.running("127.0.0.2", here.port),
            fetcher(names=names) as fetch,
        ):
            url = f"http://rebind.example:{here.port}/"
            _, first = await read(fetch, url)
            with pytest.raises(Refused) as caught:
                await read(fetch, url)
            return first, caught.value

    first, error = asyncio.run(scenario())
    assert b"outside" == first
    assert "private_address" == refused(error)
    assert [] == inside.asked


def test_of_several_addresses_only_the_public_ones_are_tried():
    inside, outside = Host(answer(b"inside")), Host(answer(b"outside"))

    async def scenario():
        names = Names(both_example=[["127.0.0.2", "127.0.0.1"]])
        async with (
            outside.running() as here,
            inside.running("127.0.0.2", here.port),
            fetcher(names=names) as fetch,
        ):
            return (await read(fetch, f"http://both.example:{here.port}/"))[1]

    assert b"outside" == asyncio.run(scenario())
    assert [] == inside.asked


def test_behind_a_proxy_the_proxy_connects():
    """The proxy is the operator's choice and may be private; what is asked of it may not."""
    proxy = Host(answer(b"by proxy"))

    async def scenario():
        names = Names(public_example=[["93.184.215.14"]], inside_example=[["10.0.0.7"]])
        async with (
            proxy.running() as here,
            fetcher(allowed=(), names=names, proxy=f"http://127.0.0.1:{here.port}") as fetch,
        ):
            contents = [
                (await read(fetch, f"http://{name}/"))[1]
                for name in ("public.example", "only-the-proxy-knows.example")
            ]
            with pytest.raises(Refused) as caught:
                await read(fetch, "http://inside.example/")
            return contents, caught.value

    contents, error = asyncio.run(scenario())
    assert [b"by proxy"] * 2 == contents
    assert "private_address" == refused(error)
    assert ["http://public.example/", "http://only-the-proxy-knows.example/"] == proxy.paths
