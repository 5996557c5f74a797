"""What every driver does with a server that takes a post well, badly, or not at all."""

import asyncio
import traceback
from collections.abc import Iterator

import pytest

from bridge.errors import Broken, DeliveryError, Indeterminate, Refused, Throttled, Transient
from bridge.model import Outgoing, TextFormat
from tests.builders import an_outgoing
from tests.contract.cases import (
    KINDS,
    SECRET,
    Behaviour,
    Case,
    Stage,
    case_of,
    cases_of,
    platform_of,
    spec_of,
)

pytestmark = pytest.mark.parametrize("kind", KINDS)


def outgoing(case: Case) -> Outgoing:
    destination = case.destination
    return an_outgoing("Ada: hello 你好", to=str(destination), key="d1:1")


def everything_said(error: BaseException | None) -> Iterator[str]:
    """All that a log could show of an error and of what led to it."""
    while error is not None:
        yield str(error)
        yield repr(error)
        yield "".join(traceback.format_exception(error))
        behind = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or behind


async def failure(case: Case, behaviour: Behaviour) -> tuple[DeliveryError, Stage]:
    async with case.open(behaviour) as stage:
        with pytest.raises(DeliveryError) as caught:
            await asyncio.wait_for(stage.driver.send(outgoing(case)), 20)
        return caught.value, stage


def test_a_message_that_is_taken_has_a_receipt(kind: str) -> None:
    """
    One post, and an id or none, but never an empty one.
    """
    case = case_of(kind)

    async def scenario() -> None:
        async with case.open(Behaviour.FINE) as stage:
            receipt = await stage.driver.send(outgoing(case))

            assert 1 == stage.posts()
            assert receipt.message_id is None or receipt.message_id
            assert SECRET not in repr(receipt)
            assert SECRET not in repr(stage.driver)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (Behaviour.NO, Refused),
        (Behaviour.WHO, Broken),
        (Behaviour.BUSY, Transient),
        (Behaviour.LATER, Throttled),
        (Behaviour.DOWN, Transient),
        (Behaviour.HANG_UP, Indeterminate),
        (Behaviour.HANG, Indeterminate),
    ],
)
def test_failures_are_told_apart_and_tell_no_secrets(
    kind: str, behaviour: Behaviour, error: type[DeliveryError]
) -> None:
    """
    The core decides what to do next by the type alone, and prints the message anywhere.
    """
    caught, _ = asyncio.run(failure(case_of(kind), behaviour))

    assert error is type(caught), f"{behaviour} is {error.__name__}, not {caught!r}"
    assert not [said for said in everything_said(caught) if SECRET in said]
    assert str(caught).strip()
    assert caught.reason.isascii()
    assert caught.reason.replace("_", "").isalnum()


def test_the_platform_says_how_long_to_wait(kind: str) -> None:
    """
    A Retry-After is handed on to the second; nobody makes one up where it cannot be heard.
    """
    case = case_of(kind)
    caught, _ = asyncio.run(failure(case, Behaviour.LATER))

    assert (7 if case.says_when else None) == caught.retry_after


@pytest.mark.parametrize(
    "behaviour", [Behaviour.NO, Behaviour.WHO, Behaviour.BUSY, Behaviour.LATER, Behaviour.HANG_UP]
)
def test_a_driver_posts_once_and_leaves_patience_to_the_core(kind: str, behaviour: Behaviour) -> None:
    """
    Whatever the answer, one `send` is one post.
    """
    _, stage = asyncio.run(failure(case_of(kind), behaviour))

    assert 1 == stage.posts()


def test_garbage_is_never_success(kind: str) -> None:
    """
    An answer that is not the platform's is an error, of whatever kind.
    """
    caught, _ = asyncio.run(failure(case_of(kind), Behaviour.GARBAGE))

    assert not [said for said in everything_said(caught) if SECRET in said]


def test_a_huge_answer_is_not_swallowed_whole(kind: str) -> None:
    """
    It ends soon, one way or the other, and nobody carries megabytes on.
    """
    case = case_of(kind)

    async def scenario() -> str:
        async with case.open(Behaviour.HUGE_ANSWER) as stage:
            try:
                return repr(await asyncio.wait_for(stage.driver.send(outgoing(case)), 10))
            except DeliveryError as e:
                return "".join(everything_said(e))

    assert len(asyncio.run(scenario())) < 50_000


def test_a_send_can_be_cancelled(kind: str) -> None:
    """
    Shutting down does not wait for a platform that hangs.
    """
    case = case_of(kind)

    async def scenario() -> None:
        async with case.open(Behaviour.HANG) as stage:
            sending = asyncio.ensure_future(stage.driver.send(outgoing(case)))
            while not stage.posts():
                await asyncio.sleep(0.001)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(sending, 0.9)

    asyncio.run(scenario())


@pytest.mark.parametrize("behaviour", [Behaviour.FINE, Behaviour.DOWN])
def test_a_probe_posts_nothing_and_finds_out(kind: str, behaviour: Behaviour) -> None:
    """
    It says in words what it found; a platform that is down is a finding, not a crash.
    """
    case = case_of(kind)

    async def scenario() -> None:
        async with case.open(behaviour) as stage:
            findings = await asyncio.wait_for(stage.driver.probe(), 20)

            assert findings
            assert all(finding.ok for finding in findings) == (behaviour is Behaviour.FINE)
            assert all(finding.what for finding in findings)
            assert all(finding.hint for finding in findings if not finding.ok)
            assert SECRET not in repr(findings)
            assert 0 == stage.posts()

    asyncio.run(scenario())


@pytest.mark.parametrize("format_", TextFormat)
def test_a_driver_takes_any_text_in_the_formats_that_it_claims(kind: str, format_: TextFormat) -> None:
    """
    Also what is hard to encode, and as much as it says it can.
    """
    case = case_of(kind)

    async def scenario() -> None:
        async with case.open(Behaviour.FINE) as stage:
            able = stage.driver.capabilities
            if format_ not in able.formats:
                return
            longest = "x" * able.max_text
            while able.measure(longest) > able.max_text:
                longest = longest[: -max(1, able.measure(longest) - able.max_text)]
            for text in ('"quoted" \\ \u2028 😀 </script> ${x}', "消息\n\n```\ncode\n```", longest):
                await stage.driver.send(
                    an_outgoing(text, to=str(case.destination), format=format_, title="A title")
                )

            assert 3 == stage.posts()

    asyncio.run(scenario())


def test_every_secret_is_planted(kind: str) -> None:
    """
    The tests above prove nothing about a secret that no case gives, or gives as something else.
    """
    secrets, settings = spec_of(kind).secrets, case_of(kind).settings
    given = {name for case in cases_of(platform_of(kind)) for name in case.settings}
    planted = {
        name for name in settings if SECRET.replace("-", "") in str(settings[name]).replace("-", "")
    }
    missing = secrets & set(settings) - planted

    assert not missing, f"tests/contract/platforms/{kind}.py plants nothing in {sorted(missing)}"
    assert secrets <= given, f"no case of {platform_of(kind)} gives {sorted(secrets - given)}"
