"""The HTTP API as one table: it routes the requests, and the OpenAPI document is made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.status import api_verbs
from bridge.status.api_schemas import FLAG, Schema
from bridge.status.api_verbs import Verb

ROOT = "/api/"

SCOPES: Mapping[str, str] = {
    "send": "Send, edit and recall messages.",
    "read": "See the state, the queue, dead letters, people and conversations.",
    "operate": "Hold, release, drop and replay deliveries; pause, resume and reload.",
}

_INSTANCE: Schema = {"type": "string", "maxLength": 64, "description": "Only deliveries to it."}
_LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": 500, "default": 100}
_QUEUED: Schema = {"enum": ["waiting", "held"], "default": "waiting"}
_DRY: Schema = {**FLAG, "default": False, "description": "Only say what would change."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """
    One thing that a program can ask for. A token with any of ``scopes`` may. ``body`` and ``gives``
    name components; without ``gives`` the answer is empty. ``fails`` are the statuses of its own
    problems: those of the door, that every operation has, are not among them.
    """

    name: str
    method: str
    path: str
    scopes: tuple[str, ...]
    summary: str
    verb: Verb
    status: int = 200
    body: str = ""
    gives: str = ""
    query: Mapping[str, Schema] = field(default_factory=dict)
    keyed: bool = False
    """It takes an Idempotency-Key."""
    fails: tuple[int, ...] = ()


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="send", method="POST", path="/api/messages", scopes=("send",),
        summary="Send one message to one conversation. It is in the journal when this answers.",
        verb=api_verbs.send, status=202, body="Letter", gives="Taken", keyed=True,
        fails=(404, 409, 422, 503),
    ),
    Operation(
        name="outcome", method="GET", path="/api/deliveries/{id}", scopes=("send", "read"),
        summary="What became of a delivery.",
        verb=api_verbs.outcome, gives="Delivery", fails=(404, 503),
    ),
    Operation(
        name="edit", method="PATCH", path="/api/deliveries/{id}", scopes=("send",),
        summary="Make a message that was sent by hand or by a program say something else.",
        verb=api_verbs.edit, status=202, body="Change", gives="Taken", fails=(404, 409, 422, 503),
    ),
    Operation(
        name="recall", method="DELETE", path="/api/deliveries/{id}", scopes=("send",),
        summary="Take back a message that was sent by hand or by a program.",
        verb=api_verbs.recall, status=202, gives="Taken", fails=(404, 409, 422, 503),
    ),
    Operation(
        name="users", method="GET", path="/api/instances/{instance}/users", scopes=("read",),
        summary="People that the platform lets us list, each with the address for a letter.",
        verb=api_verbs.users, gives="Entries", fails=(404, 422, 504),
    ),
    Operation(
        name="conversations", method="GET", path="/api/instances/{instance}/conversations",
        scopes=("read",),
        summary="Conversations that the platform lets us list, each with the address for a letter.",
        verb=api_verbs.conversations, gives="Entries", fails=(404, 422, 504),
    ),
    Operation(
        name="state", method="GET", path="/api/status", scopes=("read",),
        summary="Everything that the status page shows; as `msgbridge status --json`.",
        verb=api_verbs.state, gives="State", fails=(503,),
    ),
    Operation(
        name="queue", method="GET", path="/api/queue", scopes=("read",),
        summary="Deliveries that wait or are held, the oldest first.",
        verb=api_verbs.queue, gives="Deliveries",
        query={"status": _QUEUED, "instance": _INSTANCE, "limit": _LIMIT}, fails=(503,),
    ),
    Operation(
        name="hold", method="POST", path="/api/queue/hold", scopes=("operate",),
        summary="Keep waiting deliveries back until they are released.",
        verb=api_verbs.hold, body="Choice", gives="Moved", fails=(422, 503),
    ),
    Operation(
        name="release", method="POST", path="/api/queue/release", scopes=("operate",),
        summary="Let held deliveries wait again.",
        verb=api_verbs.release, body="Choice", gives="Moved", fails=(422, 503),
    ),
    Operation(
        name="dropQueued", method="POST", path="/api/queue/drop", scopes=("operate",),
        summary="Never send these waiting or held deliveries.",
        verb=api_verbs.drop_queued, body="Choice", gives="Moved", fails=(422, 503),
    ),
    Operation(
        name="dead", method="GET", path="/api/dead", scopes=("read",),
        summary="Dead letters, the oldest first.",
        verb=api_verbs.dead, gives="Deliveries", query={"instance": _INSTANCE, "limit": _LIMIT},
        fails=(503,),
    ),
    Operation(
        name="replay", method="POST", path="/api/dead/replay", scopes=("operate",),
        summary="Let dead letters wait again. It answers when all of them do.",
        verb=api_verbs.replay, body="Choice", gives="Moved", fails=(422, 503),
    ),
    Operation(
        name="dropDead", method="POST", path="/api/dead/drop", scopes=("operate",),
        summary="Give these dead letters up for good.",
        verb=api_verbs.drop_dead, body="Choice", gives="Moved", fails=(422, 503),
    ),
    Operation(
        name="pause", method="POST", path="/api/instances/{instance}/pause", scopes=("operate",),
        summary="Nothing more is sent by it until it is resumed; it still receives.",
        verb=api_verbs.pause, status=204, fails=(404, 422, 503),
    ),
    Operation(
        name="resume", method="POST", path="/api/instances/{instance}/resume", scopes=("operate",),
        summary="End a pause; what is suspended is tried at once.",
        verb=api_verbs.resume, status=204, fails=(404, 422, 503),
    ),
    Operation(
        name="reload", method="POST", path="/api/reload", scopes=("operate",),
        summary="Read both files again. Refused, with every problem, when they are wrong.",
        verb=api_verbs.reload, gives="Reloaded", query={"dry": _DRY}, fails=(422,),
    ),
)  # fmt: skip
