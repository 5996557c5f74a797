"""How the simulator can be told to fail."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One answer instead of the right one. ``hang`` never answers, ``reset`` cuts the connection;
    with ``took`` the message arrives all the same. ``body`` is sent as it is, or as JSON.
    """

    status: int = 500
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    reset: bool = False
    took: bool = False


def refusal(status: int, code: str, message: str = "", **more: Any) -> Fault:  # noqa: ANN401 (JSON)
    """A fault in the shape of DingTalk's errors."""
    return Fault(status, {"code": code, "requestid": request_id(), "message": message, **more})


def request_id() -> str:
    """As DingTalk writes it into every refusal."""
    return str(uuid.uuid4()).upper()
