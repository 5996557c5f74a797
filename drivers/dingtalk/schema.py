"""``schema.json`` beside this file: every key that an instance may have."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

SCHEMA: dict[str, Any] = json.loads(
    files(__package__).joinpath("schema.json").read_text(encoding="utf-8")
)
