"""The bricks of the page: sections, tables, states and times, in one reader's language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.i18n import Speak
from bridge.phrases import Phrase
from bridge.status.html import Child, Html, tag
from bridge.status.words import Level, Standing, seen_from


@dataclass(frozen=True, slots=True)
class Column:
    """``number``: its cells stand to the right, digit under digit."""

    title: Phrase
    number: bool = False


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks: their language, and the moment that the page tells of."""

    speak: Speak
    now: datetime

    def when(self, moment: datetime | None) -> Html:
        """A moment by its distance; the exact one stands in its title."""
        if moment is None:
            return NOTHING
        return tag(
            "time",
            self.speak(seen_from(self.now, moment)),
            datetime=moment.isoformat(),
            title=f"{moment:%Y-%m-%d %H:%M:%S} UTC",
        )

    def standing(self, state: Standing) -> Html:
        """A sign and a word, in the colour of its level."""
        return sign(state.level, state.sign, self.speak(state.word))

    def section(self, name: str, title: Phrase, *children: Child) -> Html:
        return tag(
            "section",
            tag("h2", self.speak(title), id=name),
            *children,
            class_=name,
            aria_labelledby=name,
        )

    def table(self, name: str, columns: Sequence[Column], rows: Iterable[Sequence[Child]]) -> Html:
        """
        The first cell of a row is its head. The roles are written out: on a narrow screen the rows
        become blocks, and browsers then forget that this is a table.
        """
        titles = [self.speak(column.title) for column in columns]
        head = tag(
            "tr",
            *(
                tag("th", title, scope="col", role="columnheader", class_=_kind(column))
                for title, column in zip(titles, columns, strict=True)
            ),
            role="row",
        )
        body = [
            tag(
                "tr",
                *(
                    tag(
                        "td" if number else "th",
                        tag("div", cell),
                        scope=None if number else "row",
                        role="cell" if number else "rowheader",
                        class_=_kind(columns[number]),
                        data_label=titles[number],
                    )
                    for number, cell in enumerate(row)
                ),
                role="row",
            )
            for row in rows
        ]
        return tag(
            "table",
            tag("thead", head, role="rowgroup"),
            tag("tbody", *body, role="rowgroup"),
            role="table",
            aria_labelledby=name,
        )

    def note(self, text: Phrase) -> Html:
        """A calm sentence where there is nothing to show."""
        return tag("p", self.speak(text), class_="note")


def sign(level: Level, mark: str, word: Child) -> Html:
    """The mark is for eyes that see no colour; a screen reader hears the word alone."""
    return tag(
        "span", tag("span", mark, aria_hidden="true", class_="sign"), " ", word, class_=level.value
    )


def small(*children: Child) -> Html:
    """What stands under the main thing of a cell."""
    return tag("div", *children, class_="small")


def command(text: str) -> Html:
    """What to type."""
    return tag("code", text)


NOTHING = tag("span", "–", class_="nothing")


def _kind(column: Column) -> str | None:
    return "number" if column.number else None
