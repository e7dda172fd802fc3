"""Paging by cursor: the pages of a search, one after another, are the whole of it, each row once, in its order."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twofold.read.store import ViewStore
from twofold.read.view import View
from twofold.testing.contracts.engine import ViewEngine
from twofold.testing.contracts.rows import NOTES, Note, prepared, put
from twofold.testing.contracts.view_suite import ViewSuite

_FIELDS = ("name", "number", "rank", "text", "amount", "done")
_amounts = st.sampled_from([None, *map(Decimal, ("1", "1.0", "10", "9", "-1"))])
ANY_NOTES = st.lists(
    st.builds(
        Note,
        name=st.text("abAB", min_size=1, max_size=3),
        number=st.integers(0, 2),
        rank=st.none() | st.integers(-1, 1),
        text=st.none() | st.sampled_from(["", "a", "B", "é"]),
        amount=_amounts,
        done=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda note: note.name,
)
ANY_ORDER = st.lists(st.sampled_from([f"{sign}{field}" for field in _FIELDS for sign in ("", "-")]), max_size=3)


def _sort_key(note: Note, name: str) -> tuple[bool, Any]:
    value = getattr(note, name)
    return (value is not None, value)


def sorted_as_told(notes: list[Note], order: list[str]) -> list[Note]:
    """Sort as `View.find` promises: the fields in turn, then the key; empty fields before all others."""
    directions = {name.removeprefix("-"): name.startswith("-") for name in order}
    directions.setdefault("name", False)
    for name, descending in reversed(directions.items()):
        notes = sorted(notes, key=lambda note: _sort_key(note, name), reverse=descending)
    return notes


async def pages(store: ViewStore, order: list[str], size: int, equals: dict[str, Any]) -> list[Note]:
    """Return the rows of all pages, one after another."""
    view, found, cursor = View(store, NOTES), list[Note](), None
    for _ in range(100):
        page = await view.find(order_by=order, limit=size, after=cursor, **equals)
        assert len(page) <= size
        found.extend(page)
        cursor = page.next
        if cursor is None:
            return found
        assert len(page) == size, "a page before the last must be full"
    raise AssertionError("the pages do not end")


class ViewPaging(ViewSuite):
    """Ties and empty fields make it hard; no row may be lost or come twice.

    Attributes:
        pages_at_random: how many examples; a longer run overrides it.
    """

    pages_at_random = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

    @pytest.mark.usefixtures("finds")
    @pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
    @pytest.mark.parametrize("order", [["rank"], ["-rank"], ["number", "-rank"], ["-number", "rank"], ["-amount"], []])
    async def test_pages_are_the_whole(self, store: ViewStore, order: list[str], size: int) -> None:
        notes = [
            Note(str(n), n % 2, None if n % 3 == 0 else n % 4, amount=None if n % 2 else Decimal(n % 3))
            for n in range(8)
        ]
        await prepared(store, NOTES)
        await put(store, NOTES, *notes)
        assert await pages(store, order, size, {}) == sorted_as_told(notes, order)
        assert await pages(store, order, size, {"number": 1}) == sorted_as_told(notes[1::2], order)

    @pytest.mark.usefixtures("finds")
    async def test_rows_that_come_and_change_do_not_move_the_others(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, *[Note(name, 1) for name in "bdfh"])
        view = View(store, NOTES)
        first = await view.find(order_by="number", limit=2)
        await put(store, NOTES, Note("a", 1), Note("e", 1), Note("h", 2), expected=1)
        second = await view.find(order_by="number", limit=10, after=first.next)
        assert [note.name for note in (*first, *second)] == list("bdefh")

    @pytest.mark.usefixtures("finds")
    def test_pages_are_the_whole_for_any_rows_and_any_order(self, engine: ViewEngine) -> None:
        @self.pages_at_random
        @given(notes=ANY_NOTES, order=ANY_ORDER, size=st.integers(1, 4), value=st.integers(0, 1))
        def check(notes: list[Note], order: list[str], size: int, value: int) -> None:
            async def run() -> None:
                async with engine.opened(engine.place()) as store:
                    await prepared(store, NOTES)
                    await put(store, NOTES, *notes)
                    expected = sorted_as_told(notes, order)
                    assert await View(store, NOTES).find(order_by=order) == expected
                    assert await pages(store, order, size, {}) == expected
                    some = [note for note in expected if note.rank == value]
                    assert await pages(store, order, size, {"rank": value}) == some

            asyncio.run(run())

        check()
