"""H2 as far as a test in one process can see: what was acknowledged is there when the place is opened again."""

from __future__ import annotations

import asyncio

from twofold.history.store import Appended, Conflict, Duplicate, History, TransactionalHistory
from twofold.testing.contracts.engine import HistoryEngine
from twofold.testing.contracts.making import append_one, command, decided, event, fill, on, read
from twofold.testing.contracts.suite import HistorySuite


class HistoryDurability(HistorySuite):
    """Closing, and opening again; and what the engine declares that it cannot do."""

    async def test_a_history_that_is_opened_again_is_the_same(self, engine: HistoryEngine) -> None:
        engine.needs("reopen")
        place = engine.place()
        async with engine.opened(place) as history:
            await fill(history, *[event("A", f"x:{n}", payload=b'{"n": %d}' % n) for n in range(10)])
            before, id_ = await read(history), history.id
        for _ in range(2):
            async with engine.opened(place) as history:
                assert history.id == id_
                assert await history.head() == 10
                assert await read(history) == before
                assert await read(history, on("x:3")) == before[3:4]

    async def test_positions_and_conditions_go_on_after_opening_again(self, engine: HistoryEngine) -> None:
        engine.needs("reopen")
        place = engine.place()
        for position in range(1, 4):
            async with engine.opened(place) as history:
                stale, good = (decided(event("A", "x:1"), on=on("x:1"), after=position - back) for back in (2, 1))
                if position > 1:
                    assert await append_one(history, stale) == Conflict(position - 1)
                assert await append_one(history, good) == Appended(position, position)

    async def test_a_repeat_is_told_after_opening_again(self, engine: HistoryEngine) -> None:
        engine.needs("reopen")
        place, sent = engine.place(), command(payload=b'{"n":1}')
        async with engine.opened(place) as history:
            await append_one(history, decided(event(), by=sent))
            await fill(history, event())
        async with engine.opened(place) as history:
            assert await history.find(sent.scope) == 1
            assert await append_one(history, decided(event(), by=sent)) == Duplicate(1, True)
            other = command(sent.command_id, payload=b'{"n":2}')
            assert await append_one(history, decided(event(), by=other)) == Duplicate(1, False)
            assert await history.head() == 2

    async def test_an_append_under_way_ends_before_the_history_is_closed(self, engine: HistoryEngine) -> None:
        engine.needs("reopen")
        place, sent = engine.place(), command()
        history = await engine.at(place)
        task = asyncio.create_task(append_one(history, decided(event(), by=sent)))
        await asyncio.sleep(0)
        await history.close()
        outcome = await task
        assert outcome == Appended(1, 1)
        async with engine.opened(place) as again:
            assert await again.find(sent.scope) == 1

    async def test_a_history_may_be_closed_twice(self, engine: HistoryEngine) -> None:
        history = await engine.at(engine.place())
        await fill(history, event())
        await history.close()
        await history.close()

    async def test_every_history_has_an_id_of_its_own(self, engine: HistoryEngine) -> None:
        async with engine.opened(engine.place()) as one, engine.opened(engine.place()) as other:
            assert one.id != other.id
            await fill(one, event())
            assert await other.head() == 0

    async def test_what_it_cannot_do_is_declared_and_nothing_else(self, engine: HistoryEngine) -> None:
        place = engine.place()
        async with engine.opened(place) as history:
            await fill(history, event())
            async with engine.opened(place) as second:
                shares = await _is(second, history)
        async with engine.opened(place) as again:
            keeps = await _is(again, history)
            transacts = isinstance(again, TransactionalHistory)
        can = {"share": shares, "reopen": keeps, "transact": transacts}
        assert can == {ability: ability not in engine.cannot for ability in can}


async def _is(one: History, other: History) -> bool:
    return one.id == other.id and await one.head() == 1
