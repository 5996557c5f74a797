"""The status page in a real browser: what it asks for, what it complains of, who can read it."""

import asyncio
import re

import pytest

from bridge.status.access import COOKIE
from bridge.status.page_picture import routes_picture
from tests import scenes
from tests.browser.axe import PACKAGE, axe
from tests.browser.devtools import browsing, chromium
from tests.memory_desk import MemoryDesk
from tests.status_server import TOKENS, serving

pytestmark = [
    pytest.mark.full,
    pytest.mark.real_time,
    pytest.mark.skipif(not chromium(), reason="no browser: apt-get install chromium"),
]

VIEWS = {
    "light": {},
    "dark": {"dark": True},
    "phone": {"width": 390},
    "phone, dark": {"width": 390, "dark": True},
    "print": {"media": "print"},
}


def look(scenario, scene="healthy", tokens=None):
    """``scenario`` gets the browser's tab and the server; without ``tokens`` the page is open."""

    async def run():
        snapshot = scenes.ALL[scene]()
        picture = routes_picture(scenes.rules_of_the_house) if snapshot.rules else None
        desk = MemoryDesk(snapshot)
        async with (
            serving(desk, picture=picture, tokens=tokens or {}) as server,
            browsing() as page,
        ):
            return await scenario(page, server)

    return asyncio.run(run())


@pytest.fixture(scope="module")
def checker():
    script = axe()
    if not script:
        pytest.skip(f"no accessibility checker: npm cannot fetch {PACKAGE}")
    return script


async def violations(page, script):
    await page.run(f"{script}; undefined")
    found = await page.run("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {node['html'][:200]}"
        for one in found
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scene", scenes.ALL)
def test_everybody_can_read_it(checker, scene):
    """No violation that axe-core knows, in any state, light, dark, on a phone and on paper, in both languages."""

    async def scenario(page, server):
        found = {}
        for name, view in VIEWS.items():
            await page.open(f"{server.url}/?lang={'zh' if 'dark' in name else 'en'}", **view)
            found[name] = await violations(page, checker)
        assert {} == {where: what for where, what in found.items() if what}

    look(scenario, scene)


def test_everybody_can_show_a_token(checker):
    """The form, also after a wrong one; then the page, and the browser keeps the cookie from scripts."""

    async def scenario(page, server):
        await page.open(f"{server.url}/")
        assert [] == await violations(page, checker)
        for token in ("wrong", TOKENS["monitor"].token):
            await page.run(f"document.querySelector('#token').value = '{token}'; undefined")
            await page.submit("form")
            if token == "wrong":
                assert "That is no token" in await page.run("document.body.innerText")
                assert [] == await violations(page, checker)
        assert "All is well" in await page.run("document.body.innerText")
        assert COOKIE not in await page.run("document.cookie")

    look(scenario, tokens=TOKENS)


@pytest.mark.parametrize("scene", scenes.ALL)
def test_no_request_leaves_the_page(scene):
    """By the browser's own log: the page itself, and the icon that stands in it. And no complaint."""

    async def scenario(page, server):
        await page.open(f"{server.url}/")
        await page.open(f"{server.url}/", dark=True, width=390)
        await page.printed()
        asked = {url for url in page.requests if not url.startswith("data:image/svg+xml,")}
        assert {f"{server.url}/"} == asked
        assert {"GET /"} == set(server.asked)
        assert [] == page.complaints

    look(scenario, scene)


def test_nothing_of_a_stranger_runs():
    """Names that are scripts and images are only text, in a browser too."""

    async def scenario(page, server):
        await page.open(f"{server.url}/")
        assert 0 == await page.run("document.images.length + document.scripts.length")
        assert await page.run("document.documentElement.scrollWidth <= window.innerWidth")

    look(scenario, "hostile")


@pytest.mark.parametrize("scene", scenes.ALL)
def test_nothing_sticks_out_to_the_side(scene):
    """Nobody scrolls a page in two directions, however narrow it is."""

    async def scenario(page, server):
        for width in (320, 390, 640, 768, 900, 1024, 1200):
            await page.open(f"{server.url}/", width=width)
            assert await page.run("document.documentElement.scrollWidth") <= width

    look(scenario, scene)


def test_the_policy_lets_nothing_in():
    """What a flaw of ours would let a stranger write does not run: script, style, image, frame, form."""

    async def scenario(page, server):
        await page.open(f"{server.url}/")
        await page.run(
            """
            window.ran = 0;
            const s = document.createElement('script'); s.text = 'window.ran += 1'; document.body.append(s);
            const i = document.createElement('img'); i.src = '/healthz?img'; document.body.append(i);
            const f = document.createElement('iframe'); f.src = '/healthz?frame'; document.body.append(f);
            document.body.insertAdjacentHTML('beforeend', '<p id=x style="color: rgb(1, 2, 3)">x</p>');
            document.body.insertAdjacentHTML('beforeend', '<svg onload="window.ran += 1"></svg>');
            undefined
            """
        )
        assert 0 == await page.run("window.ran")
        assert "rgb(1, 2, 3)" != await page.run("getComputedStyle(document.querySelector('#x')).color")
        assert ["GET /"] == server.asked
        assert 4 <= len(page.complaints)

    look(scenario)


def test_it_prints():
    """On as few pages as it needs, without the parts that paper cannot use."""

    async def scenario(page, server):
        await page.open(f"{server.url}/")
        pdf = await page.printed()
        assert pdf.startswith(b"%PDF")
        assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 3
        await page.open(f"{server.url}/", media="print")
        assert "none" == await page.run("getComputedStyle(document.querySelector('.language')).display")

    look(scenario)


def test_a_page_that_renews_itself_comes_again():
    """The browser does what ?refresh= asks for; without it nothing moves."""

    async def scenario(page, server):
        await page.open(f"{server.url}/?refresh=5")
        assert "5" == await page.run("document.querySelector('meta[http-equiv=refresh]').content")
        await page.open(f"{server.url}/")
        assert None is await page.run("document.querySelector('meta[http-equiv=refresh]')")

    look(scenario)
