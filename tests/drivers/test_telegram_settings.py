"""What a bot's settings may not be, and what it finds out about itself."""

import pytest

from bridge.model import ConversationId
from drivers.telegram import DRIVER
from drivers.telegram.simulator import Fault, refusal
from tests.drivers.telegram.pair import SECRET, TOKEN, connected, run


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"base_url": "http://bots.example.com"}, "insecure-url"),
        ({"base_url": "ftp://bots.example.com"}, "bad-url"),
        ({"base_url": "https://[::1"}, "bad-url"),
        ({"base_url": "https://bots.example.com/?x=1"}, "bad-url"),
        ({"receive": "webhook"}, "webhook-unverified"),
        ({"webhook_secret": "word"}, "no-webhook"),
    ],
)
def test_settings_that_do_not_fit_are_complained_about(settings, code) -> None:
    """
    With the key, and what to do.
    """
    complaints = list(DRIVER.check({"token": TOKEN, **settings}))

    assert [code] == [one.code for one in complaints]
    assert SECRET not in repr(complaints)
    assert not list(DRIVER.check({"token": TOKEN, "base_url": "http://127.0.0.1:8081"}))


async def findings_of(setup, **settings) -> list[str]:
    async with connected(**settings) as pair:
        setup(pair.telegram)
        return [f"{one.what}: {one.hint}" for one in await pair.driver.probe() if not one.ok]


@pytest.mark.parametrize(
    ("setup", "settings", "said"),
    [
        (lambda t: t.me.update(can_read_all_group_messages=False), {}, "/setprivacy"),
        (lambda t: setattr(t.queue, "webhook", "https://x.example/"), {}, "deleteWebhook"),
        (lambda _: None, {"receive": "webhook", "webhook_secret": "w"}, "setWebhook"),
        (lambda t: setattr(t.queue, "webhook", "https://x.example/other"), {"receive": "webhook", "webhook_secret": "w"}, "listen_path"),
        (lambda t: setattr(t.queue, "webhook", "https://x.example/telegram/update"), {"receive": "webhook", "webhook_secret": "w"}, "message_reaction"),
        (lambda t: t.fail_next(refusal(401, "Unauthorized"), method="getMe"), {}, "@BotFather"),
        (lambda t: t.fail_next(Fault(200, b"<html>"), method="getMe"), {}, "firewall"),
        (lambda t: t.fail_next(Fault(200, {"ok": True, "result": {"username": 7}}), method="getMe"), {}, "base_url"),
    ],
)  # fmt: skip
def test_a_probe_says_what_is_wrong_and_the_way_out(setup, settings, said) -> None:
    """
    Without asking for updates, which would take them from a bridge that runs.
    """

    async def scenario() -> None:
        found = await findings_of(setup, **settings)
        assert 1 == len(found)
        assert said in found[0]
        assert SECRET not in found[0]

    run(scenario)


def test_a_bot_that_only_sends_may_have_privacy_mode() -> None:
    """
    It hears nothing anyway.
    """

    async def scenario() -> None:
        private = {"can_read_all_group_messages": False}
        assert not await findings_of(lambda t: t.me.update(private), receive="none")

    run(scenario)


def test_addresses_name_chats_and_topics() -> None:
    """
    As rules.json has them, and back.
    """
    (form,) = DRIVER.addresses({})
    topic = form.conversation({"chat_id": "-1001", "topic_id": "7"})

    assert "-1001/7" == topic
    assert {"chat_id": "-1001", "topic_id": "7"} == DRIVER.address_of(topic)
    assert {"chat_id": "1001"} == DRIVER.address_of(ConversationId("1001"))
