"""rules.json, understood: the compiled router, and the tests that an operator wrote beside the rules."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.model import Envelope, InstanceId
from bridge.problems import Place
from bridge.problems.document import Document
from bridge.routing import Router


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One message that must go out; ``conversation`` (canonical) and ``text`` only if they were given."""

    to: InstanceId
    place: Place
    conversation: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTest:
    """A message, and all that must become of it."""

    name: str
    envelope: Envelope
    expect: tuple[Expectation, ...]
    place: Place

    @property
    def line(self) -> int:
        return self.place.line


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesFile:
    """
    All of one rules file. ``source`` is the text that it was read from, for warnings about it: whoever
    runs for long keeps the ``router`` alone.
    """

    router: Router
    tests: tuple[RuleTest, ...] = ()
    file: str = "rules.json"
    source: Document | None = field(default=None, repr=False, compare=False)
