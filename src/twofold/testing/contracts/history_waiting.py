"""Waiting for news: `changed` returns when the head has moved on."""

from __future__ import annotations

import asyncio

from twofold.history.store import History
from twofold.testing.contracts.engine import HistoryEngine
from twofold.testing.contracts.making import decided, event, fill
from twofold.testing.contracts.suite import HistorySuite


class HistoryWaiting(HistorySuite):
    """It is a hint that may come too early; it must not stay away.

    Attributes:
        deadline: after how many seconds a test gives up waiting.
    """

    deadline = 120.0

    async def test_waiting_ends_at_once_where_the_head_is_beyond(self, history: History) -> None:
        await fill(history, event(), event())
        async with asyncio.timeout(self.deadline):
            await history.changed(0)
            await history.changed(1)

    async def test_everyone_who_waits_is_woken_by_an_append(self, history: History) -> None:
        for head in range(3):
            async with asyncio.timeout(self.deadline), asyncio.TaskGroup() as tasks:
                for _ in range(5):
                    tasks.create_task(history.changed(head))
                for _ in range(3):
                    await asyncio.sleep(0)
                await fill(history, event())

    async def test_who_stops_waiting_does_not_disturb_the_others(self, history: History) -> None:
        waiting = [asyncio.create_task(history.changed(0)) for _ in range(3)]
        for _ in range(3):
            await asyncio.sleep(0)
        waiting[0].cancel()
        await fill(history, event())
        async with asyncio.timeout(self.deadline):
            ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert ended[1:] == [None, None]

    async def test_an_append_wakes_who_waits_at_another_opening_of_the_same_place(self, engine: HistoryEngine) -> None:
        engine.needs("share")
        place = engine.place()
        async with engine.opened(place) as here, engine.opened(place) as there:
            for head in range(3):
                waiting = asyncio.create_task(there.changed(head))
                await asyncio.sleep(0)
                await here.append([decided(event())])
                async with asyncio.timeout(self.deadline):
                    await waiting
                assert await there.head() == head + 1
