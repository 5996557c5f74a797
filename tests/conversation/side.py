"""What a room of one platform can be made to say, and what somebody who sits in it sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

WORDS = tuple[str, str]
"""How a piece of a text is written (``plain bold italic struck code link``) and its words."""


@dataclass(slots=True)
class Shown:
    """
    A message as it stands in a room now. ``who`` wrote it there, which is the bridge for most.

    ``answers`` is the beginning of the message that it is shown under; ``reactions`` are
    ``emoji by name``.
    """

    who: str
    text: str
    answers: str = ""
    edited: bool = False
    deleted: bool = False
    reactions: list[str] = field(default_factory=list)


class Side(Protocol):
    """
    One platform with one person in one room. What a person does there returns how many events the
    bridge is told of; ``of`` and ``to`` name a message by words: the first of the room that has
    them.

    A side has only those verbs that its platform has; all of them are:
    ``says``, ``says_formatted``, ``shows_code``, ``quotes``, ``sends_picture``, ``sends_file``,
    ``says_at_length``, ``replies``, ``edits``, ``deletes``, ``reacts``, ``takes_back``.
    """

    name: str
    keeps: bool
    """Whether the platform keeps for the bridge what is said while the bridge is away."""

    def settings(self) -> tuple[str, dict[str, Any]]:
        """The platform's name and the account's keys in config.json."""
        ...

    def address(self) -> dict[str, str]:
        """The room in rules.json."""
        ...

    async def heard(self) -> list[Shown]:
        """All that the room shows, in its order."""
        ...
