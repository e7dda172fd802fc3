"""The results as a table on the terminal, as Markdown, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import msgspec

from bench.chart import Chart, Point
from bench.result import Row, Target

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
_HEADINGS = ("measurement", "median", "spread", "floor", "of the floor", "target", "")


class Results(msgspec.Struct, frozen=True):
    """All of a run; `seconds` are what each measurement took, `skipped` what could not be measured yet, and why."""

    sizes: str
    rounds: int
    machine: dict[str, str]
    rows: list[Row]
    charts: list[Chart] = []
    seconds: dict[str, float] = {}
    skipped: list[str] = []


def text_table(rows: Sequence[Row]) -> str:
    """Return the results for a terminal."""
    lines = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def markdown(results: Results, *, pictures: str = "") -> str:
    """Return the results as Markdown: the machine, the table, the curves, and what each line measured.

    `pictures` is the folder of the charts as it is seen from the document; without one they are shown as tables only.
    """
    parts = [f"Sizes: {results.sizes}; medians of {results.rounds} rounds. ", ""]
    parts += [f"- {name}: {value}" for name, value in results.machine.items()]
    parts += ["", _line(_HEADINGS), _line(["---", *["---:"] * 5, "---"])]
    parts += [_line(_cells(row)) for row in results.rows]
    for curve in results.charts:
        parts += ["", *_curve(curve, pictures)]
    parts += ["", "What was measured:", ""]
    parts += [_explained(row) for row in results.rows]
    if results.skipped:
        parts += ["", "What was not measured:", "", *(f"- {reason}" for reason in results.skipped)]
    if results.seconds:
        took = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in results.seconds.items())
        parts += ["", f"The whole took {sum(results.seconds.values()) / 60:.1f} minutes: {took}."]
    return "\n".join(part.rstrip() for part in parts) + "\n"


def comma_separated(rows: Sequence[Row], charts: Sequence[Chart] = ()) -> str:
    """Return every round as CSV: measurement, contender, place on the curve, unit, round, value, what stood beside."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(("measurement", "contender", "at", "unit", "round", "value", "beside", "beside is"))
    for row in rows:
        for number, value in enumerate(row.values, 1):
            beside = row.floor_values[number - 1] if row.floor_values else ""
            writer.writerow((row.name, "Twofold", "", row.unit, number, value, beside, row.floor_measured))
    for curve in charts:
        for label, points in curve.lines.items():
            for point in points:
                for number, value in enumerate(point.values, 1):
                    writer.writerow((curve.name, label, f"{point.at:g}", curve.unit, number, value, "", ""))
    return output.getvalue()


def pasted(document: str, results: str) -> str:
    """Return a document with the results between its two markers.

    Raises:
        ValueError: a marker is missing.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected the markers {BEGIN} and {END}, found not both")
    return f"{before}{BEGIN}\n\n{results}\n{END}{after}"


def summary(rows: Sequence[Row]) -> Mapping[str, int]:
    """Count targets met and missed."""
    return {verdict: sum(row.verdict == verdict for row in rows) for verdict in ("met", "missed")}


def _curve(curve: Chart, pictures: str) -> list[str]:
    places = curve.places
    parts = [f"**{curve.title}**", ""]
    if pictures:
        parts += [f"![{curve.title}]({pictures}/{curve.name}.svg)", ""]
    parts += [
        _line((f"{curve.unit}; {curve.across}:", *(f"{place:,g}" for place in places))),
        _line(("---", *["---:"] * len(places))),
    ]
    for label, points in curve.lines.items():
        found = {point.at: point for point in points}
        parts.append(_line((label, *(_spread(found.get(place)) for place in places))))
    return [*parts, *(["", curve.remark] if curve.remark else [])]


def _spread(point: Point | None) -> str:
    if point is None:
        return ""
    if len(point.values) == 1:
        return _number(point.median)
    return f"{_number(point.median)} ({_number(min(point.values))} to {_number(max(point.values))})"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        _number(row.median, row.unit),
        f"{_number(row.low)} to {_number(row.high)}" if len(row.values) > 1 else "",
        "" if row.floor_median is None else _number(row.floor_median, row.unit),
        _ratio(row),
        "" if row.target is None else _target(row.target, row.unit),
        row.verdict,
    )


def _explained(row: Row) -> str:
    floor = f"; floor: {row.floor_measured}" if row.floor_measured else ""
    remark = f" {row.remark}" if row.remark else ""
    return f"- **{row.name}**: {row.measured}{floor}.{remark}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(value: float, unit: str = "") -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    text = f"{value:,.{digits}f}"
    return text if not unit else f"{text}{unit}" if unit.startswith("/") else f"{text} {unit}"


def _ratio(row: Row) -> str:
    if row.ratio is None:
        return ""
    if row.unit.startswith("/") and row.ratio < 2:
        return f"{row.ratio:.0%}"
    return f"1/{1 / row.ratio:.1f}" if 0 < row.ratio < 0.5 else f"{row.ratio:.1f} times"


def _target(target: Target, unit: str) -> str:
    parts = []
    if target.at_least is not None:
        parts.append(f"≥ {_number(target.at_least, unit)}")
    if target.at_most is not None:
        parts.append(f"≤ {_number(target.at_most, unit)}")
    if target.ratio_at_least is not None:
        many = target.ratio_at_least >= 1
        parts.append(f"≥ {target.ratio_at_least:g} times" if many else f"≥ {target.ratio_at_least:.0%} of the floor")
    if target.ratio_at_most is not None:
        many = target.ratio_at_most >= 1
        parts.append(f"≤ {target.ratio_at_most:g} times" if many else f"≤ 1/{1 / target.ratio_at_most:g}")
    return ", ".join(parts)
