"""Rounds in which one write or sync of the history's log fails, and what must be true afterwards."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import apsw
import msgspec

from tests.faults.answers import Answers
from tests.faults.bank import Deposit, Link, Move, Withdraw, bank
from tests.faults.disk import Disk, Failure, Kind
from tests.faults.nodes import check_cache, quiet
from tests.faults.stored import rows_of, stored_in


class Case(msgspec.Struct, frozen=True):
    """Which operation fails, with which result code of SQLite, on which file; and whether all later ones do too."""

    kind: Kind
    number: int
    code: int
    ending: str = "history.db-wal"
    lasting: bool = False


def cases(numbers: Sequence[int]) -> list[Case]:
    """Return each way to fail at each of these operations."""
    ways: list[tuple[Kind, int]] = [
        ("write", apsw.SQLITE_IOERR_WRITE),
        ("write", apsw.SQLITE_FULL),
        ("sync", apsw.SQLITE_IOERR_FSYNC),
    ]
    return [Case(kind, number, code, lasting=number % 5 == 0) for kind, code in ways for number in numbers]


async def live_through(case: Case, folder: Path, disk: Disk) -> Answers:
    """Send commands while the disk fails, and some when it works again; check what is stored.

    Raises:
        Lost: somebody was told what is not so, at once or after a crash.
    """
    answers = Answers()
    url = f"sqlite:///{folder}"
    async with bank.open(url) as node:
        await node.send(Deposit("a", 9))
        failure = disk.failure = Failure(case.kind, case.number, case.code, ending=case.ending, lasting=case.lasting)
        wave = 0
        while not failure.struck or wave % 3:
            wave += 1
            commands = [Move("a", "b"), Deposit("a"), Link("a", "b")][: 1 + wave % 3]
            await asyncio.gather(*(answers.send(node, command) for command in commands))
        disk.failure = None
        after_crash = crash(folder, answers)
        for command in (Deposit("a"), Withdraw("a"), Withdraw("b", 99)):
            await answers.send(node, command)
        assert len(answers.receipts) >= 2, "the node does not go on after the disk was mended"
        await quiet(node)
        await check_cache(node, node.history)
        await node.caught_up()
        after_crash = after_crash or crash(folder, answers)
    if after_crash is not None:
        raise after_crash
    answers.check(stored_in(folder))
    async with bank.open(url, views=f"{url}/anew", roles=["read", "project"]) as anew:
        await anew.caught_up()
    assert rows_of(folder) == rows_of(folder / "anew")
    return answers


def crash(folder: Path, answers: Answers) -> AssertionError | None:
    """Check a copy of the files as they are now: what a process finds that opens them after all others were killed."""
    copy = Path(tempfile.mkdtemp(dir=folder.parent))
    for name in ("history.db", "history.db-wal"):
        if (folder / name).exists():
            shutil.copy(folder / name, copy / name)
    try:
        answers.check(stored_in(copy))
    except AssertionError as error:
        return error
    finally:
        shutil.rmtree(copy)
    return None


def check_case(case: Case) -> Answers:
    """Live through one case in a folder of its own."""
    with tempfile.TemporaryDirectory() as name, Disk() as disk:
        return asyncio.run(live_through(case, Path(name) / "live", disk))


def some_case(seed: int) -> str:
    """Live through the case of a seed; return what to tell about it."""
    all_of_them = cases(range(1, 201))
    case = all_of_them[seed * 7919 % len(all_of_them)]
    answers = check_case(case)
    told = len(answers.receipts), len(answers.refused), len(answers.unknown)
    return f"{case}: accepted, refused, unknown: {told}"
