"""Every measurement by its name, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from bench import (
    ask,
    catch_up,
    commands,
    decisions,
    freshness,
    growth,
    in_flight,
    latency,
    lines,
    long_boundary,
    memory,
    over_http,
    processes,
    rebuild,
    segments,
    start_up,
    storm,
    watchers,
)
from bench.chart import Chart
from bench.postgres import commands as postgres_commands
from bench.postgres import processes as postgres_processes
from bench.postgres import projection as postgres_projection
from bench.result import Row
from bench.rounds import Run

Measurement: TypeAlias = Callable[[Run], Sequence[Row | Chart]]

MEASUREMENTS: dict[str, Measurement] = {
    "commands": commands.measure,
    "decisions": decisions.measure,
    "in-flight": in_flight.measure,
    "latency": latency.measure,
    "storm": storm.measure,
    "processes": processes.measure,
    "long-boundary": long_boundary.measure,
    "catch-up": catch_up.measure,
    "segments": segments.measure,
    "rebuild": rebuild.measure,
    "ask": ask.measure,
    "freshness": freshness.measure,
    "watchers": watchers.measure,
    "memory": memory.measure,
    "start-up": start_up.measure,
    "growth": growth.measure,
    "http": over_http.measure,
    "lines": lines.measure,
    "postgres-commands": postgres_commands.measure,
    "postgres-processes": postgres_processes.measure,
    "postgres-projection": postgres_projection.measure,
}
