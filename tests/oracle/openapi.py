"""``alibabacloud-dingtalk``: everything that the simulator takes, and the shape of refusals."""

import sys
from collections.abc import Callable

from drivers.dingtalk.simulator import Simulator
from tests.oracle.client import client
from tests.oracle.sheet import FAILS, Row, Sheet


async def openapi(name: str, simulator: Simulator) -> list[Row]:
    sheet = Sheet("alibabacloud-dingtalk", simulator)
    expected: dict[str, tuple[str, Callable[[dict], bool], str]] = {
        "wrong secret": (
            "understands that its secret is wrong",
            lambda said: (said.get("code"), said.get("status")) == ("invalidClientIdOrSecret", 400),
            "",
        ),
        "token": ("gets an access token", lambda said: said["answer"]["expireIn"] == 7200, ""),
        "group": ("posts to a group", lambda said: bool(said["answer"]["processQueryKey"]), ""),
        "bad token": (
            "understands that its token is bad",
            lambda said: (said.get("code"), said.get("status")) == ("InvalidAuthentication", 400),
            "",
        ),
        "bad group": (
            "understands that there is no such group",
            lambda said: said.get("code") == "invalid.openConversationId",
            "",
        ),
        "persons": (
            "posts to persons, one of them unknown",
            lambda said: said["answer"]["invalidStaffIdList"] == ["ghost"],
            "",
        ),
        "download": (
            "gets the URL of a file",
            lambda said: said["answer"]["downloadUrl"].startswith(simulator.base_url),
            "",
        ),
        "recall": (
            "takes a message back, and not one that never was",
            lambda said: (
                len(said["answer"]["successResult"]) == 1 and "none" in said["answer"]["failedResult"]
            ),
            "/v1.0/robot/groupMessages/recall",
        ),
        "card": (
            "creates and delivers a card",
            lambda said: said["answer"]["result"]["deliverResults"][0]["success"],
            "/v1.0/card/instances/createAndDeliver",
        ),
        "card update": (
            "changes a card",
            lambda said: bool(said["answer"]["success"]),
            "/v1.0/card/instances",
        ),
    }
    async with client(
        name,
        "openapi_client.py",
        BASE_URL=simulator.base_url,
        APP_KEY=simulator.app_key,
        APP_SECRET=simulator.app_secret,
    ) as official:
        for step, (what, right, needs) in expected.items():
            said = await official.tells(step=step)

            async def proof(said=said, right=right) -> bool:
                return said is not None and ("answer" in said or "code" in said) and _holds(right, said)

            await sheet.check(what, proof(), needs=needs)
            if sheet.rows[-1][2] == FAILS:
                sys.stderr.write(f"{step}: {said}\n" + "".join(official.log[-20:]))
    texts = [one.text for one in simulator.received]

    async def arrived() -> bool:
        return texts == ["你好", "你好"]

    await sheet.check("what it posted arrived, once", arrived())
    return sheet.rows


def _holds(right: Callable[[dict], bool], said: dict) -> bool:
    try:
        return right(said)
    except (KeyError, TypeError, IndexError):
        return False
