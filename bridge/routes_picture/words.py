"""The routes in text: a tree for terminals, and a flowchart for pages that know Mermaid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.i18n import Speak
from bridge.model import ConversationRef
from bridge.phrases import phrase
from bridge.problems import printable
from bridge.routes_picture.chart import Chart, Drawn, Names, Place, title

_MOST_TARGETS = 12
"""Lines of one rule; the rest is a number."""


def tree(chart: Chart, names: Names, speak: Speak) -> str:
    """Each source, below it the rules that hear it, below them where they send it."""
    hearing: dict[Place, list[Drawn]] = {place: [] for place in chart.sources}
    for drawn in chart.rules:
        for place in drawn.sources:
            hearing[place].append(drawn)
    lines = [line for place in hearing for line in _branch(place, hearing[place], names, speak)]
    if not lines:
        lines.append(speak(phrase("no rule sends anything anywhere")))
    if chart.left_out:
        lines.append(speak(phrase("rules that are not shown: {count}", count=chart.left_out)))
    return "\n".join(lines) + "\n"


def _branch(place: Place, rules: Sequence[Drawn], names: Names, speak: Speak) -> Iterator[str]:
    yield _called(place, names)
    for number, drawn in enumerate(rules, 1):
        last = number == len(rules)
        asks = f"  [{', '.join(drawn.asks)}]" if drawn.asks else ""
        where = f"({drawn.rule.file}:{drawn.rule.line})"
        yield f"{'└' if last else '├'}── {printable(drawn.rule.id)} {where}{asks}"
        stem = " " if last else "│"
        targets = [target for target in drawn.targets if target != place]
        shown = targets if len(targets) <= _MOST_TARGETS else targets[: _MOST_TARGETS - 1]
        for at, target in enumerate(shown, 1):
            end = at == len(shown) == len(targets)
            turn = f"  ⟳ {speak(phrase('leads round'))}" if target in drawn.round_to else ""
            yield f"{stem}   {'└' if end else '├'}─▶ {_called(target, names)}{turn}"
        if len(shown) < len(targets):
            more = speak(phrase("and {count} more", count=len(targets) - len(shown)))
            yield f"{stem}   └─▶ … {more}"
    yield ""


def mermaid(chart: Chart, names: Names, speak: Speak) -> str:
    """https://mermaid.js.org/syntax/flowchart.html; rounds are thick, dotted and labelled."""
    numbers: dict[Place, str] = {}
    for place in (*chart.sources, *chart.targets):
        numbers.setdefault(place, f"c{len(numbers)}")
    lines = ["flowchart LR"]
    for place, id_ in numbers.items():
        lines.append(f"  {id_}[{_label(*title(place, names))}]")
    for number, drawn in enumerate(chart.rules):
        lines.append(f"  r{number}([{_label(drawn.rule.id, ', '.join(drawn.asks))}])")
        lines += [
            f"  {numbers[place]} {_arrow(place in drawn.round_from, speak)} r{number}"
            for place in drawn.sources
            if not drawn.both_ways
        ]
        for place in drawn.targets:
            arrow = _arrow(place in drawn.round_to, speak, both=drawn.both_ways)
            lines.append(f"  r{number} {arrow} {numbers[place]}")
    return "\n".join(lines) + "\n"


def _arrow(turns: bool, speak: Speak, *, both: bool = False) -> str:
    begin = "<" if both else ""
    return f"{begin}-. {speak(phrase('leads round'))} .->" if turns else f"{begin}-->"


def _label(first: str, second: str) -> str:
    lines = [printable(line) for line in (first, second) if line]
    safe = "<br/>".join("".join(_safe(char) for char in line) for line in lines)
    return f'"{safe}"'


def _safe(char: str) -> str:
    """Whatever could end a label or begin markup, as Mermaid's own entity."""
    return char if char.isalnum() or char in " _-./:,*()" else f"#{ord(char)};"


def _called(place: Place, names: Names) -> str:
    name = names.get(place, "") if isinstance(place, ConversationRef) else ""
    return printable(f"{place}  {name}" if name else str(place))
