"""Questions to the bridge itself are answered where they are asked, and go nowhere else."""

from contextlib import asynccontextmanager
from types import SimpleNamespace

from bridge.acceptor import Acceptor
from bridge.chat_commands import ChatCommands, is_command
from bridge.errors import Refused
from bridge.gates import Gate
from bridge.metrics import Metrics
from bridge.model import Capabilities, EventKind, Inbound, InstanceId, Plan, Support
from bridge.outlets import Outlet
from bridge.render import Style
from bridge.routing import Router, Rule, Target
from tests.builders import a_place, an_envelope
from tests.clock import VirtualClock
from tests.far_half import a_bridge, scenario

SPEC = SimpleNamespace(platform="loopback", address_of=lambda conversation: {"room": conversation})


def _rule(id_, source, target, **plan):
    place = a_place(target)
    return Rule(
        id=id_,
        sources=(a_place(source),),
        targets=(Target(place, Plan(rule=id_, template="{msg}", **plan)),),
    )


@asynccontextmanager
async def rooms(*script, language="en", spec=SPEC, **plan):
    """``there/here`` is bridged to ``there/beyond``; both are rooms of the scripted platform."""
    async with a_bridge(*script, paused=False) as bridge:
        router = Router.of([_rule("pair", "there/here", "there/beyond", **plan)], {})
        outlet = Outlet(
            driver=bridge.there,
            platform="loopback",
            style=Style(language=language),
            gate=Gate(VirtualClock()),
        )
        commands = ChatCommands(
            journal=bridge.journal,
            clock=bridge.clock,
            tallies=bridge.lanes.tallies,
            outlets={InstanceId("there"): outlet},
            spec_of=lambda _id: spec,
        )
        acceptor = Acceptor(
            lambda: router, bridge.journal, bridge.lanes, Metrics("test"), commands=commands
        )

        async def ask(text, id_="q1", **more):
            envelope = an_envelope(text, id=id_, at="there/here", received_at=bridge.clock.now(), **more)
            await acceptor.take(InstanceId("there"), Inbound((envelope,)))
            await bridge.settled()

        bridge.ask = ask
        yield bridge


def _heard(bridge):
    return [(out.destination.conversation, out.text) for _, out in bridge.there.posted]


def test_only_the_word_itself_is_a_command():
    assert is_command(an_envelope("/bridge"))
    assert is_command(an_envelope("/bridge\nstatus"))
    assert not is_command(an_envelope("/bridges are wet"))
    assert not is_command(an_envelope("see /bridge help"))
    assert not is_command(an_envelope("/bridge help", kind=EventKind.EDIT))


@scenario
async def test_help_is_answered_where_it_is_asked_and_not_forwarded():
    async with rooms() as bridge:
        await bridge.ask("/bridge help")

        ((where, text),) = _heard(bridge)
        assert "here" == where
        assert "/bridge who" in text


@scenario
async def test_the_answer_is_a_reply_to_the_question():
    async with rooms() as bridge:
        bridge.there.capabilities = Capabilities(max_text=1000, reply=Support.NATIVE)
        await bridge.ask("/bridge")

        ((_, answer),) = bridge.there.posted
        assert ("q1", "@bridge") == (answer.reply_to, answer.sender.id)


@scenario
async def test_a_question_that_comes_again_is_answered_once():
    async with rooms() as bridge:
        await bridge.ask("/bridge help")
        await bridge.ask("/bridge help")

        assert 1 == len(_heard(bridge))


@scenario
async def test_who_names_where_messages_go():
    async with rooms() as bridge:
        await bridge.ask("/bridge who")

        assert [("here", "What is written here goes to:\n- there (loopback): beyond")] == _heard(bridge)


@scenario
async def test_status_counts_what_waits_to_come_here_and_says_what_failed():
    async with rooms(Refused("too rude", reason="rude")) as bridge:
        await bridge.say("to here", to="there/here")
        await bridge.settled()
        await bridge.ask("/bridge status")

        (_, text) = _heard(bridge)[-1]
        assert "Nothing waits to come here." in text
        assert "The last failure here: rude, " in text
        assert "too rude" not in text  # details are for the operator


@scenario
async def test_the_answer_is_in_the_language_of_the_instance():
    async with rooms(language="zh") as bridge:
        await bridge.ask("/bridge status")

        assert "启动以来此处没有出现故障。" in _heard(bridge)[0][1]


@scenario
async def test_a_rule_without_commands_forwards_them_as_any_text():
    async with rooms(commands=False) as bridge:
        await bridge.ask("/bridge help")

        assert [("beyond", "/bridge help")] == _heard(bridge)


@scenario
async def test_where_nothing_can_be_posted_a_question_is_swallowed_in_silence():
    mute = SimpleNamespace(platform="loopback", address_of=lambda _conversation: {})
    async with rooms(spec=mute) as bridge:
        await bridge.ask("/bridge help")

        assert [] == _heard(bridge)
