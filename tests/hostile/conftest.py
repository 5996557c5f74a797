"""One house for all tests of a file."""

import re

import pytest

from tests.hostile.house import a_house
from tests.hostile.listeners import ROBOT, STATUS
from tests.hostile.wire import Caller, Request


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory):
    """The house, and what runs something in it; somebody was given a link, somebody a cookie."""
    with a_house(tmp_path_factory.mktemp("house")) as (house, run):
        run(_furnished(house))
        yield house, run


async def _furnished(house):
    async with await Caller.at(house.ports["robot"]) as caller:
        picture = house.body("picture", "simPicture+/=")
        assert "200" == (await caller.ask(ROBOT.request(house, picture).wire())).status
    linked = await house.heard("/media/")
    house.link = re.findall(r"https://\S+", linked["text"])[0]

    form = (b"Content-Type", b"application/x-www-form-urlencoded")
    token = dict(STATUS.request(house).headers)[b"Authorization"].removeprefix(b"Bearer ")
    async with await Caller.at(house.ports["status"]) as caller:
        entered = await caller.ask(Request(b"/login", (form,), b"token=" + token).wire())
    house.cookie = re.search(rb"msgbridge=([^;]+)", entered.headers).group(1).decode()
