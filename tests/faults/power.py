"""Rounds of power cuts: a load is noted by a disk, and cut at many points."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.faults.bank import Deposit, Move, Withdraw, bank
from tests.faults.disk import Disk, Note, Platter, Told
from tests.faults.stored import rows_of, stored_in
from twofold import Receipt
from twofold.node import Node


async def load(folder: Path, disk: Disk, *, restarts: int, waves: int, width: int) -> None:
    """Send commands in waves, some of them at once, restarting now and then; tell each receipt to the disk."""

    async def send(node: Node, number: int) -> None:
        name = "abcd"[number % 4]
        command = (Deposit(name, 3), Move(name, "a"), Withdraw(name), Deposit(name))[number // 4 % 4]
        answers = await asyncio.gather(node.send(command), return_exceptions=True)
        if isinstance(answers[0], Receipt):
            disk.tell((answers[0].command_id, answers[0].position))

    for _ in range(restarts):
        async with bank.open(f"sqlite:///{folder}") as node:
            for wave in range(waves):
                await asyncio.gather(*(send(node, wave * 3 + n) for n in range(1 + wave * 5 % width)))
            await node.caught_up()


def notes_of(folder: Path, *, restarts: int, waves: int, width: int) -> list[Note]:
    """Return what a disk noted of a load, receipts included."""
    with Disk(noting=True) as disk:
        asyncio.run(load(folder, disk, restarts=restarts, waves=waves, width=width))
    assert sum(isinstance(note, Told) for note in disk.notes) > restarts * waves // 2
    return disk.notes


def check_cut(folder: Path, told: list[tuple[UUID, int]]) -> None:
    """Check what is left after a cut, and remove it.

    Raises:
        Lost: something that was acknowledged is gone.
    """
    stored = stored_in(folder)
    stored.check()
    stored.check_acknowledged(told)
    shutil.rmtree(folder)


def check_reopened(folder: Path, told: list[Any]) -> None:
    """Check that a node takes up what is left, and that its read models equal those that are made anew."""
    asyncio.run(_reopen(folder))
    assert rows_of(folder) == rows_of(folder / "anew")
    check_cut(folder, told)


async def _reopen(folder: Path) -> None:
    url = f"sqlite:///{folder}"
    async with bank.open(url) as node:
        await node.send(Deposit("a"))
        await node.caught_up()
    async with bank.open(url, views=f"{url}/anew", roles=["read", "project"]) as anew:
        await anew.caught_up()


def cuts_in(seed: int, *, count: int = 200) -> str:
    """Cut the power many times in one load; return what to tell about it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        notes = notes_of(folder / "live", restarts=1 + seed % 3, waves=10 + seed % 40, width=2 + seed % 19)
        Platter.cuts(notes, count, seed, check_cut, folder)
    return f"{count} cuts in {len(notes)} operations"
