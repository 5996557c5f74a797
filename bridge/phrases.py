"""Sentences for people: an English template and its values; other languages come at the edge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Phrase:
    """
    ``template`` is the English text with ``{names}``; it is also the message id for translation.

    Only the bridge's own texts are templates; what users wrote is among the values.
    """

    template: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template.format_map(self.values)


def phrase(template: str, /, **values: object) -> Phrase:
    """Mark and make a phrase; the catalogue is gathered from calls of this name."""
    return Phrase(template, values)
