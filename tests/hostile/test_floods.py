"""Many hostile inputs: the log and the memory stay small, and what nobody thought of is met, too."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.test_wire import changed, places
from tests.hostile.calm import log_is_calm, peak_memory
from tests.hostile.fields import PERMITTED, real_bodies, sent_to
from tests.hostile.listeners import CONTROL, HTTP, LISTENERS, STREAM
from tests.hostile.wire import Caller

MOST_MEMORY = 32 << 10
"""KiB."""
BY_NAME = {listener.name: listener for listener in LISTENERS}
HEARS = ("robot", "event", "webhook", "status", "control", "stream")


async def flooded(house, listener, count):
    """So many malformed requests, on connections that stay where they may; the statuses."""
    wrong = {"proof": lambda _: "x"}
    if listener in HTTP:
        seen = set()
        async with await Caller.at(house.ports[listener.name]) as caller:
            for _ in range(count):
                seen.add((await caller.ask(listener.request(house, **wrong).wire())).status)
        return seen
    if listener is CONTROL:
        return {(await CONTROL.meet(house, b"x\n"))[0] for _ in range(count)}
    for _ in range(count):
        await (await house.gateway.connection()).send(STREAM.request(house, b"no JSON"))
    return {(await STREAM.meet(house, "no frame"))[0]}


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.full)])
@pytest.mark.parametrize("name", [*HEARS, "links"])
def test_a_flood_of_malformed_requests_is_some_lines_and_no_memory(lived_in, name, count):
    """At most one line a second, however many there are; and the next good message is delivered."""
    house, run = lived_in
    listener = BY_NAME[name]
    start, began, memory = len(house.log.getvalue()), time.monotonic(), peak_memory(fresh=True)

    seen = run(flooded(house, listener, count))
    run(listener.greet(house))

    assert seen <= {"401", "404", "429", "malformed", "ignored"}, seen
    log_is_calm(house, start, time.monotonic() - began)
    assert peak_memory() - memory <= MOST_MEMORY


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.full
@pytest.mark.parametrize("name", [*HEARS, "frame"])
def test_anything_in_any_field_is_understood_or_refused(lived_in, name):
    """Every status that is right for a changed body; never silence, never a fault of ours."""
    house, run = lived_in
    listener = STREAM if name == "frame" else BY_NAME[name]
    bodies = real_bodies(name)
    start, began = len(house.log.getvalue()), time.monotonic()

    @settings(
        max_examples=1_000, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )  # fmt: skip
    @given(st.data())
    def meets(choice):
        body = choice.draw(st.sampled_from(bodies))
        path = choice.draw(st.sampled_from(list(places(body))))
        raw = changed(body, path, choice.draw(ANYTHING))
        outcome, _ = run(listener.meet(house, sent_to(name, house, raw), alone=False))
        assert outcome in PERMITTED[name], (path, raw[:500])

    meets()
    run(listener.greet(house))
    log_is_calm(house, start, time.monotonic() - began)
