"""Two nodes project one read model at once: every event has exactly one effect (R1, R2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.faults.bank import Deposit, GetStatement, bank
from tests.faults.stored import rows_of
from tests.read.rig import append, projector_of, rebuilt, rows_in
from tests.read.test_crash import Clock, Ticked, ticking
from twofold.engines.memory import MemoryHistory
from twofold.engines.sqlite import SqliteViews
from twofold.errors import StoreError
from twofold.read.projector import Projector
from twofold.read.store import Advance
from twofold.read.table import Table

pytestmark = pytest.mark.anyio


class Unhurried(SqliteViews):
    """Waits some turns of the event loop around each call, so that others come between."""

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder)
        self._chance = Random(seed)

    async def load(self, table: Table[Any], keys: Any) -> Any:
        rows = await super().load(table, keys)
        await self._wait()
        return rows

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        await self._wait()
        stored = await super().apply(table, advance)
        await self._wait()
        return stored

    async def _wait(self) -> None:
        for _ in range(self._chance.randrange(6)):
            await asyncio.sleep(0)


async def race(tmp_path: Path, make: Callable[[Path, int], SqliteViews], rounds: int) -> None:
    """Let three projectors of one read model follow a growing history, and compare it with a rebuild."""
    history = await ticking()
    stores = [make(tmp_path / "shared", seed) for seed in range(3)]
    projectors = [projector_of(Clock, history, store) for store in stores]
    for projector in projectors:
        await projector.prepare()
    chance = Random(7)
    for _ in range(rounds):
        await append(
            history, *(Ticked(chance.choice("abcd"), chance.randrange(15)) for _ in range(chance.randrange(8)))
        )
        await asyncio.gather(*(_catch_up(projector, history) for projector in projectors))
    found = await rows_in(stores[0], projectors[0].table)
    for store in stores:
        await store.close()
    assert found == await rebuilt(Clock, history, tmp_path)


async def _catch_up(projector: Projector, history: MemoryHistory) -> None:
    while await projector._store.checkpoint(projector.table) != await history.head():
        await projector.catch_up()


async def test_projectors_that_race_for_every_batch_apply_each_event_once(tmp_path: Path) -> None:
    await race(tmp_path, Unhurried, 25)


async def test_control_projectors_that_do_not_look_at_the_checkpoint_apply_events_twice(tmp_path: Path) -> None:
    class Careless(Unhurried):
        async def apply(self, table: Table[Any], advance: Advance) -> bool:
            found = self._projection(table)
            assert found is not None
            reached = max(found[1], advance.reached)
            return await super().apply(table, Advance(found[1], reached, advance.rows, advance.parked, advance.live))

    with pytest.raises((AssertionError, StoreError)):
        await race(tmp_path, Careless, 25)


async def test_two_nodes_that_write_and_project_in_one_folder_agree_with_a_rebuild(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared'}"
    async with bank.open(url) as one, bank.open(url) as other:
        receipts = await asyncio.gather(*((one, other)[n % 2].send(Deposit(f"account-{n % 9}")) for n in range(400)))
        last = max(receipts, key=lambda receipt: receipt.position)
        for node in (one, other):
            found = await node.ask(GetStatement("account-0"), after=last)
            assert found is not None
            assert found.balance == 45
    async with bank.open(url, views=f"sqlite:///{tmp_path / 'anew'}", roles=["project", "read"]) as anew:
        await anew.caught_up()
    assert rows_of(tmp_path / "shared") == rows_of(tmp_path / "anew")
