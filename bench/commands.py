"""Commands a second: load, decide, append, durable, with ledger and id check, many in flight."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

import msgspec
from examples.profiles.app import app

from bench import verify
from bench.floor import Template, insert, template_of
from bench.result import Row, Target, row
from bench.rounds import Readings, Run
from bench.sizes import Sizes
from bench.witness import Settings, Witness
from bench.workload import Sent, closed_loop, registrations, updates, users
from twofold.node import Role

WRITE: tuple[Role, ...] = ("write",)
ALL: tuple[Role, ...] = ("write", "read", "project")


class Work(msgspec.Struct, frozen=True):
    """What every contender of a measurement does: users registered beforehand, then the commands that count."""

    seed: list[Sent]
    timed: list[Sent]
    in_flight: int


def prepare(sizes: Sizes, *, boundaries: int, commands: int, in_flight: int) -> Work:
    """Make the commands."""
    ids = users(boundaries)
    return Work(list(registrations(ids)), list(updates(ids, commands)), in_flight)


async def send_all(folder: Path, work: Work, roles: Collection[Role]) -> tuple[float, Settings]:
    """Return the seconds from the first command to the last receipt, and the settings read back; check the result."""
    with Witness().watching() as witness:
        async with app.open(f"sqlite:///{folder}", roles=roles) as node:
            receipts = await closed_loop(node, work.seed, 100)
            started = time.perf_counter()
            receipts += await closed_loop(node, work.timed, work.in_flight)
            seconds = time.perf_counter() - started
            settings = witness.history_settings()
            if "project" in roles:
                await node.caught_up()
                await verify.read_model_holds(node, [*work.seed, *work.timed], receipts)
        verify.history_holds(folder, [*work.seed, *work.timed], receipts)
    return seconds, settings


def node_rate(name: str, work: Work, roles: Collection[Role], folder: Path) -> Readings:
    """Return a node's commands a second."""
    seconds, _ = asyncio.run(send_all(folder, work, roles))
    return {name: len(work.timed) / seconds}


def floor_rate(name: str, work: Work, template: Template, batch: int, folder: Path) -> Readings:
    """Return the floor's commands a second: the same rows, so many to a transaction."""
    return {name: len(work.timed) / insert(folder, template, seed=len(work.seed), batch=batch)}


def record(run: Run, work: Work) -> Template:
    """Let a node do the work once, and keep its rows, and the settings read back from it, for the floor."""
    with run.new_folder() as folder:
        _, settings = asyncio.run(send_all(folder, work, WRITE))
        run.say(f"  {said_of(settings)}")
        return template_of(folder, settings)


def said_of(settings: Settings) -> str:
    """Return what was read back, as a sentence."""
    return (
        f"Read back from the engine's writing connection: synchronous = {settings.synchronous} (FULL), "
        f"journal_mode = {settings.journal_mode}."
    )


def measure(run: Run) -> Sequence[Row]:
    """Measure commands spread over many boundaries and all on one, by a writing node and by a full one."""
    sizes = run.sizes
    spread = prepare(sizes, boundaries=sizes.users, commands=sizes.commands, in_flight=sizes.in_flight)
    hot = prepare(sizes, boundaries=1, commands=sizes.commands, in_flight=sizes.in_flight)
    rows_of_spread, rows_of_hot = record(run, spread), record(run, hot)
    series = run.interleave(
        partial(floor_rate, "floor", spread, rows_of_spread, sizes.in_flight),
        partial(node_rate, "write node", spread, WRITE),
        partial(node_rate, "full node", spread, ALL),
        partial(floor_rate, "floor, hot", hot, rows_of_hot, sizes.in_flight),
        partial(node_rate, "write node, hot", hot, WRITE),
    )
    target = Target(at_least=25_000, ratio_at_least=0.35)
    floor = f"the same rows through apsw, {sizes.in_flight} a commit"
    loop = f"{sizes.in_flight} in flight, {sizes.commands:,} commands"
    return [
        row(
            "commands, writing node", f"{loop} over {sizes.users:,} boundaries; roles: write", "/s",
            series["write node"], floor=series["floor"], floor_measured=floor, target=target,
            remark=said_of(rows_of_spread.settings),
        ),
        row(
            "commands, full node", f"{loop} over {sizes.users:,} boundaries; projecting at the same time", "/s",
            series["full node"], floor=series["floor"], floor_measured=floor,
        ),
        row(
            "commands, one hot boundary", f"{loop}, all on one user; roles: write", "/s",
            series["write node, hot"], floor=series["floor, hot"], floor_measured=floor, target=Target(at_least=20_000),
            remark="Its rows are cheaper to store than scattered ones, so its floor is higher.",
        ),
    ]  # fmt: skip
