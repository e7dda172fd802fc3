"""The peers' commands a second, in the stages of a work; a run with a wrong result of theirs fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.peers import environment
from bench.result import check
from bench.rounds import Readings
from bench.stages import Staged

_DURABLE = {"sqlite": {"synchronous": "2"}, "postgres": {"synchronous_commit": "on", "fsync": "on"}}


def eventsourcing(contender: str, mode: str, place: str, work: Staged) -> Readings:
    """Return what the `eventsourcing` library does in one of its modes."""
    levels = msgspec.json.encode(work.peer_levels).decode()
    found = environment.run("eventsourcing_work", "commands", mode, place, 0, levels)
    check_durable("sqlite" if mode == "sqlite" else "postgres", found)
    check_stored(contender, work.peer_counts, found["stored"])
    return work.rates(contender, found["seconds"], work.peer_counts)


def umadb(contender: str, folder: Path, work: Staged) -> Readings:
    """Return what UmaDB does."""
    found = environment.run("umadb_append", folder, msgspec.json.encode(work.peer_levels).decode())
    check_stored(contender, work.peer_counts, found["stored"])
    return work.rates(contender, found["seconds"], work.peer_counts)


def check_stored(contender: str, expected: Sequence[int], stored: Sequence[int]) -> None:
    """Fail the run unless a peer stored what it was told to.

    Raises:
        WrongResult: events are missing, or there are more of them.
    """
    check(list(stored) == list(expected), f"{contender} stored {list(stored)} events, expected {list(expected)}")


def check_durable(engine: str, found: Mapping[str, Any]) -> None:
    """Fail the run unless a peer's connections are as durable as Twofold's.

    Raises:
        WrongResult: they are not.
    """
    for name, wanted in _DURABLE[engine].items():
        check(found.get(name) == wanted, f"the peer's {name} is {found.get(name)}, expected {wanted}")
