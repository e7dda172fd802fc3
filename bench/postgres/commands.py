"""Commands a second on PostgreSQL: many in flight, one at a time, from two processes; beside a floor and a peer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from examples.profiles.app import app

from bench import verify
from bench.against import PEER, peer_rate
from bench.commands import WRITE, Work, prepare
from bench.postgres import floor as plain
from bench.postgres.floor import Rows
from bench.postgres.server import Server, place_of, server
from bench.processes import rate_of
from bench.result import Row, Target, row
from bench.rounds import Readings, Run
from bench.sizes import Sizes
from bench.workload import closed_loop

IN_FLIGHT = 64


async def send_all(url: str, work: Work) -> float:
    """Return the seconds from the first command to the last receipt; check the result."""
    async with app.open(url, roles=WRITE) as node:
        receipts = await closed_loop(node, work.seed, 100)
        started = time.perf_counter()
        receipts += await closed_loop(node, work.timed, work.in_flight)
        seconds = time.perf_counter() - started
        await verify.history_of_node_holds(node, [*work.seed, *work.timed], receipts)
    return seconds


def _node(name: str, place: Server, work: Work, folder: Path) -> Readings:
    return {name: len(work.timed) / asyncio.run(send_all(place.database(), work))}


def _floor(name: str, place: Server, work: Work, template: dict[str, Rows], folder: Path) -> Readings:
    url = place.database()
    asyncio.run(_initialise(url))
    return {name: len(work.timed) / plain.insert(url, template, seed=len(work.seed), batch=work.in_flight)}


def _peer(name: str, place: Server, sizes: Sizes, in_flight: int, folder: Path) -> Readings:
    return {name: peer_rate("commands", "postgres", place_of(place.database()), sizes, in_flight)}


def _together(name: str, place: Server, number: int, sizes: Sizes, folder: Path) -> Readings:
    return {name: rate_of(place.database(), number, sizes.users, sizes.commands, IN_FLIGHT)}


async def _initialise(url: str) -> None:
    async with app.open(url, roles=WRITE):
        pass


def _template(place: Server, work: Work) -> dict[str, Rows]:
    url = place.database()
    asyncio.run(send_all(url, work))
    return plain.rows_written(url)


def measure(run: Run) -> Sequence[Row]:
    """Measure on one server, a new database each time."""
    sizes = run.sizes
    many = prepare(sizes, boundaries=sizes.users, commands=sizes.commands, in_flight=IN_FLIGHT)
    hot = prepare(sizes, boundaries=1, commands=sizes.commands, in_flight=IN_FLIGHT)
    single = prepare(sizes, boundaries=sizes.users, commands=sizes.single_commands, in_flight=1)
    with server() as place:
        rows_of_many, rows_of_single = _template(place, many), _template(place, single)
        series = run.interleave(
            partial(_floor, "floor", place, many, rows_of_many),
            partial(_node, "node", place, many),
            partial(_peer, "peer", place, sizes, IN_FLIGHT),
            partial(_node, "hot", place, hot),
            partial(_floor, "floor, single", place, single, rows_of_single),
            partial(_node, "single", place, single),
            partial(_peer, "peer, single", place, sizes, 1),
            partial(_together, "one", place, 1, sizes),
            partial(_together, "two", place, 2, sizes),
        )
        said = place.said
    loop = f"{IN_FLIGHT} in flight, {sizes.commands:,} commands"
    over = f"over {sizes.users:,} boundaries; roles: write"
    floor = "the same rows through asyncpg, {} a transaction, without lock or checks"
    return [
        row(
            "PostgreSQL, commands", f"{loop} {over}", "/s", series["node"], floor=series["floor"],
            floor_measured=floor.format(IN_FLIGHT), target=Target(at_least=12_000), remark=f"{said}.",
        ),
        row(
            "PostgreSQL, commands, against eventsourcing", f"{loop} {over}", "/s", series["node"],
            floor=series["peer"], floor_measured=f"{PEER}, on the same server", target=Target(ratio_at_least=20),
        ),
        row(
            "PostgreSQL, one hot boundary", f"{loop}, all on one user; roles: write", "/s", series["hot"],
            target=Target(at_least=12_000),
        ),
        row(
            "PostgreSQL, one at a time", f"each after the receipt before it, {over}", "/s", series["single"],
            floor=series["floor, single"], floor_measured=floor.format("one"),
        ),
        row(
            "PostgreSQL, one at a time, against eventsourcing", f"each after the receipt before it, {over}", "/s",
            series["single"], floor=series["peer, single"], floor_measured=f"{PEER}, on the same server",
            target=Target(ratio_at_least=2),
        ),
        row(
            "PostgreSQL, two writing processes", f"{sizes.commands:,} commands in all, {IN_FLIGHT} in flight in each",
            "/s", series["two"], floor=series["one"], floor_measured="one such process alone",
            target=Target(ratio_at_least=1),
        ),
    ]  # fmt: skip
