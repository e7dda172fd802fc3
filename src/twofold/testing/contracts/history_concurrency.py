"""Many at once: conflicts have one winner, nothing is skipped, and cancelling leaves all or nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from twofold.history.boundary import EVERYTHING
from twofold.history.record import Position
from twofold.history.store import Appended, Conflict, Duplicate, History, Outcome
from twofold.testing.contracts.engine import HistoryEngine
from twofold.testing.contracts.making import (
    append,
    append_one,
    command,
    decided,
    event,
    on,
    positions,
    read,
)
from twofold.testing.contracts.suite import HistorySuite


def _kinds(outcomes: Sequence[Outcome]) -> Counter[type]:
    return Counter(type(outcome) for outcome in outcomes)


class HistoryConcurrency(HistorySuite):
    """Appends from many tasks, and from two openings of one place."""

    async def test_of_many_conflicting_appends_exactly_one_succeeds(self, history: History) -> None:
        for round_ in range(5):
            tries = [append_one(history, decided(event("A", "x:1"), on=on("x:1"), after=round_)) for _ in range(20)]
            assert _kinds(await asyncio.gather(*tries)) == {Appended: 1, Conflict: 19}
        assert await positions(history) == [1, 2, 3, 4, 5]

    async def test_appends_that_do_not_conflict_all_succeed_and_take_dense_positions(self, history: History) -> None:
        tries = [append_one(history, decided(event("A", f"x:{n}"), event("A"), on=on(f"x:{n}"))) for n in range(40)]
        outcomes = await asyncio.gather(*tries)
        assert _kinds(outcomes) == {Appended: 40}
        taken = sorted(n for each in outcomes if isinstance(each, Appended) for n in (each.first, each.last))
        assert taken == list(range(1, 81))
        assert await positions(history) == list(range(1, 81))

    async def test_of_one_command_sent_many_times_at_once_one_is_decided(self, history: History) -> None:
        sent = command()
        outcomes = await asyncio.gather(*[append_one(history, decided(event(), by=sent)) for _ in range(20)])
        assert _kinds(outcomes) == {Appended: 1, Duplicate: 19}
        assert {each for each in outcomes if isinstance(each, Duplicate)} == {Duplicate(1, True)}

    async def test_a_reader_who_follows_skips_nothing(self, history: History) -> None:
        found: list[Position] = []

        async def follow() -> None:
            while len(found) < 200:
                await history.changed(found[-1] if found else 0)
                found.extend(await positions(history, after=found[-1] if found else 0))

        async def write(number: int) -> None:
            for _ in range(10):
                await append(history, decided(event("A", f"x:{number}")), decided(event("A")))

        async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
            tasks.create_task(follow())
            for number in range(10):
                tasks.create_task(write(number))
        assert found == list(range(1, 201))

    @pytest.mark.parametrize("steps", range(8))
    async def test_a_cancelled_append_is_all_or_nothing_and_the_next_one_works(
        self, history: History, steps: int
    ) -> None:
        first, second = command(), command()
        batch = [decided(event("A", "x:1"), event("A", "x:1"), by=first), decided(event("A", "x:1"), by=second)]
        task = asyncio.create_task(append(history, *batch))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        stored = await positions(history, on("x:1"))
        assert stored in ([], [1, 2, 3])
        if not task.cancelled():
            assert stored
        expected = [2, 3] if stored else [None, None]
        assert [await history.find(each.scope) for each in (first, second)] == expected
        again = await append(history, *batch)
        assert again == ([Duplicate(2, True), Duplicate(3, True)] if stored else [Appended(1, 2), Appended(3, 3)])

    async def test_many_cancelled_appends_leave_whole_decisions(self, history: History) -> None:
        tasks = [asyncio.create_task(append_one(history, decided(event("A"), event("B")))) for _ in range(30)]
        for n, task in enumerate(tasks):
            await asyncio.sleep(0)
            if n % 3:
                task.cancel()
        await asyncio.wait(tasks)
        found = await read(history)
        assert [each.position for each in found] == list(range(1, len(found) + 1))
        assert [each.type for each in found] == ["A", "B"] * (len(found) // 2)
        acknowledged = [task.result() for task in tasks if not task.cancelled()]
        assert len(acknowledged) >= 10
        assert all(isinstance(each, Appended) and each.last <= len(found) for each in acknowledged)

    async def test_two_openings_of_one_place_see_each_others_events_and_conflict(self, engine: HistoryEngine) -> None:
        engine.needs("share")
        place = engine.place()
        async with engine.opened(place) as here, engine.opened(place) as there:
            assert here.id == there.id
            assert await append_one(here, decided(event("A", "x:1"), on=on("x:1"))) == Appended(1, 1)
            assert await append_one(there, decided(event("A", "x:1"), on=on("x:1"))) == Conflict(1)
            assert await append_one(there, decided(event("A", "x:1"), on=on("x:1"), after=1)) == Appended(2, 2)
            assert await read(here) == await read(there)
            for round_ in range(3, 13):
                tries = [append_one(each, decided(event(), on=EVERYTHING, after=round_ - 1)) for each in (here, there)]
                assert _kinds(await asyncio.gather(*tries)) == {Appended: 1, Conflict: 1}
            assert await positions(here) == list(range(1, 13))

    async def test_a_repeat_at_another_opening_of_the_place_is_told(self, engine: HistoryEngine) -> None:
        engine.needs("share")
        place = engine.place()
        sent = command()
        async with engine.opened(place) as here, engine.opened(place) as there:
            tries = [append_one(each, decided(event(), by=sent)) for each in (here, there) * 5]
            assert _kinds(await asyncio.gather(*tries)) == {Appended: 1, Duplicate: 9}
            assert await here.find(sent.scope) == await there.find(sent.scope) == 1
