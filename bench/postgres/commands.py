"""Commands on PostgreSQL with 1, 8, 64 and 256 in flight, over many boundaries and over one; beside floor and peers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from examples.profiles.app import app

from bench import verify
from bench.chart import Chart
from bench.commands import WRITE
from bench.peers import rates
from bench.postgres import floor as plain
from bench.postgres.floor import Rows
from bench.postgres.server import Server, place_of, server
from bench.result import Row, Target, row
from bench.rounds import Readings, Run, Series
from bench.stages import HOT, SPREAD, Staged, charts_of, prepared
from bench.workload import closed_loop

IN_FLIGHT = 64
LABELS = {
    "node": "Twofold",
    "floor": "floor: the same rows, one asyncpg call for each so many",
    "postgres": "eventsourcing, aggregates, its default",
    "postgres-fast": "eventsourcing, aggregates, its functions in the database",
    "dcb": "eventsourcing, dynamic consistency boundaries",
}
_PEER = "the eventsourcing library, a thread a sender, up to 64 connections, on the same server"
_REMARK = (
    "The library's functions in the database (`POSTGRES_ENABLE_DB_FUNCTIONS`) insert without the table lock of its "
    "default: a reader that follows their numbers may pass over an event that commits late."
)


async def send_all(url: str, work: Staged) -> list[float]:
    """Return the seconds of each stage; check every event of every stage."""
    seconds: list[float] = []
    async with app.open(url, roles=WRITE) as node:
        receipts = await closed_loop(node, work.seed, 100)
        for stage in work.stages:
            started = time.perf_counter()
            receipts += await closed_loop(node, stage.sent, stage.in_flight)
            seconds.append(time.perf_counter() - started)
        await verify.history_of_node_holds(node, work.all, receipts)
    return seconds


def _node(place: Server, work: Staged, folder: Path) -> Readings:
    return work.rates("node", asyncio.run(send_all(place.database(), work)), work.own_counts)


def _floor(place: Server, work: Staged, template: dict[str, Rows], folder: Path) -> Readings:
    url = place.database()
    asyncio.run(_initialise(url))
    return work.rates("floor", plain.insert_in_stages(url, template, work.ends)[1:], work.own_counts)


def _peer(mode: str, place: Server, work: Staged, folder: Path) -> Readings:
    return rates.eventsourcing(mode, mode, place_of(place.database()), work)


async def _initialise(url: str) -> None:
    async with app.open(url, roles=WRITE):
        pass


def _template(place: Server, work: Staged) -> dict[str, Rows]:
    url = place.database()
    asyncio.run(send_all(url, work))
    return plain.rows_written(url)


def measure(run: Run) -> Sequence[Row | Chart]:
    """Measure on one server, a new database each time."""
    work = prepared(run.sizes)
    with server() as place:
        template = _template(place, work)
        series = run.interleave(
            partial(_floor, place, work, template),
            partial(_node, place, work),
            *(partial(_peer, mode, place, work) for mode in ("postgres", "postgres-fast", "dcb")),
            warm_up=False,  # the registrations before the stages are one
        )
        said = place.said
    return [*_rows(run, work, series, said), *charts_of("postgres", "PostgreSQL", work, series, LABELS, _REMARK)]


def _rows(run: Run, work: Staged, series: Series, said: str) -> list[Row]:
    levels = run.sizes.levels
    at = {(stage.in_flight, stage.over): stage.named for stage in work.stages}
    first, busy, hot = at[levels[0], SPREAD], at[levels[-2], SPREAD], at[levels[-2], HOT]
    over = f"over {run.sizes.users:,} boundaries; roles: write"
    many, single = f"{levels[-2]} in flight", f"each after the receipt before it, {over}"
    floor = "the same rows through asyncpg, {} a call, without lock or checks"
    return [
        row(
            "PostgreSQL, commands", f"{many} {over}", "/s", series[busy("node")], floor=series[busy("floor")],
            floor_measured=floor.format(levels[-2]), target=Target(at_least=15_000, ratio_at_least=0.35),
            remark=f"{said}.",
        ),
        row(
            "PostgreSQL, commands, against eventsourcing", f"{many} {over}", "/s", series[busy("node")],
            floor=series[busy("postgres")], floor_measured=_PEER, target=Target(ratio_at_least=25),
        ),
        row(
            "PostgreSQL, commands, against its fast mode", f"{many} {over}", "/s", series[busy("node")],
            floor=series[busy("postgres-fast")], floor_measured=_PEER, remark=_REMARK,
        ),
        row(
            "PostgreSQL, commands, against its dynamic boundaries", f"{many} {over}", "/s", series[busy("node")],
            floor=series[busy("dcb")], floor_measured=_PEER,
        ),
        row(
            "PostgreSQL, one hot boundary", f"{many}, all on one user; roles: write", "/s", series[hot("node")],
            floor=series[hot("postgres")], floor_measured=f"{_PEER}; it tries conflicts again",
            target=Target(at_least=12_000),
        ),
        row(
            "PostgreSQL, one at a time", single, "/s", series[first("node")], floor=series[first("floor")],
            floor_measured=floor.format("one"), target=Target(ratio_at_least=0.35),
        ),
        row(
            "PostgreSQL, one at a time, against eventsourcing", single, "/s", series[first("node")],
            floor=series[first("postgres")], floor_measured=_PEER, target=Target(ratio_at_least=2),
        ),
    ]  # fmt: skip
