"""Rules files and messages by the thousand: random, right, and the same ones in every run."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge.model import Attachment, AttachmentKind, Envelope, EventKind, UserId
from tests.builders import a_message, a_sender, an_envelope

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Places:
    """What rules may name, as (instance, address), and ``heard``: where messages come from."""

    sources: Sequence[tuple[str, Json]]
    targets: Sequence[tuple[str, Json]]
    channels: Sequence[tuple[str, Json]]
    heard: Sequence[str]


_GROUPS = [(name, {"open_conversation_id": f"cid{n}"}) for name in ("dt", "two") for n in range(3)]
_PERSONS = [(name, {"user_id": f"u{n}"}) for name in ("dt", "two") for n in range(2)]
_ROOMS = [("hook", {"conversation": room}) for room in "ab"] + [("hook", {})]

PLACES = Places(
    sources=(
        *_GROUPS, *_PERSONS, *_ROOMS, ("ear", {}), ("ear", {"conversation": "*"}),
        ("dt", {"open_conversation_id": "*"}), ("two", {"user_id": "*"}), ("dt", {"user_id": "*"}),
        ("hook", {"conversation": "*"}),
    ),
    targets=(
        *_GROUPS, *_PERSONS, *_ROOMS, ("group", {}), ("dt", {"user_id": "{user_id}"}),
        ("hook", {"conversation": "by-{user_id}"}), ("hook", {"conversation": "{conversation}"}),
        ("two", {"open_conversation_id": "{conversation}"}),
    ),
    channels=(*_GROUPS, *_PERSONS, *_ROOMS),
    heard=(
        *(f"{name}/cid{n}" for name in ("dt", "two") for n in range(4)),
        *(f"{name}/user:u{n}" for name in ("dt", "two") for n in range(3)),
        *("ear/default", "ear/a", "hook/a", "hook/b", "hook/c", "hook/default", "dt/dm:cid9"),
    ),
)  # fmt: skip

WORDS = (
    "deploy",
    "FAILED",
    "你好",
    "#private",
    "token=abc123",
    "a b",
    "42",
    "<b>&amp;",
    "{msg}",
    "é\u0301",
)
_TEMPLATES = (
    "{msg}", "{user}: {msg}", "[{title}] {user_id}: {msg}", "{platform} {instance_id} {from}\n{msg}",
    "{{no field}} {nickname} {time} {msg}", "{reply_to}{username}{user_avatar}",
)  # fmt: skip
_STEPS = (
    ("token=\\S+", "token=…"), ("(?i)failed", "broken"), ("^", "> "), ("(\\d)(\\d)", "\\2\\1"),
    ("(?s).*", ""),
)  # fmt: skip


class RandomRules:
    """One rules file after the other; each names only what is in ``places``."""

    def __init__(self, places: Places, seed: int) -> None:
        self._places = places
        self._chance = random.Random(seed)

    def file(self, rules: int = 0) -> Json:
        count = rules or self._chance.randint(1, 12)
        return {"rules": [self._rule(n) for n in range(count)]}

    def _rule(self, number: int) -> Json:
        chance, places = self._chance, self._places
        rule: Json = {} if self._maybe(0.2) else {"id": f"rule-{number}"}
        if self._maybe(0.3) and places.channels:
            rule["channels"] = self._block(chance.sample(places.channels, chance.randint(2, 4)), msg=True)
        else:
            rule["from"] = self._block(chance.sample(places.sources, chance.randint(1, 5)), msg=False)
            rule["to"] = self._block(chance.sample(places.targets, chance.randint(1, 4)), msg=True)
        if self._maybe(0.4):
            rule["when"] = self._conditions()
        if self._maybe(0.3):
            rule["unless"] = self._conditions()
        if self._maybe(0.4):
            steps = chance.sample(_STEPS, chance.randint(1, 3))
            rule["transform"] = [{"replace": pattern, "with": text} for pattern, text in steps]
        if self._maybe(0.6):
            rule["msg"] = self._msg()
        if self._maybe(0.3):
            rule["attachments"] = chance.choice(("link", "drop", "upload"))
        flags = {"stop": 0.2, "otherwise": 0.2, "enabled": 0.15}
        return rule | {flag: self._maybe(0.5) for flag, odds in flags.items() if self._maybe(odds * 2)}

    def _maybe(self, odds: float) -> bool:
        return self._chance.random() < odds

    def _block(self, chosen: Sequence[tuple[str, Json]], *, msg: bool) -> Json:
        block: dict[str, list[Json]] = {}
        for instance, address in chosen:
            own = {"msg": self._msg()} if msg and self._maybe(0.3) else {}
            block.setdefault(instance, []).append({**address, **own})
        return {name: found[0] if len(found) == 1 else found for name, found in block.items()}

    def _msg(self) -> Json:
        format_ = {"format": self._chance.choice(("plain", "markdown"))} if self._maybe(0.2) else {}
        return {"msg_format": self._chance.choice(_TEMPLATES), **format_}

    def _conditions(self) -> Json:
        chance = self._chance
        every: Json = {
            "text_contains": chance.sample(WORDS, 2),
            "text_matches": chance.choice(("(?i)deploy|failed", "^\\S+$", "[0-9]{2}", "\\p{Han}")),
            "senders": {chance.choice(("include", "exclude")): ["u0", "u1"]},
            "kinds": chance.sample([kind.value for kind in EventKind], 3),
            "direct": self._maybe(0.3),
            "mentions_bot": self._maybe(0.5),
            "has_attachments": self._maybe(0.3),
            "hours": {
                "from": "09:00",
                "to": "18:00",
                "time_zone": chance.choice(("UTC", "Asia/Shanghai")),
            },
        }
        return {key: every[key] for key in chance.sample(sorted(every), chance.randint(1, 2))}


def a_random_envelope(chance: random.Random, number: int) -> Envelope:
    text = " ".join(chance.choices(WORDS, k=chance.randint(0, 4)))
    files = (Attachment(AttachmentKind.IMAGE, url="https://example.com/1.png"),)
    at = chance.choice(PLACES.heard)
    user = f"u{chance.randrange(4)}"
    return an_envelope(
        at=at,
        id=f"m{number}",
        message=a_message(text, id=f"m{number}", attachments=files if chance.random() < 0.2 else ()),
        sender=a_sender(chance.choice(("Ada", "李雷", "{msg}", "")), id=UserId(user)),
        kind=chance.choices([*EventKind], weights=(8, 1, 1, 1, 1))[0],
        conversation_title=chance.choice(("", "Team A", "群")),
        direct="/user:" in at or "/dm:" in at,
        mentions_bot=chance.random() < 0.4,
    )
