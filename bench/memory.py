"""Memory while a long history is imported and projected: it must not grow with the history."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.child import child
from bench.memory_child import Reading
from bench.result import Row, Target, check, row
from bench.rounds import Readings, Run

_MEBIBYTE = 2**20
_TELLING = 1_000_000  # with fewer, caches fill during the whole import
_SHOWN = (0, 10, 25, 50, 100)


def of_node(events: int, users: int, folder: Path) -> Readings:
    """Return the resident memory along the way, and how it grows after a quarter of the events, in a new process."""
    readings: list[Reading] = []
    with child("bench.memory_child", folder, events, users) as importer:
        while not readings or readings[-1].events < events:
            readings.append(msgspec.convert(importer.hear(), Reading))
    found = {f"{share} %": _at(readings, events * share // 100).resident / _MEBIBYTE for share in _SHOWN}
    late = [reading for reading in readings if reading.events >= events // 4]
    found["slope"] = _slope(late)
    return found


def _at(readings: Sequence[Reading], events: int) -> Reading:
    return min(readings, key=lambda reading: abs(reading.events - events))


def _slope(readings: Sequence[Reading]) -> float:
    """Return bytes an event by least squares, without what SQLite keeps in its page caches, which are bounded."""
    check(len(readings) > 1, "too few readings of the memory")
    middle = sum(reading.events for reading in readings) / len(readings)
    spread = sum((reading.events - middle) ** 2 for reading in readings)
    return sum((reading.events - middle) * (reading.resident - reading.sqlite) for reading in readings) / spread


def measure(run: Run) -> Sequence[Row]:
    """Import once: rounds would say the same again."""
    sizes = run.sizes
    once = msgspec.structs.replace(run, rounds=1)
    series = once.interleave(lambda folder: of_node(sizes.memory_events, sizes.memory_users, folder), warm_up=False)
    what = f"{sizes.memory_events:,} events of {sizes.memory_users:,} users sent to a full node and projected"
    rows = [
        row(f"memory at {share} %", f"{what}: resident memory of the process", "MiB", series[f"{share} %"])
        for share in _SHOWN
    ]
    slope = row(
        "memory, growth", f"{what}: slope from 25 % on, without SQLite's page caches", "B an event",
        series["slope"], target=Target(at_most=8) if sizes.memory_events >= _TELLING else None,
        remark="The smallest object kept for each event would make it about 50.",
    )  # fmt: skip
    return [*rows, slope]
