"""Who is in the organization, asked from the older API."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from bridge.driver import Directory, Entry
from bridge.errors import Broken, DeliveryError, Indeterminate, Refused, Throttled
from drivers.dingtalk.directory import DEPARTMENTS_PATH, PERSONS_PATH
from drivers.dingtalk.faults import Fault
from drivers.dingtalk.simulated_directory import Department
from tests.drivers.dingtalk.pair import SECRET, Pair, connected


def listed(arrange: Any = None) -> tuple[Sequence[Entry], Pair]:
    """What a driver lists, in front of a simulator that ``arrange`` has changed."""

    async def scenario() -> tuple[Sequence[Entry], Pair]:
        async with connected() as pair:
            if arrange:
                arrange(pair.dingtalk)
            return await pair.driver.users(), pair

    return asyncio.run(scenario())


def refused(arrange: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        listed(arrange)
    return caught.value


def page(**result: Any) -> Fault:
    return Fault(200, {"errcode": 0, "errmsg": "ok", "result": result})


def test_everybody_is_listed_once() -> None:
    """
    Under the first department that names them, with the address that rules.json wants.
    """
    entries, _ = listed()

    assert [
        ({"user_id": "manager1001"}, "张三", ""),
        ({"user_id": "user1002"}, "李四", "研发"),
    ] == [(entry.address, entry.title, entry.detail) for entry in entries]


def test_the_driver_is_a_directory() -> None:
    """
    The commands find it by its protocol; what no call lists is an empty list.
    """

    async def scenario() -> None:
        async with connected() as pair:
            assert isinstance(pair.driver, Directory)
            assert [] == list(await pair.driver.conversations())

    asyncio.run(scenario())


def test_long_departments_come_in_pages() -> None:
    """
    None is left out between two pages, and each page is asked for once.
    """

    def crowd(dingtalk: Any) -> None:
        dingtalk.directory.departments = {
            1: Department("", 0, {f"u{number}": f"N{number}" for number in range(250)})
        }

    entries, pair = listed(crowd)

    assert [f"u{number}" for number in range(250)] == [entry.address["user_id"] for entry in entries]
    asked = [json.loads(call.body) for call in pair.dingtalk.calls if call.path == PERSONS_PATH]
    assert [0, 100, 200] == [one["cursor"] for one in asked]


def test_departments_within_departments_are_seen() -> None:
    """
    To any depth; one that contains itself is no trap.
    """

    def nested(dingtalk: Any) -> None:
        dingtalk.directory.departments = {
            number: Department(f"d{number}", number - 1, {f"u{number}": "x"}) for number in range(1, 30)
        }
        dingtalk.directory.departments[1].parent = 29

    entries, _ = listed(nested)

    assert 29 == len(entries)
    assert "d29" == entries[-1].detail


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        (PERSONS_PATH, "qyapi_get_department_member"),
        (DEPARTMENTS_PATH, "qyapi_get_department_list"),
    ],
)
def test_a_missing_permission_is_named_with_its_link(path: str, permission: str) -> None:
    """
    60011 inside of errcode 88, as DingTalk says it, or by itself; never tried again.
    """
    error = refused(lambda dingtalk: dingtalk.directory.missing.add(permission))
    assert isinstance(error, Broken)
    assert "permission_missing" == error.reason
    assert permission in str(error)
    link = "https://open-dev.dingtalk.com/appscope/apply?content=dingsimappkey0000001%23"
    assert link + permission in str(error)

    bare = Fault(200, {"errcode": 60011, "errmsg": f"{{requiredScopes=[{permission}]}}"})
    error = refused(lambda dingtalk: dingtalk.fail_next(bare, path=path))
    assert isinstance(error, Broken)
    assert permission in str(error)


def test_a_department_out_of_range_is_an_operators_case() -> None:
    """
    The app's range is set in the console, and that is what is said.
    """
    error = refused(lambda dingtalk: dingtalk.directory.hidden.add(2))

    assert isinstance(error, Broken)
    assert "console" in str(error)


def test_a_limit_is_waited_for() -> None:
    """
    Many small calls meet the limit of calls a second; the list is whole all the same.
    """
    busy = Fault(200, {"errcode": 90018, "errmsg": "QPS"})
    entries, pair = listed(lambda dingtalk: dingtalk.fail_next(busy, busy, path=PERSONS_PATH))

    assert 2 == len(entries)
    assert [60.0, 60.0] == pair.clock.slept

    assert isinstance(refused(lambda d: d.fail_next(*[busy] * 5, path=PERSONS_PATH)), Throttled)
    ban = Fault(403, b"<html>")
    assert isinstance(refused(lambda d: d.fail_next(ban, path=PERSONS_PATH)), Throttled)


@pytest.mark.parametrize(
    "answer",
    [
        page(list=[{"name": "x"}]),
        page(list=[{"userid": 7}]),
        page(list=[], has_more=True),
        page(list=[], has_more=True, next_cursor=0),
        page(list=[], has_more="perhaps"),
    ],
)
def test_an_odd_answer_is_refused(answer: Fault) -> None:
    """
    With a sentence; pages that go round in circles end.
    """
    error = refused(lambda dingtalk: dingtalk.fail_next(answer, path=PERSONS_PATH))

    assert isinstance(error, Refused)
    assert "DingTalk" in str(error)


def test_too_many_are_refused() -> None:
    """
    Rather than a list that looks whole and is not.
    """

    def crowd(dingtalk: Any) -> None:
        children = [{"dept_id": number, "name": "x"} for number in range(2, 2003)]
        dingtalk.fail_next(Fault(200, {"errcode": 0, "result": children}), path=DEPARTMENTS_PATH)

    assert "2000 departments" in str(refused(crowd))


def test_no_secret_is_said() -> None:
    """
    The token stands in the URL of these calls; errors show neither.
    """
    for fault in (
        Fault(reset=True),
        Fault(500, b"nothing"),
        Fault(200, {"errcode": 12345, "errmsg": SECRET}),
    ):
        error = refused(lambda dingtalk, fault=fault: dingtalk.fail_next(fault, path=PERSONS_PATH))
        assert "access_token" not in repr(error)
        assert SECRET not in repr(error)
        if fault.reset:
            assert isinstance(error, Indeterminate)
