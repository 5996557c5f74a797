"""The figures that grow, as a picture: one small chart for each series, ours beside the floor."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from statistics import median

from bench.table import Figure

_WIDTH, _HEIGHT, _GAP = 380, 230, 20
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 44, 34
_OURS, _FLOOR = "#1f6feb", "#8b949e"
_ACROSS = 2


def svg(figures: Sequence[Figure]) -> str:
    """An SVG with a chart for every series among ``figures``; light and dark pages both suit it."""
    names = list(dict.fromkeys(figure.series for figure in figures if figure.series))
    rows = -(-len(names) // _ACROSS)
    width, height = _ACROSS * (_WIDTH + _GAP), rows * (_HEIGHT + _GAP)
    charts = []
    for i, name in enumerate(names):
        x, y = (i % _ACROSS) * (_WIDTH + _GAP), (i // _ACROSS) * (_HEIGHT + _GAP)
        chart = _chart(name, [figure for figure in figures if figure.series == name])
        charts.append(f'<g transform="translate({x} {y})">{chart}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="12" role="img" aria-label="how the figures grow">\n'
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n' + "\n".join(charts) + "\n</svg>\n"
    )


def _chart(name: str, figures: Sequence[Figure]) -> str:
    unit = figures[0].unit
    floor_name = figures[0].floor_name
    most = max([median(f.ours) for f in figures] + [median(f.floor) for f in figures if f.floor]) or 1.0
    step = (_WIDTH - _LEFT - _RIGHT) / len(figures)
    base = _HEIGHT - _BOTTOM
    parts = [
        f'<text x="{_LEFT}" y="16" font-weight="bold">{escape(name)}, {escape(unit)}</text>',
        f'<text x="{_LEFT}" y="34" fill="{_OURS}">msgbridge</text>',
        f'<line x1="{_LEFT}" y1="{base}" x2="{_WIDTH - _RIGHT}" y2="{base}" stroke="#57606a"/>',
    ]
    if floor_name:
        parts.append(f'<text x="{_LEFT + 80}" y="34" fill="{_FLOOR}">{escape(floor_name)}</text>')
    for i, figure in enumerate(figures):
        middle = _LEFT + step * (i + 0.5)
        bars = [(median(figure.ours), _OURS)] + ([(median(figure.floor), _FLOOR)] if figure.floor else [])
        wide = min(40.0, step * 0.8 / len(bars))
        for n, (value, colour) in enumerate(bars):
            tall = (base - _TOP - 12) * value / most
            x = middle + (n - len(bars) / 2) * wide
            parts.append(
                f'<rect x="{x:.1f}" y="{base - tall:.1f}" width="{wide - 2:.1f}" '
                f'height="{tall:.1f}" fill="{colour}"/>'
                f'<text x="{x + wide / 2:.1f}" y="{base - tall - 4:.1f}" text-anchor="middle" '
                f'font-size="10">{_short(value)}</text>'
            )
        words = figure.name.rsplit(", ", 1)[-1].split()
        label = words[0] if words[0][0].isdigit() else words[-1]
        parts.append(
            f'<text x="{middle:.1f}" y="{base + 18}" text-anchor="middle">{escape(label)}</text>'
        )
    return "".join(parts)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
