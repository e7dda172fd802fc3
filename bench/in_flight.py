"""Commands on SQLite with 1, 8, 64 and 256 in flight, over many boundaries and over one; beside a floor and peers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from examples.profiles.app import app

from bench import verify
from bench.chart import Chart
from bench.commands import WRITE, said_of
from bench.floor import Template, insert_in_stages, template_of
from bench.peers import rates
from bench.result import Row, Target, row
from bench.rounds import Readings, Run
from bench.stages import SPREAD, Staged, charts_of, prepared
from bench.witness import Settings, Witness
from bench.workload import closed_loop

LABELS = {
    "node": "Twofold",
    "floor": "floor: the same rows through apsw, a transaction for each so many",
    "eventsourcing": "eventsourcing, aggregates",
    "umadb": "UmaDB, conditional appends alone",
}
_PEER = "the eventsourcing library on SQLite, a thread a sender"
_REMARK = (
    "The peer loads an aggregate, decides, and saves its event; it keeps no ledger and knows no command ids. "
    "Its SQLite is the one of the interpreter, in WAL mode with synchronous = FULL."
)
_UMADB = (
    "UmaDB only appends under a condition; nothing is loaded, decided or logged there. It has no switch for its "
    "durability and tells nothing of it, so that is not read back."
)


async def send_all(folder: Path, work: Staged) -> tuple[list[float], Settings]:
    """Return the seconds of each stage, and the settings read back; check every event of every stage."""
    seconds: list[float] = []
    with Witness().watching() as witness:
        async with app.open(f"sqlite:///{folder}", roles=WRITE) as node:
            receipts = await closed_loop(node, work.seed, 100)
            for stage in work.stages:
                started = time.perf_counter()
                receipts += await closed_loop(node, stage.sent, stage.in_flight)
                seconds.append(time.perf_counter() - started)
            settings = witness.history_settings()
        verify.history_holds(folder, work.all, receipts)
    return seconds, settings


def _node(work: Staged, folder: Path) -> Readings:
    seconds, _ = asyncio.run(send_all(folder, work))
    return work.rates("node", seconds, work.own_counts)


def _floor(work: Staged, template: Template, folder: Path) -> Readings:
    return work.rates("floor", insert_in_stages(folder, template, work.ends)[1:], work.own_counts)


def _peer(work: Staged, folder: Path) -> Readings:
    return rates.eventsourcing("eventsourcing", "sqlite", str(folder / "peer.db"), work)


def _umadb(work: Staged, folder: Path) -> Readings:
    return rates.umadb("umadb", folder, work)


def _recorded(run: Run, work: Staged) -> Template:
    with run.new_folder() as folder:
        _, settings = asyncio.run(send_all(folder, work))
        return template_of(folder, settings)


def measure(run: Run) -> Sequence[Row | Chart]:
    """Measure every stage with every contender, each once a round."""
    work = prepared(run.sizes)
    template = _recorded(run, work)
    series = run.interleave(
        partial(_floor, work, template),
        partial(_node, work),
        partial(_peer, work),
        partial(_umadb, work),
        warm_up=False,  # the registrations before the stages are one
    )
    over = f"over {run.sizes.users:,} boundaries; roles: write"
    many, single = f"{run.sizes.levels[-2]} in flight", "one at a time"
    at = {stage.in_flight: stage for stage in work.stages if stage.over == SPREAD}
    first, busy = at[run.sizes.levels[0]].named, at[run.sizes.levels[-2]].named
    floor = "the same rows through apsw, {} a commit"
    return [
        row(
            f"SQLite, {many}", f"{many} {over}", "/s", series[busy("node")], floor=series[busy("floor")],
            floor_measured=floor.format(run.sizes.levels[-2]), target=Target(ratio_at_least=0.35),
            remark=said_of(template.settings),
        ),
        row(
            f"SQLite, {single}", f"each after the receipt before it, {over}", "/s", series[first("node")],
            floor=series[first("floor")], floor_measured=floor.format("one"), target=Target(ratio_at_least=0.35),
        ),
        row(
            f"SQLite, {many}, against eventsourcing", f"{many} {over}", "/s", series[busy("node")],
            floor=series[busy("eventsourcing")], floor_measured=_PEER, target=Target(ratio_at_least=12),
            remark=_REMARK,
        ),
        row(
            f"SQLite, {single}, against eventsourcing", f"each after the receipt before it, {over}", "/s",
            series[first("node")], floor=series[first("eventsourcing")], floor_measured=_PEER,
            target=Target(ratio_at_least=1.5),
        ),
        row(
            f"{many}, against UmaDB's conditional appends", f"{many} {over}", "/s", series[busy("node")],
            floor=series[busy("umadb")], floor_measured="UmaDB's server, through its own client, a thread a sender",
            target=Target(ratio_at_least=1.3), remark=_UMADB,
        ),
        *charts_of("sqlite", "SQLite", work, series, LABELS, f"{_REMARK} {_UMADB}"),
    ]  # fmt: skip
