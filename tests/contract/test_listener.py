"""What every driver that opens a connection of its own does with it."""

import asyncio

import pytest

from bridge.driver import Listener
from bridge.model import Inbound
from tests.contract.cases import KINDS, Behaviour, case_of

pytestmark = pytest.mark.parametrize("kind", KINDS)


async def keep(_inbound: Inbound) -> None:
    """A journal that takes everything."""


@pytest.mark.parametrize("behaviour", [Behaviour.FINE, Behaviour.DOWN, Behaviour.HANG])
def test_listening_goes_on_until_it_is_cancelled_and_then_ends(kind: str, behaviour: Behaviour) -> None:
    """
    Whatever the platform does; nothing that it opened is left behind, and no error of its own.
    """
    case = case_of(kind)

    async def scenario() -> None:
        async with case.open(behaviour) as stage:
            if not isinstance(stage.driver, Listener):
                return
            before = asyncio.all_tasks()
            listening = asyncio.ensure_future(stage.driver.listen(keep))
            await asyncio.wait([listening], timeout=0.2)
            assert not listening.done(), "it gave up"
            listening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(listening, 5)
            assert not {task for task in asyncio.all_tasks() - before if "driver" in repr(task)}

    asyncio.run(scenario())


def test_a_listener_can_listen_again(kind: str) -> None:
    """
    A restart of the part that failed is the same as a start.
    """
    case = case_of(kind)

    async def scenario() -> None:
        async with case.open(Behaviour.FINE) as stage:
            if not isinstance(stage.driver, Listener):
                return
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(stage.driver.listen(keep), 0.1)

    asyncio.run(scenario())
