"""Indexes: they come and go with the declaration, and change nothing but how fast rows are found."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from twofold.read.range import Range
from twofold.read.store import Advance, ViewStore
from twofold.read.table import Table
from twofold.read.view import View
from twofold.testing.contracts.engine import ViewEngine
from twofold.testing.contracts.rows import HISTORY, Status, everything, indexed, prepared, put
from twofold.testing.contracts.view_suite import ViewSuite

NONE = indexed()
SOME = indexed("number", ("status", "-day"), "-rank", "moment")
OTHERS = indexed(("status", "rank", "-number"), ("-moment", "day"))
WANTED: list[dict[str, Any]] = [
    {}, {"status": Status.OPEN}, {"rank": None}, {"day": Range(above=date(2026, 1, 2))},
]  # fmt: skip
ORDERS = ["number", "-number", "rank", "-rank", ("status", "-day"), ("status", "rank", "-number"), ("-moment", "day")]


def cases(table: Table[Any]) -> list[Any]:
    """Return rows that tie in many fields."""
    return [
        table.model(
            name=f"{n:02}",
            status=Status.OPEN if n % 3 else Status.CLOSED,
            number=n % 4,
            rank=None if n % 5 == 0 else n % 2,
            day=date(2026, 1, 1 + n % 6),
            moment=datetime(2026, 1, 1, n % 7, tzinfo=UTC),
        )
        for n in range(30)
    ]


async def seen(store: ViewStore, table: Table[Any]) -> list[list[str]]:
    """Return the names of what is found in many ways, page by page."""
    view, found = View(store, table), []
    for order in ORDERS:
        for wanted in WANTED:
            page = await view.find(order_by=order, limit=7, **wanted)
            names = [case.name for case in page]
            while page.next:
                page = await view.find(order_by=order, limit=7, after=page.next, **wanted)
                names += [case.name for case in page]
            found.append(names)
    return found


class ViewIndexes(ViewSuite):
    """A table is the same with any indexes; `prepare` brings it those that are declared."""

    def test_indexes_are_no_part_of_the_definition(self) -> None:
        assert NONE.versioned_name == SOME.versioned_name == OTHERS.versioned_name

    @pytest.mark.usefixtures("finds")
    @pytest.mark.parametrize("table", [SOME, OTHERS], ids=["some", "others"])
    async def test_the_same_rows_are_found_with_indexes(self, engine: ViewEngine, table: Table[Any]) -> None:
        answers: list[list[list[str]]] = []
        for each in (NONE, table):
            async with engine.opened(engine.place()) as store:
                await prepared(store, each)
                await put(store, each, *cases(each))
                answers.append(await seen(store, each))
        assert answers[0] == answers[1]
        assert sorted(answers[0][0]) == [case.name for case in cases(NONE)]

    @pytest.mark.usefixtures("finds")
    async def test_indexes_come_and_go_and_rows_stay(self, store: ViewStore) -> None:
        await prepared(store, NONE)
        rows = cases(NONE)
        await put(store, NONE, *rows[:10])
        before = await seen(store, NONE)
        for expected, table in enumerate((SOME, OTHERS, NONE, SOME), 1):
            assert await store.prepare(table, HISTORY) == expected
            assert await store.prepare(table, HISTORY) == expected
            assert await store.checkpoint(table) == expected
            assert await seen(store, table) == before
            assert await put(store, table, *cases(table)[:10], expected=expected)
        assert len(await everything(store, SOME)) == 10

    @pytest.mark.usefixtures("finds")
    async def test_a_spare_has_indexes_of_its_own_and_they_change_places_with_it(self, store: ViewStore) -> None:
        await prepared(store, SOME)
        await put(store, SOME, *cases(SOME)[:10])
        before = await seen(store, SOME)
        for turn in range(1, 4):
            table = (OTHERS, NONE, SOME)[turn - 1]
            await store.begin_spare(table, HISTORY)
            rows = [table.row(case) for case in cases(table)[:10]]
            standing = await store.standing(table.spare)
            assert standing is not None
            assert await store.apply(table.spare, Advance(0, turn, rows, live=True, epoch=standing.epoch))
            assert await store.exchange(table)
            assert await store.prepare(table, HISTORY) == turn
            assert await seen(store, table) == before
