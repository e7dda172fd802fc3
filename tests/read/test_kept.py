"""Answers that are kept are never stale: not older than what is asked for, nor than what anybody has been told."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Awaitable, Callable, Hashable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.virtual import run_virtually
from tests.read.test_freshness import Bell, Ring
from tests.read.test_freshness import ring as decide
from twofold import App, Context, Found, Node, Query, View
from twofold.engines.memory import MemoryViews
from twofold.read import asking
from twofold.read.kept import KeptAnswers, State
from twofold.read.store import Page
from twofold.read.table import Table


class Bells(Query[list[Bell]]):
    pass


class Pages(Query[Found[Bell]]):
    limit: int = 1


class ByKey(Query[Bell | None]):
    bell: str


class Dated(Query[list[Bell]]):
    pass


app = App("kept bells")
app.command(decide)


@app.query
async def bells(query: Bells, view: View[Bell]) -> list[Bell]:
    return await view.find(order_by="bell")


@app.query
async def pages(query: Pages, view: View[Bell]) -> Found[Bell]:
    return await view.find(limit=query.limit)


@app.query
async def by_key(query: ByKey, view: View[Bell]) -> Bell | None:
    return await view.get(query.bell)


@app.query
async def dated(query: Dated, view: View[Bell], context: Context) -> list[Bell]:
    return await view.find()


class Watched(MemoryViews):
    """Counts what is read, and takes its time: rows are old by the time they come, or are read late."""

    def __init__(self, chance: Random | None = None) -> None:
        super().__init__()
        self.chance = chance
        self.found = 0
        self.looked = 0

    async def wait(self) -> None:
        if self.chance is not None:
            await asyncio.sleep(self.chance.choice((0, 0, 0.001, 0.01)))

    async def find(self, table: Table[Any], page: Page) -> Any:
        self.found += 1
        await self.wait()
        rows = await super().find(table, page)
        await self.wait()
        return rows

    async def get(self, table: Table[Any], keys: Any) -> Any:
        self.found += 1
        return await super().get(table, keys)

    async def standings(self, table: Table[Any]) -> Any:
        self.looked += 1
        await self.wait()
        shown = await super().standings(table)
        await self.wait()
        return shown


def opened(views: MemoryViews, **options: Any) -> Node:
    node = app.open("memory:", **options)
    node._parts.open_views = lambda: views
    return node


async def found_by(views: Watched, ask: Callable[[], Awaitable[Any]]) -> int:
    before = views.found
    await ask()
    return views.found - before


def test_what_is_asked_again_is_answered_from_what_is_kept_until_its_read_model_moves() -> None:
    async def main() -> None:
        views = Watched()
        async with opened(views) as node:
            for number in range(1, 4):
                receipt = await node.send(Ring("a"))
                await node.caught_up(after=receipt)
                # A question that was never asked before is answered once more before its answer is kept.
                asked = [await found_by(views, lambda: node.ask(Bells())) for _ in range(6)]
                assert asked == ([1, 1, 1, 0, 0, 0] if number == 1 else [1, 0, 0, 0, 0, 0])
                assert await node.ask(Bells()) == [Bell("a", number)]
                assert (await node.answer(Bells())).position == number

    run_virtually(main())


def test_what_one_does_with_an_answer_is_not_seen_by_the_next() -> None:
    async def main() -> None:
        async with opened(Watched()) as node:
            await node.ask(Bells(), after=await node.send(Ring("a")))
            for _ in range(5):
                found = await node.ask(Bells())
                assert found == [Bell("a", 1)]
                found[0].rings = 99
                found.clear()

    run_virtually(main())


def test_the_cursor_of_a_page_is_kept_with_it() -> None:
    async def main() -> None:
        views = Watched()
        async with opened(views) as node:
            await node.send(Ring("a"))
            await node.ask(Pages(), after=await node.send(Ring("b")))
            cursors = {(await node.ask(Pages())).next for _ in range(5)}
            assert views.found <= 3
            assert len(cursors) == 1
            assert None not in cursors
            assert isinstance(await node.ask(Pages()), Found)

    run_virtually(main())


@pytest.mark.parametrize("query", [ByKey("a"), Dated()])
def test_rows_by_key_and_answers_that_depend_on_more_are_not_kept(query: Query[Any]) -> None:
    async def main() -> None:
        views = Watched()
        async with opened(views) as node:
            await node.caught_up(after=await node.send(Ring("a")))
            looked = views.looked
            assert [await found_by(views, lambda: node.ask(query)) for _ in range(5)] == [1] * 5
            assert views.looked == looked

    run_virtually(main())


def test_a_node_may_keep_nothing() -> None:
    async def main() -> None:
        views = Watched()
        async with opened(views, cache_answers=0) as node:
            await node.caught_up()
            assert [await found_by(views, lambda: node.ask(Bells())) for _ in range(5)] == [1] * 5

    run_virtually(main())


def test_rows_that_change_while_the_checkpoint_stays_are_asked_for_again() -> None:
    async def main() -> None:
        views = Watched()
        async with opened(views) as node:
            await node.caught_up(after=await node.send(Ring("a")))
            for _ in range(4):
                await node.ask(Bells())
            assert await found_by(views, lambda: node.ask(Bells())) == 0
            # As a rebuild does, or the taking up of what was parked.
            (kept,) = views._tables.values()
            kept.rows[("a",)] = ("a", 7)
            kept.segments[0].epoch += 1
            assert await node.ask(Bells()) == [Bell("a", 7)]

    run_virtually(main())


def test_what_is_kept_is_bounded_in_number_and_in_bytes() -> None:
    async def main() -> None:
        kept = KeptAnswers(limit=10_000, most=50)
        state: State = (("bell", 1, 0),)
        for number in range(500):
            for _ in range(3):
                await kept.answer(number, lambda: done(state), lambda: done(bytes(900)))
            assert kept._bytes == sum(len(body) for _, body in kept._kept.values()) <= 10_000
            assert len(kept._kept) <= 50
        for _ in range(3):
            await kept.answer("huge", lambda: done(state), lambda: done(bytes(5_000)))
        assert kept._kept["huge"] == (None, b"")

    async def done(value: Any) -> Any:
        return value

    run_virtually(main())


async def live(seed: int) -> int:
    """Let some ring bells and others ask; check every answer, and return how many were kept ones."""
    chance = Random(seed)
    views = Watched(chance)
    told = acknowledged = asked = 0

    async def ring() -> None:
        nonlocal acknowledged
        for _ in range(12):
            await asyncio.sleep(chance.choice((0, 0.005, 0.02, 0.1)))
            acknowledged = max(acknowledged, (await node.send(Ring(chance.choice("ab")))).position)

    async def ask() -> None:
        nonlocal told, asked
        for _ in range(15):
            await asyncio.sleep(chance.choice((0, 0.005, 0.02, 0.05)))
            after = chance.choice((None, acknowledged))
            least = max(told, after or 0)
            asked += 1
            shown = sum(bell.rings for bell in await node.ask(Bells(), after=after, timeout=60))
            assert shown >= least, f"shown were {shown} rings, at least {least} had been told or were asked for"
            told = max(told, shown)

    async with opened(views) as node:
        await node.caught_up()
        await asyncio.gather(ring(), ring(), *(ask() for _ in range(4)))
    return asked - views.found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_no_answer_is_older_than_what_is_asked_for_or_was_told(seed: int) -> None:
    run_virtually(live(seed))


def test_in_the_midst_of_it_answers_are_kept() -> None:
    assert sum(run_virtually(live(seed)) for seed in range(10)) > 10


class WithoutPosition(KeptAnswers):
    """Planted: an answer is good whatever its read models have become."""

    def _good(self, question: Hashable, state: State | None) -> bytes | None:
        found = self._kept.get(question)
        return None if found is None or found[0] is None else found[1]


class LooksAfterwards(KeptAnswers):
    """Planted: how the read models stand is looked for when the rows have been read."""

    async def answer(
        self, question: Hashable, state: Callable[[], Awaitable[State | None]], ask: Callable[[], Awaitable[Any]]
    ) -> Any:
        if not self._is_known(question):
            return await ask()
        kept = self._good(question, await state())
        if kept is not None:
            return pickle.loads(kept)
        value = await ask()
        after = await state()
        if after is not None:
            self._keep(question, after, value)
        return value


@pytest.mark.parametrize("planted", [WithoutPosition, LooksAfterwards])
def test_a_planted_bug_is_found(planted: type[KeptAnswers], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "KeptAnswers", planted)

    def search() -> None:
        for seed in range(100):
            run_virtually(live(seed))

    with pytest.raises(AssertionError, match="shown were"):
        search()


def test_how_read_models_stand_is_looked_for_in_their_store() -> None:
    """Planted: what this process knows is behind what its store has, wherever others project as well."""

    async def known(store: Any, tables: Any) -> State:
        # Whatever the store has by now.
        return (("bell", 1, 0),)

    async def main() -> None:
        async with opened(Watched()) as node:
            for number in range(1, 8):
                found = await node.ask(Bells(), after=await node.send(Ring("a")))
                assert found == [Bell("a", number)]

    run_virtually(main())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking, "state_of", known)
        with pytest.raises(AssertionError):
            run_virtually(main())
