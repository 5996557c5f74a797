"""
The routes as SVG: sources on the left, rules in the middle, destinations on the right.

Colours come from a style sheet within, for light and dark; every colour that means something stands
beside a sign of its own shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from bridge.i18n import Speak
from bridge.model import ConversationRef
from bridge.phrases import phrase
from bridge.problems import printable
from bridge.problems.show import width
from bridge.routes_picture.chart import Chart, Drawn, Mark, Names, Place, title

STYLE = """
.mb{--paper:#fff;--ink:#1f2328;--soft:#57606a;--box:#f6f8fa;--edge:#afb8c1;--line:#818b98;
--round:#a63d00;--well:#1a7f37;--waiting:#8a5a00;--stopped:#c11f2b;
font:13px system-ui,"Noto Sans","Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif}
@media(prefers-color-scheme:dark){.mb{--paper:#0d1117;--ink:#e6edf3;--soft:#9da7b3;--box:#161b22;
--edge:#484f58;--line:#7d8590;--round:#ff9f5a;--well:#4cc265;--waiting:#e0a83c;--stopped:#ff7b72}}
.mb .paper{fill:var(--paper)}.mb text{fill:var(--ink)}.mb .soft{fill:var(--soft);font-size:11px}
.mb .head{font-weight:600}.mb rect.box{fill:var(--box);stroke:var(--edge)}
.mb rect.rule{fill:var(--paper);stroke:var(--ink)}.mb .way{fill:none;stroke:var(--line);stroke-width:1.3}
.mb .tip{fill:var(--line)}.mb .way.round{stroke:var(--round);stroke-width:2.2;stroke-dasharray:7 4}
.mb .tip.round,.mb text.round{fill:var(--round)}.mb rect.round{stroke:var(--round);stroke-width:2}
.mb .sign{fill:none;stroke-width:2.2;stroke-linecap:round;stroke-linejoin:round}
.mb .well{stroke:var(--well)}.mb .waiting{stroke:var(--waiting)}.mb .stopped{stroke:var(--stopped)}
""".strip()

_PLACE, _RULE, _GAP, _MARGIN = 240, 210, 120, 20
_PLACE_HIGH, _RULE_HIGH, _BETWEEN, _HEADING = 30, 42, 8, 26
_TOP, _BOTTOM = 50, 34
_ADVANCE = 7.1
"""Pixels of a narrow character at 13 px, on the average of common fonts and a little more."""

_SIGNS = {
    Mark.WELL: ("M-5 0l4 4l7-8", phrase("well")),
    Mark.WAITING: ("M-4-6h8M-4 6h8M-4-6l8 12M4-6l-8 12", phrase("messages are waiting")),
    Mark.STOPPED: ("M-5-5l10 10M5-5l-10 10", phrase("stopped")),
}


@dataclass(slots=True)
class _Box:
    """``ways`` are the other ends of the lines that meet its left or right side."""

    x: float
    y: float
    wide: float
    high: float
    into: list[float] = field(default_factory=list)
    out: list[float] = field(default_factory=list)

    @property
    def middle(self) -> float:
        return self.y + self.high / 2

    def port(self, ends: list[float], other: float) -> float:
        """Where the line from ``other`` meets this side: lines that come from above meet it above."""
        return self.y + self.high * (ends.index(other) + 1) / (len(ends) + 1)


def drawing(chart: Chart, names: Names, health: Mapping[ConversationRef, Mark], speak: Speak) -> str:
    """The whole element."""
    weights = _weights(chart)
    sources, targets = _grouped(chart.sources, weights), _grouped(chart.targets, weights)
    highest = max(_height(sources), _height(targets), len(chart.rules) * (_RULE_HIGH + _BETWEEN))
    total_wide = 2 * _MARGIN + 2 * _PLACE + 2 * _GAP + _RULE
    total_high = _TOP + highest + _BOTTOM
    at = [_MARGIN, _MARGIN + _PLACE + _GAP, _MARGIN + _PLACE + 2 * _GAP + _RULE]
    left, left_heads = _column(sources, at[0], highest)
    right, right_heads = _column(targets, at[2], highest)
    start = _TOP + (highest - len(chart.rules) * (_RULE_HIGH + _BETWEEN) + _BETWEEN) / 2
    rules = [
        _Box(at[1], start + number * (_RULE_HIGH + _BETWEEN), _RULE, _RULE_HIGH)
        for number in range(len(chart.rules))
    ]
    about = phrase(
        "routes: {rules} rules, from {sources} places to {targets}",
        rules=len(chart.rules),
        sources=len(chart.sources),
        targets=len(chart.targets),
    )
    parts = [
        f"<style>{STYLE}</style>",
        _tag("rect", class_="paper", width=total_wide, height=total_high),
    ]
    heads = (phrase("messages from"), phrase("rules"), phrase("go to"))
    for x, head in zip(at, heads, strict=True):
        parts.append(_tag("text", escape(speak(head)), class_="head", x=x, y=26))
    parts += _ways(chart, left, rules, right)
    parts += [_heading(name, x, y) for name, x, y in (*left_heads, *right_heads)]
    parts += [_place(place, box, names, None, speak) for place, box in left.items()]
    for drawn, box in zip(chart.rules, rules, strict=True):
        parts.append(_rule(drawn, box, speak))
    for place, box in right.items():
        mark = health.get(place) if isinstance(place, ConversationRef) else None
        parts.append(_place(place, box, names, mark, speak))
    if note := _note(chart, speak):
        parts.append(_tag("text", escape(note), class_="soft", x=at[0], y=total_high - 12))
    inner = "\n".join(["", *parts, ""])
    return (
        _tag(
            "svg",
            inner,
            xmlns="http://www.w3.org/2000/svg",
            class_="mb",
            role="img",
            aria_label=speak(about),
            viewBox=f"0 0 {total_wide} {_n(total_high)}",
            width=total_wide,
            height=total_high,
        )
        + "\n"
    )


def _grouped(places: Sequence[Place], weight: Mapping[Place, float]) -> list[tuple[str, list[Place]]]:
    """By instance, and both columns in one order."""
    by_instance: dict[str, list[Place]] = {}
    for place in sorted(places, key=lambda place: (weight[place], str(place))):
        by_instance.setdefault(title(place, {})[0], []).append(place)
    return list(by_instance.items())


def _weights(chart: Chart) -> dict[Place, float]:
    """The middle of the rules that name a place: what shares rules stands together, few lines cross."""
    met: dict[Place, list[int]] = {}
    for number, drawn in enumerate(chart.rules):
        for place in (*drawn.sources, *drawn.targets):
            met.setdefault(place, []).append(number)
    return {place: sum(numbers) / len(numbers) for place, numbers in met.items()}


def _height(groups: Sequence[tuple[str, Sequence[Place]]]) -> int:
    return sum(_HEADING + len(places) * (_PLACE_HIGH + _BETWEEN) for _, places in groups)


def _column(
    groups: Sequence[tuple[str, Sequence[Place]]], x: float, highest: float
) -> tuple[dict[Place, _Box], list[tuple[str, float, float]]]:
    y = _TOP + (highest - _height(groups)) / 2
    boxes = {}
    heads = []
    for name, places in groups:
        heads.append((name, x, y + _HEADING - 8))
        y += _HEADING
        for place in places:
            boxes[place] = _Box(x, y, _PLACE, _PLACE_HIGH)
            y += _PLACE_HIGH + _BETWEEN
    return boxes, heads


def _ways(
    chart: Chart, left: Mapping[Place, _Box], rules: Sequence[_Box], right: Mapping[Place, _Box]
) -> list[str]:
    """Rounds are drawn last, above the others."""
    ends = [
        (start, end, turns)
        for drawn, box in zip(chart.rules, rules, strict=True)
        for start, end, turns in (
            *((left[place], box, place in drawn.round_from) for place in drawn.sources),
            *((box, right[place], place in drawn.round_to) for place in drawn.targets),
        )
    ]
    for start, end, _ in ends:
        start.out.append(end.middle)
        end.into.append(start.middle)
    for box in (*left.values(), *rules, *right.values()):
        box.into.sort()
        box.out.sort()
    ways = [(_way(start, end, turns), turns) for start, end, turns in ends]
    ways.sort(key=lambda way: way[1])
    return [way for way, _ in ways]


def _way(start: _Box, end: _Box, turns: bool) -> str:
    x1, y1 = start.x + start.wide, start.port(start.out, end.middle)
    x2, y2 = end.x, end.port(end.into, start.middle)
    bend = (x2 - x1) / 2
    kind = " round" if turns else ""
    curve = f"M{_n(x1)} {_n(y1)}C{_n(x1 + bend)} {_n(y1)} {_n(x2 - bend)} {_n(y2)} {_n(x2 - 6)} {_n(y2)}"
    tip = f"M{_n(x2)} {_n(y2)}l-8-4v8z"
    return _tag("path", class_=f"way{kind}", d=curve) + _tag("path", class_=f"tip{kind}", d=tip)


def _heading(name: str, x: float, y: float) -> str:
    return _tag("text", _fit(name, _PLACE), class_="soft", x=x, y=y)


def _place(place: Place, box: _Box, names: Names, mark: Mark | None, speak: Speak) -> str:
    _, called = title(place, names)
    inner = [
        _hover(str(place)),
        _tag("rect", class_="box", x=box.x, y=box.y, width=box.wide, height=box.high, rx=5),
        _tag("text", _fit(called, box.wide - (48 if mark else 24)), x=box.x + 12, y=box.middle + 4.5),
    ]
    if mark is not None:
        path, words = _SIGNS[mark]
        at = f"translate({_n(box.x + box.wide - 18)} {_n(box.middle)})"
        sign = _tag("path", _hover(speak(words)), class_=f"sign {mark.value}", transform=at, d=path)
        inner.append(sign)
    return _tag("g", "".join(inner))


def _rule(drawn: Drawn, box: _Box, speak: Speak) -> str:
    turns = bool(drawn.round_to)
    kind = " round" if turns else ""
    notes = ["⇄"] if drawn.both_ways else []
    notes += [f"⟳ {speak(phrase('leads round'))}"] if turns else []
    notes += drawn.asks
    below = " · ".join(notes)
    centre = box.x + box.wide / 2
    inner = [
        _hover(f"{drawn.rule.id} ({drawn.rule.file}:{drawn.rule.line})"),
        _tag(
            "rect",
            class_=f"rule{kind}",
            x=box.x,
            y=box.y,
            width=box.wide,
            height=box.high,
            rx=12,
        ),
        _tag(
            "text",
            _fit(drawn.rule.id, box.wide - 36),
            x=centre,
            y=box.middle + (-3 if below else 4.5),
            text_anchor="middle",
        ),
    ]
    if below:
        said = _fit(below, (box.wide - 40) * 13 / 11)
        inner.append(
            _tag("text", said, class_=f"soft{kind}", x=centre, y=box.middle + 12.5, text_anchor="middle")
        )
    return _tag("g", "".join(inner))


def _note(chart: Chart, speak: Speak) -> str:
    if not chart.rules:
        return speak(phrase("no rule sends anything anywhere"))
    if chart.left_out:
        return speak(phrase("rules that are not shown: {count}", count=chart.left_out))
    return ""


def _hover(text: str) -> str:
    return _tag("title", _safe(text))


def _safe(text: str) -> str:
    """Whatever a stranger wrote, as text; XML has no U+FFFE and U+FFFF, not even escaped."""
    return escape(printable(text).translate({0xFFFE: None, 0xFFFF: None}))


def _tag(name: str, inner: str = "", **attributes: str | float) -> str:
    """One element; ``inner`` is markup. An attribute's ``_`` is its ``-``, but for one at the end."""
    written = "".join(
        f" {key.removesuffix('_').replace('_', '-')}"
        f"={quoteattr(value if isinstance(value, str) else _n(value))}"
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def _fit(text: str, pixels: float) -> str:
    """As much of the text as has room."""
    text = printable(text)
    columns = int(pixels / _ADVANCE)
    if width(text) > columns:
        while width(text) > columns - 1:
            text = text[:-1]
        text += "…"
    return _safe(text)


def _n(value: float) -> str:
    """A number, short and the same everywhere."""
    return f"{value:.1f}".removesuffix(".0")
