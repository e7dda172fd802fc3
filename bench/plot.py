"""Results as pictures: one bar for Twofold and one for what stands beside it, on a scale of their own each row."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench.result import Row

_WIDTH, _LINE, _LEFT, _BAR = 760, 46, 330, 300
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333}.own{fill:#2563a8}.beside{fill:#b9c3cf}"
    ".small{font-size:11px;fill:#667}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.small{fill:#99a}.own{fill:#6aa9ec}.beside{fill:#55606c}}"
)


def svg(rows: Sequence[Row]) -> str:
    """Return a picture of the rows that stand beside something: longer is more a second, or slower where it is ms."""
    shown = [row for row in rows if row.floor_median is not None]
    height = _LINE * len(shown) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>Medians of the measurements, each beside its floor or peer</title><style>{_STYLE}</style>",
    ]
    for number, row in enumerate(shown):
        parts += _bars(row, row.floor_median or 0.0, 12 + number * _LINE)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bars(row: Row, beside: float, top: int) -> list[str]:
    longest = max(row.median, beside) or 1.0
    own, other = (_BAR * value / longest for value in (row.median, beside))
    unit = "" if row.unit.startswith("/") else " "
    return [
        f'<text x="{_LEFT - 10}" y="{top + 19}" text-anchor="end">{escape(row.name)}</text>',
        f'<rect class="own" x="{_LEFT}" y="{top + 2}" width="{own:.1f}" height="15"/>',
        f'<rect class="beside" x="{_LEFT}" y="{top + 19}" width="{other:.1f}" height="11"/>',
        f'<text class="small" x="{_LEFT + own + 6:.1f}" y="{top + 14}">{_number(row.median)}{unit}{row.unit}</text>',
        f'<text class="small" x="{_LEFT + other + 6:.1f}" y="{top + 29}">{_number(beside)}{unit}{row.unit}</text>',
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
