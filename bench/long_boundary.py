"""A decision over a boundary of very many events, by a node that has nothing of it in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

from msgspec import field

from bench.result import Row, Target, check, row
from bench.rounds import Readings, Run
from twofold import App, Command, Event, Tag, WriteModel
from twofold.clock import new_id, new_uuid
from twofold.engines.sqlite import SqliteHistory
from twofold.history.boundary import Condition, Selection
from twofold.history.record import Submission
from twofold.history.store import Appended, Decision

_BATCH = 1_000
MeterId = Annotated[str, Tag("meter")]


class Read(Command):
    meter: MeterId


class Metered(Event):
    meter: MeterId
    amount: int
    number: int


class Meter(WriteModel, tag="meter"):
    """Counts, sums up, and keeps a little of what it saw."""

    number: int = 0
    total: int = 0
    by_amount: dict[int, int] = field(default_factory=dict)

    def evolve(self, event: Metered) -> None:
        self.number += 1
        self.total += event.amount
        self.by_amount[event.amount] = self.by_amount.get(event.amount, 0) + 1


app = App("meters")


@app.command
def read(command: Read, meter: Meter) -> Metered:
    return Metered(command.meter, 1, meter.number)


def measure(run: Run) -> Sequence[Row]:
    """Measure the first command to a node, with a snapshot of the boundary and without."""
    events = run.sizes.boundary_events
    with run.new_folder() as data:
        asyncio.run(_fill(data, events))
        with_snapshot, without = "with a snapshot", "without"
        decided = _Count(events)
        _cold(without, data, decided, True, data)
        series = run.interleave(
            partial(_cold, with_snapshot, data, decided, False),
            partial(_cold, without, data, decided, True),
        )
    measured = f"the first command to a node on SQLite, a boundary of {events:,} events; opening is not counted"
    return [
        row(
            "long boundary, cold", f"{measured}; with a snapshot", "ms", series[with_snapshot],
            floor=series[without], floor_measured="the same without a snapshot", target=Target(at_most=50),
        ),
        row("long boundary, no snapshot", f"{measured}; folded from the first event", "ms", series[without]),
    ]  # fmt: skip


class _Count:
    """How many events there are, so that every decision can be checked."""

    def __init__(self, events: int) -> None:
        self.events = events


def _cold(name: str, data: Path, count: _Count, delete: bool, _: Path) -> Readings:
    if delete:
        for path in data.glob("snapshots.db*"):
            with suppress(FileNotFoundError):
                path.unlink()
    return {name: asyncio.run(_first_command(data, count)) * 1_000}


async def _first_command(data: Path, count: _Count) -> float:
    async with app.open(f"sqlite:///{data}", roles=["write"]) as node:
        started = time.perf_counter()
        receipt = await node.send(Read("m"))
        seconds = time.perf_counter() - started
        last = [app.codec.decode(recorded) async for recorded in node.events(after=receipt.position - 1)]
    check(last == [Metered("m", 1, count.events)], "the boundary was not folded whole")
    count.events += 1
    return seconds


async def _fill(data: Path, events: int) -> None:
    history = SqliteHistory(data)
    try:
        for start in range(0, events, _BATCH):
            batch = [_decision(number, number - start) for number in range(start, min(start + _BATCH, events))]
            outcomes = await history.append(batch)
            check(all(isinstance(outcome, Appended) for outcome in outcomes), "the history could not be filled")
    finally:
        await history.close()


def _decision(number: int, seen: int) -> Decision:
    event = app.codec.propose(Metered("m", number % 50, number), new_id())
    return Decision(Submission(new_uuid(), "Read", b"{}", is_first=True), Condition(Selection(), 0, seen), (event,))
