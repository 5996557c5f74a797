"""Two small platforms, and both files read from what a test writes."""

import json
from collections.abc import Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bridge.driver import Complaint, DriverSpec, Listen
from bridge.files import Reading, read_files
from bridge.model import AddressForm, ConversationId
from bridge.problems import Problem
from bridge.registry import Registry


@asynccontextmanager
async def _never_opened(_id: object, _settings: object, _toolbox: object):
    raise AssertionError("these platforms are only read about")
    yield


def _complaints(settings: Mapping[str, Any]) -> Iterator[Complaint]:
    if settings.get("team") == "nobody":
        yield Complaint(
            path=("team",), code="chat-nobody", message="team {team} is nobody", args={"team": "nobody"}
        )
    if not settings.get("sign"):
        yield Complaint(
            path=(), code="chat-unsigned", message="sign is not set", hint="set it", warning=True
        )


CHAT = DriverSpec(
    platform="chat",
    schema={
        "type": "object",
        "required": ["token"],
        "additionalProperties": False,
        "properties": {
            "token": {"type": "string", "minLength": 1, "examples": ["t0ken"], "x-aliases": ["apikey"]},
            "sign": {"type": ["string", "null"], "default": None},
            "team": {"type": "string", "enum": ["red", "blue", "nobody"], "default": "red"},
            "url": {"type": "string", "format": "uri", "default": "https://chat.example"},
            "window": {"type": ["string", "number"], "format": "duration", "default": "5m"},
            "largest": {"type": ["string", "integer"], "format": "size", "default": "1KiB"},
            "listen_port": {"type": "integer", "minimum": 1, "maximum": 65535, "default": 9001},
            "listen_path": {"type": "string", "pattern": "^/", "default": "/chat"},
            "keyword": {"type": "string", "x-verbatim": True},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}, "default": {}},
            "users": {"type": "array", "items": {"type": "string"}},
        },
    },
    secrets=frozenset({"token", "sign", "headers"}),
    addresses=lambda _settings: (
        AddressForm("group", ("room",), lambda keys: ConversationId(keys["room"])),
        AddressForm(
            "person",
            ("user_id",),
            lambda keys: ConversationId(f"user:{keys['user_id']}"),
            optional=("desk",),
        ),
    ),
    form_of=lambda conversation: "person" if conversation.startswith("user:") else "group",
    open=_never_opened,
    check=_complaints,
    listen=lambda settings: Listen(settings["listen_port"], settings["listen_path"]),
)

HOOK = DriverSpec(
    platform="hook",
    schema={
        "type": "object",
        "additionalProperties": False,
        "properties": {"secret": {"type": "string"}},
    },
    secrets=frozenset({"secret"}),
    addresses=lambda _settings: (
        AddressForm(
            "hook",
            (),
            lambda keys: ConversationId(keys.get("conversation", "default")),
            ("conversation",),
        ),
    ),
    form_of=lambda _conversation: "hook",
    open=_never_opened,
)

REGISTRY = Registry.of(CHAT, HOOK)

CONFIG = {
    "chat": {"here": {"token": "t0p-secret", "sign": "s1gn", "team": "blue"}},
    "hook": {"there": {}},
}
RULES = {"rules": [{"from": {"here": {"room": "r1"}}, "to": {"there": {}}}]}


def read(
    folder: Path,
    config: object = CONFIG,
    rules: object = RULES,
    *,
    environ: Mapping[str, str] | None = None,
    suffix: str = ".json",
) -> Reading:
    """Values become JSON; texts and bytes are written as they are."""
    paths = []
    for name, value in (("config", config), ("rules", rules)):
        path = folder / f"{name}{suffix}"
        if isinstance(value, bytes):
            path.write_bytes(value)
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            path.write_text(text, encoding="utf-8", newline="")
        paths.append(path)
    return read_files(paths[0], paths[1], environ=environ or {}, registry=REGISTRY)


def errors(reading: Reading) -> list[Problem]:
    return [problem for problem in reading.problems if not problem.warning]


def unmarked(text: str) -> tuple[str, int, int, int]:
    """The text without «marks», and line, column and length of what stood between them."""
    before, _, rest = text.partition("«")
    token, _, after = rest.partition("»")
    line = before.count("\n") + 1
    return before + token + after, line, len(before) - before.rfind("\n"), len(token)
