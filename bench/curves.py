"""Charts as SVG: lines with their spread, both axes logarithmic, with units and a legend."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape
from itertools import count

from bench.chart import Chart, Point

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 400, 84, 24, 46, 56
_LEGEND = 22
_COLOURS = ("#2563a8", "#b4532a", "#3f8f4f", "#8a4fa3", "#a38a1f", "#4f7f8f", "#a34f6b", "#666e77")
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333}.small{font-size:11px;fill:#667}"
    ".grid{stroke:#8888;stroke-width:.5}.line{fill:none;stroke-width:2}.spread{stroke-width:1}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.small{fill:#99a}}"
)
Scale = Callable[[float], float]


def svg(chart: Chart) -> str:
    """Return a chart as a picture; each point is the median of its rounds, each bar their spread."""
    values = [value for line in chart.lines.values() for point in line for value in point.values]
    low, high = _decade(min(values), math.floor), _decade(max(values), math.ceil)
    across = _scale(chart.places[0], chart.places[-1], _LEFT, _WIDTH - _RIGHT)
    up = _scale(low, high if high > low else low * 10, _HEIGHT - _BOTTOM, _TOP)
    height = _HEIGHT + _LEGEND * math.ceil(len(chart.lines) / 2)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
            f"<title>{escape(chart.title)}</title><style>{_STYLE}</style>",
            f'<text x="{_LEFT}" y="22">{escape(chart.title)}</text>',
            *_axes(chart, across, up, low, high),
            *(
                part
                for number, (label, points) in enumerate(chart.lines.items())
                for part in _line(number, label, points, across, up)
            ),
            "</svg>\n",
        ]
    )


def _axes(chart: Chart, across: Scale, up: Scale, low: float, high: float) -> Iterator[str]:
    for place in chart.places:
        yield f'<line class="grid" x1="{across(place):.1f}" x2="{across(place):.1f}" y1="{_TOP}" y2="{up(low):.1f}"/>'
        yield _small(across(place), _HEIGHT - _BOTTOM + 18, short(place), "middle")
    for value in _ticks(low, high):
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up(value):.1f}" y2="{up(value):.1f}"/>'
        yield _small(_LEFT - 8, up(value) + 4, short(value), "end")
    yield _small((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - _BOTTOM + 40, chart.across, "middle")
    yield f'<text class="small" transform="rotate(-90)" x="{-(_HEIGHT - _BOTTOM + _TOP) / 2}" y="16" ' + (
        f'text-anchor="middle">{escape(chart.unit)}</text>'
    )


def _line(number: int, label: str, points: Sequence[Point], across: Scale, up: Scale) -> Iterator[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    path = " ".join(f"{across(point.at):.1f},{up(point.median):.1f}" for point in points)
    yield f'<polyline class="line" stroke="{colour}" points="{path}"/>'
    for point in points:
        x, low, high = (f"{place:.1f}" for place in (across(point.at), up(min(point.values)), up(max(point.values))))
        yield f'<line class="spread" stroke="{colour}" x1="{x}" x2="{x}" y1="{low}" y2="{high}"/>'
        yield f'<circle cx="{x}" cy="{up(point.median):.1f}" r="3.5" fill="{colour}"/>'
    left, top = _LEFT + number % 2 * 330, _HEIGHT + number // 2 * _LEGEND
    yield f'<rect x="{left}" y="{top}" width="12" height="12" fill="{colour}"/>'
    yield f'<text class="small" x="{left + 18}" y="{top + 10}">{escape(label)}</text>'


def _small(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="small" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _scale(low: float, high: float, begin: float, end: float) -> Scale:
    """Return where a value stands between two ends, by its logarithm."""
    width = math.log(high / low) if high > low else 1.0
    return lambda value: begin + (end - begin) * math.log(max(value, low * 1e-9) / low) / width


def _decade(value: float, rounded: Callable[[float], int]) -> float:
    return 10.0 ** rounded(math.log10(value)) if value > 0 else 1.0


def _ticks(low: float, high: float) -> Iterator[float]:
    for power in count(round(math.log10(low))):
        if 10.0**power > high * 1.001:
            return
        yield 10.0**power


def short(value: float) -> str:
    """Return a number as an axis shows it."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
