"""Twofold on SQLite against the `eventsourcing` library and against UmaDB: the same work, as durable, in one run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.commands import WRITE, Work, prepare, send_all
from bench.peers import environment
from bench.result import Row, Target, check, row
from bench.rounds import Readings, Run
from bench.sizes import Sizes

PEER = "the eventsourcing library, a thread a sender"
REMARK = (
    "The peer loads an aggregate, decides, and saves its event; it keeps no ledger and knows no command ids. "
    "Its SQLite is the one of the interpreter, in WAL mode with synchronous = FULL."
)


def peer_rate(work: str, engine: str, place: str, sizes: Sizes, in_flight: int) -> float:
    """Return the peer's commands a second; fails the run where events are missing."""
    count = sizes.peer_commands if in_flight > 1 else sizes.peer_commands // 4
    found = environment.run("eventsourcing_profiles", work, engine, place, sizes.users, count, in_flight)
    check(found["stored"] == count, f"the peer stored {found['stored']} of {count} events")
    durable = {"sqlite": ("synchronous", "2"), "postgres": ("synchronous_commit", "on")}[engine]
    check(found[durable[0]] == durable[1], f"the peer's {durable[0]} is {found[durable[0]]}, not {durable[1]}")
    return float(count / found["seconds"])


def _node(name: str, work: Work, folder: Path) -> Readings:
    seconds, _ = asyncio.run(send_all(folder, work, WRITE))
    return {name: len(work.timed) / seconds}


def _peer(name: str, work: str, sizes: Sizes, in_flight: int, folder: Path) -> Readings:
    return {name: peer_rate(work, "sqlite", str(folder / "peer.db"), sizes, in_flight)}


def _umadb(name: str, sizes: Sizes, in_flight: int, folder: Path) -> Readings:
    found = environment.run("umadb_append", folder, sizes.users, sizes.peer_commands, in_flight)
    check(found["stored"] == sizes.peer_commands, f"UmaDB stored {found['stored']} of {sizes.peer_commands} events")
    return {name: sizes.peer_commands / found["seconds"]}


def measure(run: Run) -> Sequence[Row]:
    """Measure many in flight, and one at a time."""
    sizes = run.sizes
    many = prepare(sizes, boundaries=sizes.users, commands=sizes.commands, in_flight=64)
    single = prepare(sizes, boundaries=sizes.users, commands=sizes.single_commands, in_flight=1)
    series = run.interleave(
        partial(_node, "node", many),
        partial(_peer, "peer", "commands", sizes, 64),
        partial(_node, "node, single", single),
        partial(_peer, "peer, single", "commands", sizes, 1),
        partial(_umadb, "umadb", sizes, 64),
    )
    return [
        row(
            "against eventsourcing, SQLite", f"64 in flight over {sizes.users:,} boundaries; roles: write", "/s",
            series["node"], floor=series["peer"], floor_measured=PEER, target=Target(ratio_at_least=12), remark=REMARK,
        ),
        row(
            "against eventsourcing, SQLite, one at a time", "each after the receipt before it; roles: write", "/s",
            series["node, single"], floor=series["peer, single"], floor_measured=PEER,
            target=Target(ratio_at_least=1.5),
        ),
        row(
            "against UmaDB's conditional appends", f"64 in flight over {sizes.users:,} boundaries; roles: write", "/s",
            series["node"], floor=series["umadb"], floor_measured="UmaDB's server, through its own client, 64 threads",
            target=Target(ratio_at_least=1.3),
            remark="UmaDB only appends under a condition; nothing is loaded, decided or logged there.",
        ),
    ]  # fmt: skip
