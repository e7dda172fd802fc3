"""Nodes that write to one boundary take turns: who lost to another keeps the lock until it has decided again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from tests.faults.worker import decision
from tests.postgres.raw import connected, opened, value
from twofold.engines.postgres import turn
from twofold.engines.postgres.history import PostgresHistory
from twofold.history.boundary import Condition, Criterion, Selection
from twofold.history.store import Appended, Conflict, Decision, Outcome

pytestmark = pytest.mark.anyio

_WAITING = """
    SELECT count(*) > 0 FROM pg_stat_activity
    WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
"""
BOUNDARY = Selection((Criterion(("Counted",), ("one:boundary",)),))


@pytest.fixture
def url(initialised: Callable[[], str]) -> str:
    return f"{initialised()}?deadline=60"


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns are kept for as long as a slow machine may take to use them."""
    for name in ("_QUEUE", "_HELD"):
        monkeypatch.setattr(turn, name, 3600.0)


async def kept_out(appending: asyncio.Task[Outcome], url: str) -> None:
    """Return when an append waits for the lock that another node keeps, or has ended because none does."""
    async with connected(url.partition("?")[0], "NONE") as looking:
        while not appending.done() and not await value(looking, _WAITING):
            await asyncio.sleep(0)


async def append(history: PostgresHistory, after: int) -> Outcome:
    return (await history.append([decision("a", [after], Condition(BOUNDARY, after), "one:boundary")]))[0]


async def who_comes_first(one: PostgresHistory, other: PostgresHistory, url: str) -> tuple[Outcome, Outcome]:
    """Let one lose, the other append, and one try again on what it knows now."""
    await append(other, 0)
    assert await append(one, 0) == Conflict(1)
    greedy = asyncio.create_task(append(other, 1))
    await kept_out(greedy, url)
    return await append(one, 1), await greedy


@pytest.mark.usefixtures("patience")
async def test_who_lost_to_another_node_is_first_the_next_time(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        assert await who_comes_first(one, other, url) == (Appended(2, 2), Conflict(2))


async def test_control_without_turns_the_other_node_wins_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(_: PostgresHistory, __: Sequence[Decision], answers: Sequence[Outcome]) -> Sequence[Outcome]:
        return answers

    monkeypatch.setattr(PostgresHistory, "_in_turn", none)
    async with opened(url) as one, opened(url) as other:
        await append(other, 0)
        assert await append(one, 0) == Conflict(1)
        assert await append(other, 1) == Appended(2, 2)
        assert await append(one, 1) == Conflict(2)


@pytest.mark.usefixtures("patience")
async def test_who_waits_for_its_turn_is_told_what_was_appended_before_it(url: str) -> None:
    async with opened(url) as one, opened(url) as two, opened(url) as other:
        await append(other, 0)
        assert await append(one, 0) == Conflict(1)
        waiting = asyncio.create_task(append(two, 0))
        await kept_out(waiting, url)
        assert await append(one, 1) == Appended(2, 2)
        assert await waiting == Conflict(2)
        assert await append(two, 2) == Appended(3, 3)


async def test_a_turn_that_is_not_used_ends_by_itself(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        await append(other, 0)
        assert await append(one, 0) == Conflict(1)
        assert await append(other, 1) == Appended(2, 2)
        assert await append(one, 2) == Appended(3, 3)


@pytest.mark.usefixtures("patience")
async def test_a_turn_ends_when_its_history_is_closed(url: str) -> None:
    async with opened(url) as other:
        async with opened(url) as one:
            await append(other, 0)
            assert await append(one, 0) == Conflict(1)
        assert await append(other, 1) == Appended(2, 2)


@pytest.mark.usefixtures("patience")
async def test_where_others_stand_nobody_is_kept_out_for_who_has_lost_once(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        await append(other, 0)
        lost = decision("a", [0], Condition(BOUNDARY, 0), "one:boundary")
        stands = decision("b", [0], Condition(Selection(), 1), "another:boundary")
        assert await one.append([lost, stands]) == [Conflict(1), Appended(2, 2)]
        assert await append(other, 1) == Appended(3, 3)
        assert await append(one, 1) == Conflict(3)


@pytest.mark.usefixtures("patience")
async def test_where_others_stand_who_has_lost_twice_is_first_the_next_time(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        await append(other, 0)
        lost = decision("a", [0], Condition(BOUNDARY, 0), "one:boundary")
        stands = decision("b", [0], Condition(Selection(), 1), "another:boundary")
        assert await one.append([replace(lost, attempts=2), stands]) == [Conflict(1), Appended(2, 2)]
        greedy = asyncio.create_task(append(other, 2))
        await kept_out(greedy, url)
        assert await append(one, 2) == Appended(3, 3)
        assert await greedy == Conflict(3)
