"""What each operation of the HTTP API does: a call becomes a verb of the desk, and its answer JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.config import Config
from bridge.desk import Desk
from bridge.model import InstanceId, Status
from bridge.problems import listed, quoted
from bridge.problems.show import as_json
from bridge.status import api_views
from bridge.status.api_requests import Refusal, choice_of, letter_of, text_of

LISTING_WITHIN = 30.0
"""Seconds that a platform may take to list its people or conversations."""

LETTERS = "@desk"
"""The instance that letters of the desk come from."""

_DEFAULT_LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, proven and tamed. ``who`` stands in the audit log, ``caller`` is the token's name."""

    desk: Desk
    config: Config
    caller: str
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    idempotency_key: str

    @property
    def who(self) -> str:
        return f"api {self.caller}"

    @property
    def instance(self) -> str:
        """The instance that the path names. Raises `Refusal` for one that is not configured."""
        name = self.path["instance"]
        if InstanceId(name) not in self.config.instances:
            known = listed(self.config.instances) or "–"
            raise Refusal(404, "unknown", f"{quoted(name)} is not an instance; there is {known}")
        return name


Verb = Callable[[Call], Awaitable[dict[str, Any]]]
"""
Raises `Refusal`, or what the desk raises. The answer is empty where there is nothing to say.
"""


async def send(call: Call) -> dict[str, Any]:
    # Two programs may choose the same key: each has its own.
    key = f"{call.caller}/{call.idempotency_key}" if call.idempotency_key else ""
    letter = letter_of(call.body, key, call.config)
    return {"delivery_id": await call.desk.send(letter, who=call.who)}


async def outcome(call: Call) -> dict[str, Any]:
    row = await call.desk.outcome(call.path["id"])
    if row is None:
        raise Refusal(404, "unknown", "the journal knows no delivery of that id (any more)")
    return api_views.delivery(row)


async def edit(call: Call) -> dict[str, Any]:
    await _check_letter(call)
    changed = await call.desk.edit(call.path["id"], text_of(call.body), who=call.who)
    return {"delivery_id": changed}


async def recall(call: Call) -> dict[str, Any]:
    await _check_letter(call)
    return {"delivery_id": await call.desk.recall(call.path["id"], who=call.who)}


async def _check_letter(call: Call) -> None:
    """A program changes what programs and operators sent, never what people said. Raises `Refusal`."""
    row = await call.desk.outcome(call.path["id"])
    if row is None:
        raise Refusal(404, "unknown", "the journal knows no delivery of that id (any more)")
    if row.delivery.envelope.source.instance != LETTERS:
        raise Refusal(422, "unable", "somebody else's message: only letters can be changed or taken back")


async def users(call: Call) -> dict[str, Any]:
    async with asyncio.timeout(LISTING_WITHIN):
        return api_views.entries(await call.desk.users(call.instance))


async def conversations(call: Call) -> dict[str, Any]:
    async with asyncio.timeout(LISTING_WITHIN):
        return api_views.entries(await call.desk.conversations(call.instance))


async def state(call: Call) -> dict[str, Any]:
    return api_views.whole(await call.desk.snapshot())


async def queue(call: Call) -> dict[str, Any]:
    return await _rows(call, Status(call.query.get("status", Status.WAITING)))


async def dead(call: Call) -> dict[str, Any]:
    return await _rows(call, Status.DEAD)


async def _rows(call: Call, status: Status) -> dict[str, Any]:
    rows = await call.desk.rows(
        status,
        instance=call.query.get("instance", ""),
        limit=call.query.get("limit", _DEFAULT_LIMIT),
    )
    return api_views.deliveries(rows)


async def hold(call: Call) -> dict[str, Any]:
    return {"count": await call.desk.hold(choice_of(call.body), who=call.who)}


async def release(call: Call) -> dict[str, Any]:
    return {"count": await call.desk.release(choice_of(call.body), who=call.who)}


async def drop_queued(call: Call) -> dict[str, Any]:
    among = (Status.WAITING, Status.HELD)
    return {"count": await call.desk.drop(choice_of(call.body), who=call.who, among=among)}


async def drop_dead(call: Call) -> dict[str, Any]:
    return {"count": await call.desk.drop(choice_of(call.body), who=call.who, among=(Status.DEAD,))}


async def replay(call: Call) -> dict[str, Any]:
    done = 0
    async for progress in call.desk.replay(choice_of(call.body), who=call.who):
        done = progress.done
    return {"count": done}


async def pause(call: Call) -> dict[str, Any]:
    await call.desk.pause(call.instance, who=call.who)
    return {}


async def resume(call: Call) -> dict[str, Any]:
    await call.desk.resume(call.instance, who=call.who)
    return {}


async def reload(call: Call) -> dict[str, Any]:
    last = await call.desk.reload(who=call.who, dry=call.query.get("dry", False))
    if not last.ok:
        raise Refusal(
            422,
            "refused",
            last.why or "the files have mistakes; the ones before them run on",
            more={"problems": [as_json(problem) for problem in last.problems]},
        )
    return api_views.whole(last)
