"""What a look at the homeserver (``/sync``) brought, in a form that can be walked. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.errors import Malformed
from bridge.wild import Wild

PER_ROOM = 100
"""Events of one room that come at once; those before them are asked for, a page at a time."""

_SEEN = [
    "m.room.message",
    "m.room.redaction",
    "m.room.encrypted",
    "m.room.encryption",
    "m.room.member",
    "m.room.name",
    "m.room.canonical_alias",
    "m.reaction",
    "m.sticker",
]
_WITH_PEOPLE = {"lazy_load_members": True, "include_redundant_members": True}
ROOM_FILTER: Mapping[str, object] = {"types": _SEEN, "limit": PER_ROOM, **_WITH_PEOPLE}
_NOTHING: Mapping[str, object] = {"types": []}


def sync_filter(limit: int) -> Mapping[str, object]:
    """
    What to tell of the rooms: at most ``limit`` events of each, with the people who speak in them.

    https://spec.matrix.org/v1.16/client-server-api/#filtering
    """
    return {
        "presence": _NOTHING,
        "account_data": _NOTHING,
        "room": {
            "timeline": {**ROOM_FILTER, "limit": limit},
            "state": {"types": ["m.room.member", "m.room.encryption"], **_WITH_PEOPLE},
            "ephemeral": _NOTHING,
            "account_data": _NOTHING,
        },
    }


@dataclass(frozen=True, slots=True)
class InRoom:
    """``before`` is where a gap begins, seen from now; empty where there is none."""

    room_id: str
    state: tuple[Wild, ...]
    events: tuple[Wild, ...]
    before: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """Into a room, by somebody."""

    room_id: str
    inviter: str
    direct: bool


@dataclass(frozen=True, slots=True)
class Happened:
    """``next`` is the token for the next look."""

    next: str
    rooms: tuple[InRoom, ...] = ()
    invitations: tuple[Invitation, ...] = ()
    left: tuple[str, ...] = ()


def read(said: Mapping[str, object], user_id: str) -> Happened:
    """Raises `Malformed` where there is no token to go on with."""
    rooms = said.get("rooms")
    return Happened(
        Wild(said)["next_batch"].identifier(),
        tuple(_in_room(room_id, one) for room_id, one in _entries(rooms, "join")),
        tuple(
            _invitation(room_id, one["invite_state"], user_id)
            for room_id, one in _entries(rooms, "invite")
        ),
        tuple(room_id for room_id, _ in _entries(rooms, "leave")),
    )


def _entries(rooms: object, key: str) -> Iterator[tuple[str, Wild]]:
    inner = rooms.get(key) if isinstance(rooms, dict) else None
    for room_id, one in (inner if isinstance(inner, dict) else {}).items():
        if room_id.isprintable():
            yield room_id, Wild(one)


def _in_room(room_id: str, one: Wild) -> InRoom:
    timeline = one["timeline"]
    before = timeline["prev_batch"]
    return InRoom(
        room_id,
        tuple(one["state"]["events"]),
        tuple(timeline["events"]),
        before.text() if before.is_text and _flag(timeline["limited"]) else "",
    )


def _flag(given: Wild) -> bool:
    try:
        return given.flag()
    except Malformed:
        return False


def _invitation(room_id: str, state: Wild, user_id: str) -> Invitation:
    inviter, direct = "", False
    for event in state["events"]:
        kind, key, sender = event["type"], event["state_key"], event["sender"]
        if kind.is_text and kind.text() == "m.room.member" and key.is_text and key.text() == user_id:
            inviter = sender.text() if sender.is_text else ""
            direct = _flag(event["content"]["is_direct"])
    return Invitation(room_id, inviter, direct)


def since_our_join(events: tuple[Wild, ...], user_id: str) -> tuple[tuple[Wild, ...], bool]:
    """
    Those behind the place where we came into the room, and whether that place is among them: what was
    said before is not for us. Another name or picture of ours is no coming.
    """
    for at in range(len(events) - 1, -1, -1):
        if _is_our_join(events[at], user_id):
            return events[at + 1 :], True
    return events, False


def _is_our_join(event: Wild, user_id: str) -> bool:
    def says(value: Wild, wanted: str) -> bool:
        return value.is_text and value.text() == wanted

    before = event["unsigned"]["prev_content"]["membership"]
    return (
        says(event["type"], "m.room.member")
        and says(event["state_key"], user_id)
        and says(event["content"]["membership"], "join")
        and not says(before, "join")
    )
