"""The figures beside their floors and marks, as a table for people and as JSON."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Mark:
    """What a figure must reach; ``least`` or ``most``, whichever is given."""

    words: str
    least: float | None = None
    most: float | None = None

    def met(self, value: float) -> bool:
        """The figure is on the right side of the mark."""
        if self.least is not None and value < self.least:
            return False
        return self.most is None or value <= self.most


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One line: what we measured in each run, what the floor did in the same run.

    ``judged`` says which value the mark is about: ``ours``, ``ratio`` (ours / floor) or
    ``difference`` (ours - floor), always the median over the pairs. Figures of one ``series`` belong
    into one picture, each at its ``x``.
    """

    name: str
    unit: str
    ours: Sequence[float]
    floor: Sequence[float] = ()
    floor_name: str = ""
    judged: str = "ours"
    mark: Mark | None = None
    series: str = ""
    x: float = 0.0

    @property
    def value(self) -> float:
        """What the mark is about."""
        if self.judged == "ratio":
            return median(a / b for a, b in zip(self.ours, self.floor, strict=True))
        if self.judged == "difference":
            return median(a - b for a, b in zip(self.ours, self.floor, strict=True))
        return median(self.ours)

    @property
    def met(self) -> bool:
        return self.mark is None or self.mark.met(self.value)

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": median(self.ours),
            "ours_runs": list(self.ours),
            "floor": median(self.floor) if self.floor else None,
            "floor_runs": list(self.floor),
            "floor_name": self.floor_name,
            "judged": self.judged,
            "value": self.value,
            "mark": self.mark.words if self.mark else None,
            "met": self.met,
            "series": self.series,
            "x": self.x,
        }

    def cells(self) -> tuple[str, ...]:
        floor = f"{_short(median(self.floor))} ({self.floor_name})" if self.floor else ""
        shown = {
            "ratio": f"{self.value:.2f} x",
            "difference": f"{self.value:+.2f} {self.unit}",
            "ours": "",
        }[self.judged]
        verdict = ("yes" if self.met else "NO") if self.mark else ""
        return (
            self.name,
            f"{_short(median(self.ours))} {self.unit}",
            f"{_short(min(self.ours))} to {_short(max(self.ours))}",
            floor,
            shown,
            self.mark.words if self.mark else "",
            verdict,
        )


_HEAD = ("figure", "ours (median)", "spread", "floor (median)", "against it", "mark", "met")


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table with aligned columns."""
    rows = [_HEAD, *(figure.cells() for figure in figures)]
    widths = [max(_width(row[i]) for row in rows) for i in range(len(_HEAD))]
    lines = [
        "| " + " | ".join(c + " " * (w - _width(c)) for c, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
