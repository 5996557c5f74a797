"""Wire files: messages, and what a service is given of them by the form that it reads."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bridge.model import TextFormat
from drivers.apprise.wire import Form, Manner, letter
from tests.builders import an_outgoing

HERE = Path(__file__).parent


def wire(name: str) -> Any:
    """The JSON of one file in this folder."""
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def names() -> list[str]:
    return sorted(
        path.stem
        for path in (HERE / "outbound").glob("*.json")
        if not path.name.endswith(".expected.json")
    )


def given(described: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Title and body for each form; ``manner`` is how the service wants its messages."""
    manner = Manner(**{"limit": 4000, "has_titles": True, **described.get("manner", {})})
    outgoing = an_outgoing(
        described["text"],
        title=described.get("title", ""),
        format=TextFormat(described.get("format", "plain")),
    )
    return {form.value: asdict(letter(outgoing, form, manner)) for form in Form}
