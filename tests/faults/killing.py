"""Rounds of kill -9 under load, and what must be true of the folder afterwards."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from tests.faults.bank import bank
from tests.faults.processes import workers
from tests.faults.stored import Stored, rows_of
from tests.faults.worker import Options


def receipts_in(said: Iterable[Any]) -> list[tuple[UUID, int]]:
    """Return id and position of what a worker has said it was acknowledged."""
    return [(UUID(line[0]), line[1]) for line in said if isinstance(line, list) and line[1] is not None]


def kill_round(folder: Path, seed: int) -> list[tuple[UUID, int]]:
    """Kill two writers, of which one or both project too, at random moments; return what was acknowledged."""
    chance = Random(seed)
    all_roles: tuple[str, ...] = ("write", "read", "project")
    one = Options(str(folder), "one", 100_000, seed, width=chance.choice((1, 10, 60)), roles=all_roles)
    some_roles = all_roles if seed % 2 else ("write",)
    two = Options(str(folder), "two", 100_000, seed + 1, width=chance.choice((1, 30)), roles=some_roles)
    tasks = [
        ("load", msgspec.structs.replace(options, ids=(2 * seed + number) << 64))
        for number, options in enumerate((one, two), 1)
    ]
    with workers(tasks, folder.parent / "said", first_line="") as pair:
        for worker in pair:
            worker.wait_until(lambda said: len(said) > 1)
        chance.shuffle(pair)
        time.sleep(chance.random() * 0.15)
        said = pair[0].kill()
        time.sleep(chance.choice((0.0, chance.random() * 0.1)))
        said += pair[1].kill()
    return receipts_in(said)


def check_after_kill(folder: Path, receipts: Iterable[tuple[UUID, int]]) -> int:
    """Check the folder as the killed left it, and after a node has taken it up; return how many events there are."""
    copy = Path(tempfile.mkdtemp(dir=folder.parent))
    for file in folder.glob("history.db*"):
        shutil.copy(file, copy)
    stored = Stored(copy)
    stored.check()
    stored.check_acknowledged(receipts)
    shutil.rmtree(copy)
    return len(stored.records)


def check_read_models(folder: Path) -> None:
    """Check that the live read models, brought to the head, equal a projection from position 0, row for row."""
    anew = Path(tempfile.mkdtemp(dir=folder.parent))

    async def project() -> None:
        async with bank.open(f"sqlite:///{folder}", roles=["read", "project"]) as node:
            await node.caught_up()
        async with bank.open(f"sqlite:///{folder}", views=f"sqlite:///{anew}", roles=["read", "project"]) as node:
            await node.caught_up()

    asyncio.run(project())
    live, rebuilt = rows_of(folder), rows_of(anew)
    assert live == rebuilt, f"{len(live)} live rows, {len(rebuilt)} rebuilt; differing: {set(live) ^ set(rebuilt)}"
    shutil.rmtree(anew)


def one_kill(seed: int) -> str:
    """Live through one round in a folder of its own; return what to tell about it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        receipts = kill_round(folder, seed)
        events = check_after_kill(folder, receipts)
        check_read_models(folder)
    return f"{len(receipts)} acknowledged, {events} events"
