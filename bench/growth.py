"""Growth: what becomes slower or larger as the history becomes longer, on both engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import msgspec

from bench.chart import Chart, chart
from bench.child import Child, child
from bench.postgres.server import rows_of, server
from bench.result import Row, Target, check, row
from bench.rounds import Run

_ENGINES = ("SQLite", "PostgreSQL")
_SIZE = (
    "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = 'history' AND c.relkind = 'r'"
)
_CHARTS = {
    "commands": ("Commands a second, 64 in flight over 1,000 boundaries", "commands a second"),
    "cold": ("A command on a boundary of about ten events that is not in memory, with its commit", "ms"),
    "catch-up": ("Events a second of a new read model", "events a second"),
    "ask": ("A query by key", "µs"),
    "page": ("A page of 50 in the order of the keys", "µs"),
    "bytes": ("Bytes on disk an event: events, tags, ledger and their indexes", "bytes an event"),
    "memory": ("Memory of the process that did all of this", "MiB"),
}
Found: TypeAlias = dict[str, dict[str, dict[float, list[float]]]]


class Store(msgspec.Struct, frozen=True):
    """Where a history of some length is, and how many bytes it takes."""

    url: str
    size: Callable[[], int]


Stores: TypeAlias = Mapping[str, Mapping[int, Store]]


def measure(run: Run) -> Sequence[Row | Chart]:
    """Measure each engine at each length; commands in rounds over all lengths in turn."""
    found: Found = {quantity: {label: {} for label in _ENGINES} for quantity in _CHARTS}
    with ExitStack() as stack:
        folder = stack.enter_context(run.new_folder())
        place = stack.enter_context(server())
        lengths = run.sizes.growth
        stores = {
            "SQLite": {length: _sqlite(folder, length) for length in lengths},
            "PostgreSQL": {length: _postgres(place.database()) for length in lengths},
        }
        _fill(stores)
        for label in _ENGINES:
            _measure_engine(run, label, stores[label], found)
    return [*(_row(run, label, found["commands"][label]) for label in _ENGINES), *_charts(found)]


def _fill(stores: Stores) -> None:
    """Fill the histories of both engines side by side."""
    with ExitStack() as stack:
        fillers = []
        for each in stores.values():
            words = [word for length, store in each.items() for word in (store.url, length)]
            fillers.append(stack.enter_context(child("bench.grown", *words)))
        for filler in fillers:
            check(filler.hear() == "filled", "a history was not filled")
    for store in stores["PostgreSQL"].values():
        # Else the server does it some time later, beside what is measured.
        rows_of(store.url, "VACUUM ANALYZE")


def _measure_engine(run: Run, label: str, stores: Mapping[int, Store], found: Found) -> None:
    count = max(50, run.sizes.level_commands // 4)
    with ExitStack() as stack:
        nodes: dict[int, Child] = {}
        for length, store in stores.items():
            found["bytes"][label][length] = [store.size() / length]
            program = ("bench.growth_child", store.url, length, min(count, length), run.sizes.asks // 4)
            nodes[length] = stack.enter_context(child(*program))
            readings: dict[str, float] = nodes[length].hear()
            run.say(f"  {label}, {length:,} events: {readings}")
            for quantity, value in readings.items():
                found[quantity][label][length] = [value]
            found["commands"][label][length] = []
        for number in range(run.rounds + 1):
            for length, node in nodes.items():
                node.tell("send")
                rate = float(node.hear())
                if number:  # the first is a warm-up
                    found["commands"][label][length].append(rate)


def _sqlite(folder: Path, length: int) -> Store:
    place = folder / str(length)
    return Store(f"sqlite:///{place}", lambda: sum(file.stat().st_size for file in place.glob("history.db*")))


def _postgres(url: str) -> Store:
    def size() -> int:
        ((found,),) = rows_of(url, _SIZE)
        check(found is not None and found > 0, "the history takes no space")
        return int(found)

    return Store(url, size)


def _row(run: Run, label: str, rates: Mapping[float, list[float]]) -> Row:
    first, last = run.sizes.growth[0], run.sizes.growth[-1]
    return row(
        f"growth, {label}", f"commands a second at {last:,} events, 64 in flight over 1,000 boundaries", "/s",
        rates[last], floor=rates[first], floor_measured=f"the same at {first:,} events, in turn",
        target=Target(ratio_at_least=0.9),
    )  # fmt: skip


def _charts(found: Found) -> list[Chart]:
    return [
        chart(f"growth-{quantity}", title, across="events in the history", unit=unit, lines=found[quantity])
        for quantity, (title, unit) in _CHARTS.items()
    ]
