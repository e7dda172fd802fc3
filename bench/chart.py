"""Curves: what was measured at several points of one axis, by one or more contenders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import msgspec


class Point(msgspec.Struct, frozen=True):
    """What the rounds read at one place of the horizontal axis."""

    at: float
    values: list[float]

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return median(self.values)


class Chart(msgspec.Struct, frozen=True):
    """Lines over one horizontal axis; both axes are logarithmic, because both span orders of magnitude.

    `name` is a file's name too: small letters and hyphens.
    """

    name: str
    title: str
    across: str
    unit: str
    lines: dict[str, list[Point]]
    remark: str = ""

    @property
    def places(self) -> list[float]:
        """All places of the horizontal axis, in order."""
        return sorted({point.at for line in self.lines.values() for point in line})


def chart(
    name: str,
    title: str,
    *,
    across: str,
    unit: str,
    lines: Mapping[str, Mapping[float, Sequence[float]]],
    remark: str = "",
) -> Chart:
    """Return a chart of what each line's rounds read at each place; lines and places without values are left out."""
    kept = {
        label: [Point(at, list(values)) for at, values in sorted(places.items()) if values]
        for label, places in lines.items()
    }
    return Chart(name, title, across, unit, {label: points for label, points in kept.items() if points}, remark)
