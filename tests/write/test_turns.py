"""Processes that write to one boundary take turns: who lost to another is first the next time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from tests.faults.bank import Deposit, bank
from tests.faults.nodes import check_cache, check_history
from tests.faults.processes import workers
from tests.faults.stored import stored_in
from tests.faults.worker import Options, decision
from twofold.engines.sqlite import SqliteHistory, writer
from twofold.engines.sqlite.writer import Writer
from twofold.history.boundary import Condition, Criterion, Selection
from twofold.history.store import Appended, Conflict, Outcome

pytestmark = pytest.mark.anyio

BOUNDARY = Selection((Criterion(("Counted",), ("one:boundary",)),))


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[SqliteHistory, SqliteHistory]]:
    """Two openings of one history, as two processes have them."""
    one, other = SqliteHistory(tmp_path), SqliteHistory(tmp_path)
    yield one, other
    await one.close()
    await other.close()


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn does not end by itself, however long the machine is at something else."""
    monkeypatch.setattr(writer, "_TURN", 3600.0)


async def append(history: SqliteHistory, after: int) -> Outcome:
    return (await history.append([decision("a", [after], Condition(BOUNDARY, after), "one:boundary")]))[0]


async def who_comes_first(one: SqliteHistory, other: SqliteHistory) -> tuple[Outcome, Outcome]:
    """Let one lose, the other ask for the lock, and one try again on what it knows now."""
    await append(other, 0)
    assert await append(one, 0) == Conflict(1)
    greedy = asyncio.ensure_future(append(other, 1))
    for _ in range(3):
        await asyncio.sleep(0)
    return await append(one, 1), await greedy


@pytest.mark.usefixtures("unhurried")
async def test_who_lost_to_another_process_is_first_the_next_time(pair: tuple[SqliteHistory, SqliteHistory]) -> None:
    assert await who_comes_first(*pair) == (Appended(2, 2), Conflict(2))


@pytest.mark.usefixtures("unhurried")
async def test_control_without_turns_the_other_process_wins_again(
    pair: tuple[SqliteHistory, SqliteHistory], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Writer, "keep_turn", lambda writer: None)
    assert await who_comes_first(*pair) == (Conflict(2), Appended(2, 2))


async def test_a_turn_that_is_not_used_ends_by_itself(pair: tuple[SqliteHistory, SqliteHistory]) -> None:
    one, other = pair
    await append(other, 0)
    assert await append(one, 0) == Conflict(1)
    assert await append(other, 1) == Appended(2, 2)
    assert await append(one, 2) == Appended(3, 3)


@pytest.mark.usefixtures("unhurried")
async def test_a_turn_ends_when_its_history_is_closed(
    pair: tuple[SqliteHistory, SqliteHistory], tmp_path: Path
) -> None:
    one, other = pair
    await append(other, 0)
    assert await append(one, 0) == Conflict(1)
    await one.close()
    connection = apsw.Connection(str(tmp_path / "history.db"))
    connection.execute("BEGIN IMMEDIATE; ROLLBACK")
    connection.close()


async def test_two_nodes_that_share_one_boundary_both_get_on(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with bank.open(url, roles=["write"]) as one, bank.open(url, roles=["write"]) as other:
        await asyncio.gather(*((one, other)[n % 2].send(Deposit("a")) for n in range(600)))
        for node in (one, other):
            await check_cache(node, node.history)
        assert await check_history(one.history) == 600


def test_no_command_of_three_processes_on_twenty_boundaries_gives_up(tmp_path: Path) -> None:
    tasks = [
        ("load", Options(f"sqlite:///{tmp_path}/data", f"w{n}", 1500, n, width=40, ids=(n + 1) << 64)) for n in range(3)
    ]
    with workers(tasks, "") as sending:
        for worker in sending:
            # Had one been contended, it would have ended with an error.
            assert worker.finish()[-1] == "done"
    stored = stored_in(tmp_path / "data")
    stored.check()
    assert len(stored.accepted) + len(stored.rejections) == 4500
