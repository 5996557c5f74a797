"""The page of events, made from the list in the code: ``python -m tests.event_pages`` writes it."""

from pathlib import Path

from bridge.events import ALL

PAGE = Path(__file__).parent.parent / "docs" / "events.md"

HEAD = """# Events in the log

One event is one line: JSON under systemd, coloured on a terminal (`global.log`). `event` is one of the names below and
never anything else; `level`, `timestamp` (UTC) and the event's own keys stand beside it. Secrets are masked, and the text
of messages is never in it. The same `message` id follows a message from its acceptance to each of its deliveries.

What is marked *folded* is told once in 10 seconds when it repeats with the same reason at the same place; the next line has
the number of the others in `repeated`.
"""


def page():
    """The whole page, in English."""
    entries = [
        f"### `{told.name}` ({told.level}{', folded' if told.folded else ''})\n\n"
        f"{told.meaning}\n\nWhat to do: {told.to_do}\n"
        for told in sorted(ALL, key=lambda told: told.name)
    ]
    return "\n".join([HEAD, *entries])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
