"""What a measurement found: a row of the table, its target, and whether it was met."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Literal

import msgspec


class WrongResult(Exception):
    """What was measured did the wrong thing, so its speed says nothing; the run fails."""


def check(holds: bool, problem: str) -> None:
    """Fail the run unless a result is right.

    Raises:
        WrongResult: it is not.
    """
    if not holds:
        raise WrongResult(problem)


class Target(msgspec.Struct, frozen=True):
    """What was set out to be reached; every part that is given must hold of the median."""

    at_least: float | None = None
    at_most: float | None = None
    ratio_at_least: float | None = None
    ratio_at_most: float | None = None

    def holds(self, median: float, ratio: float | None) -> bool:
        """Tell whether a median, and its ratio to the floor, are good enough."""
        return (
            (self.at_least is None or median >= self.at_least)
            and (self.at_most is None or median <= self.at_most)
            and (self.ratio_at_least is None or (ratio is not None and ratio >= self.ratio_at_least))
            and (self.ratio_at_most is None or (ratio is not None and ratio <= self.ratio_at_most))
        )


class Row(msgspec.Struct, frozen=True):
    """One line of the table.

    `ratio` is the median over the rounds of value / floor of the same round, so what slows down both does not count.
    """

    name: str
    measured: str
    unit: str
    values: list[float]
    median: float
    low: float
    high: float
    floor_measured: str = ""
    floor_values: list[float] = []
    floor_median: float | None = None
    ratio: float | None = None
    target: Target | None = None
    verdict: Literal["met", "missed", ""] = ""
    remark: str = ""


def row(
    name: str,
    measured: str,
    unit: str,
    values: Sequence[float],
    *,
    floor: Sequence[float] = (),
    floor_measured: str = "",
    target: Target | None = None,
    remark: str = "",
) -> Row:
    """Return the row of a series of rounds."""
    median = statistics.median(values)
    ratio = statistics.median(a / b for a, b in zip(values, floor, strict=True)) if floor else None
    met = None if target is None else target.holds(median, ratio)
    return Row(
        name=name,
        measured=measured,
        unit=unit,
        values=list(values),
        median=median,
        low=min(values),
        high=max(values),
        floor_measured=floor_measured,
        floor_values=list(floor),
        floor_median=statistics.median(floor) if floor else None,
        ratio=ratio,
        target=target,
        verdict="" if met is None else "met" if met else "missed",
        remark=remark,
    )
