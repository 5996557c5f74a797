"""The settings of an app robot over Stream, and which driver goes with which way in."""

import asyncio

import aiohttp
import pytest
from jsonschema import Draft202012Validator

from bridge.clock import SystemClock
from bridge.driver import Listener, Toolbox, Webhook
from drivers.dingtalk import DRIVER
from tests.drivers.dingtalk.wire_files import INSTANCE

STREAM = {"app_key": "dingxxxx", "app_secret": "secret", "receive": "stream"}


def codes(**more):
    return [complaint.code for complaint in DRIVER.check({**STREAM, **more})]


def test_stream_needs_the_key_and_the_secret_and_nothing_else():
    """No address of ours, and nothing to verify: we open the connection ourselves."""
    assert not list(Draft202012Validator(DRIVER.schema).iter_errors(STREAM))
    assert [] == codes(allowed_users="*")
    assert DRIVER.listen(STREAM) is None


def test_who_may_speak_is_asked_over_stream_too():
    assert ["everybody-allowed"] == codes()


def test_an_unknown_way_in_is_an_error():
    wrong = {**STREAM, "receive": "streaming"}

    assert list(Draft202012Validator(DRIVER.schema).iter_errors(wrong))


@pytest.mark.parametrize(
    ("receive", "abilities"),
    [("http", (True, False)), ("stream", (False, True)), ("none", (False, False))],
)
def test_a_driver_is_what_its_settings_make_it(receive, abilities):
    """The core asks what it is, and mounts or listens accordingly."""

    async def scenario():
        async with (
            aiohttp.ClientSession() as http,
            DRIVER.open(INSTANCE, {**STREAM, "receive": receive}, Toolbox(http, SystemClock())) as driver,
        ):
            return isinstance(driver, Webhook), isinstance(driver, Listener)

    assert abilities == asyncio.run(scenario())
