"""Two processes that write to one history on PostgreSQL, against one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.postgres.server import Server, server
from bench.processes import rate_of
from bench.result import Row, Target, row
from bench.rounds import Readings, Run
from bench.sizes import Sizes

_IN_FLIGHT = 64


def _together(name: str, place: Server, number: int, sizes: Sizes, folder: Path) -> Readings:
    return {name: rate_of(place.database(), number, sizes.users, sizes.commands, _IN_FLIGHT)}


def measure(run: Run) -> Sequence[Row]:
    """Measure one process and two in turn."""
    sizes = run.sizes
    with server() as place:
        series = run.interleave(
            partial(_together, "one", place, 1, sizes), partial(_together, "two", place, 2, sizes), warm_up=False
        )
    return [
        row(
            "PostgreSQL, two writing processes", f"{sizes.commands:,} commands in all, {_IN_FLIGHT} in flight in each",
            "/s", series["two"], floor=series["one"], floor_measured="one such process alone",
            target=Target(ratio_at_least=1),
        )
    ]  # fmt: skip
