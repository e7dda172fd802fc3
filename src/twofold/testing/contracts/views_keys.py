"""Rows by the first fields of the key, in the key's order: what every store finds, whatever else it can."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twofold.model import ReadModel
from twofold.read.range import Range
from twofold.read.store import Advance, ViewStore
from twofold.read.table import Table
from twofold.read.view import View
from twofold.testing.contracts.engine import ViewEngine
from twofold.testing.contracts.rows import SEATS, Noted, Seat, prepared, put
from twofold.testing.contracts.view_suite import ViewSuite

ROWS = [Seat(name, place) for name in ("", "a", "a!", "ab", "é", "\U0001f600") for place in (-3, 0, 255, 256, 2**62)]

SPANS: dict[str, tuple[dict[str, Any], list[Seat]]] = {
    "a first field": ({"name": "a"}, ROWS[5:10]),
    "an empty first field": ({"name": ""}, ROWS[:5]),
    "a first field that is not there": ({"name": "A"}, []),
    "the whole key": ({"name": "ab", "place": 255}, ROWS[17:18]),
    "the whole key, the other way round": ({"place": 255, "name": "ab"}, ROWS[17:18]),
    "a range of the first field": ({"name": Range(at_least="a", below="ab")}, ROWS[5:15]),
    "above a first field": ({"name": Range(above="a")}, ROWS[10:]),
    "up to a first field": ({"name": Range(at_most="a!")}, ROWS[:15]),
    "a range of the second field": ({"name": "a", "place": Range(above=-3, at_most=255)}, ROWS[6:8]),
    "a range that holds nothing": ({"name": "a", "place": Range(above=5, below=3)}, []),
    "a range from the largest number on": ({"name": "a", "place": Range(above=2**63 - 1)}, []),
}


class Keyed(ReadModel, key=("text", "number", "amount", "ratio", "done", "data")):
    """A row whose key has fields of many kinds."""

    text: str
    number: int
    amount: Decimal
    ratio: float
    done: bool
    data: bytes

    @staticmethod
    def keys(event: Noted) -> list[Any]:
        """Return nothing: the suites write their rows themselves."""
        return []

    def evolve(self, event: Noted) -> None:
        """Do nothing."""


class Numbered(ReadModel, key="number"):
    """A row that a number tells apart."""

    number: int

    @staticmethod
    def keys(event: Noted) -> list[Any]:
        """Return nothing: the suites write their rows themselves."""
        return []

    def evolve(self, event: Noted) -> None:
        """Do nothing."""


class Binary(ReadModel, key="data"):
    """A row that bytes tell apart."""

    data: bytes

    @staticmethod
    def keys(event: Noted) -> list[Any]:
        """Return nothing: the suites write their rows themselves."""
        return []

    def evolve(self, event: Noted) -> None:
        """Do nothing."""


KEYED = Table(Keyed)
ALONE: dict[str, tuple[Table[Any], list[Any]]] = {
    "a number": (Table(Numbered), [Numbered(each) for each in (-(2**63), -1, 0, 1, 2**53 + 1, 2**63 - 1)]),
    "bytes": (Table(Binary), [Binary(each) for each in (b"", b"\0", b"a", b"\xff", b"\xff\0")]),
}
AMOUNTS = [Decimal(text) for text in ("0", "1", "-1", "1.5", "1.25", "-1.5", "-1.25", "10", "9.99", "0.01")]
_KEYED = st.lists(
    st.builds(
        Keyed,
        text=st.sampled_from(["", "a", "aa", "b", "é", "\U0001f600", "\uffff"]),
        number=st.sampled_from([0, 1, -1, 255, 256, -256, 2**63 - 1, -(2**63)]),
        amount=st.sampled_from(AMOUNTS),
        ratio=st.sampled_from([0.0, 1.0, -1.0, 0.5, 1e300, -1e300, 5e-324, -0.5]),
        done=st.booleans(),
        data=st.sampled_from([b"", b"\0", b"\0\xff", b"\0\0", b"a", b"\xff", b"\xff\xff"]),
    ),
    max_size=12,
    unique_by=lambda row: (row.text, row.number, row.amount, row.ratio, row.done, row.data),
)


def key_of(row: Keyed) -> tuple[Any, ...]:
    """Return what rows are sorted by."""
    return (row.text, row.number, row.amount, row.ratio, row.done, row.data)


async def paged(view: View[Any], size: int, **wanted: Any) -> list[Any]:
    """Return the rows of all pages, one after another."""
    page = await view.find(limit=size, **wanted)
    found = list(page)
    while page.next is not None:
        page = await view.find(limit=size, after=page.next, **wanted)
        assert page, "a page that was promised is empty"
        found += page
    return found


class ViewKeys(ViewSuite):
    """What a page of a list needs at least.

    Attributes:
        keys_at_random: how many examples; a longer run overrides it.
    """

    keys_at_random = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

    @pytest.mark.parametrize(("wanted", "rows"), SPANS.values(), ids=SPANS.keys())
    async def test_rows_are_found_and_counted_by(
        self, store: ViewStore, wanted: dict[str, Any], rows: list[Seat]
    ) -> None:
        await prepared(store, SEATS)
        await put(store, SEATS, *reversed(ROWS))
        seats = View(store, SEATS)
        assert await seats.find(**wanted) == rows
        assert await seats.find(order_by=["-name", "-place"], **wanted) == rows[::-1]
        assert await seats.count(**wanted) == len(rows)
        assert await paged(seats, 2, **wanted) == rows

    async def test_rows_that_are_deleted_are_found_and_counted_no_more(self, store: ViewStore) -> None:
        await prepared(store, SEATS)
        await put(store, SEATS, *ROWS)
        gone = [SEATS.key_in(SEATS.row(row)) for row in ROWS[::2]]
        assert await store.apply(SEATS, Advance(1, 2, deleted=gone))
        assert await View(store, SEATS).find() == ROWS[1::2]
        assert await View(store, SEATS).count() == len(ROWS) // 2

    @pytest.mark.parametrize(("table", "rows"), ALONE.values(), ids=ALONE.keys())
    async def test_many_rows_are_read_by_keys_of(self, store: ViewStore, table: Table[Any], rows: list[Any]) -> None:
        await prepared(store, table)
        await put(store, table, *rows)
        keys = [table.key_in(table.row(row)) for row in rows]
        assert await store.load(table, keys[1:]) == {
            key: table.row(row) for key, row in zip(keys[1:], rows[1:], strict=True)
        }
        assert await View(store, table).get_many(reversed(keys)) == rows[::-1]

    def test_keys_of_any_kind_are_in_order(self, engine: ViewEngine) -> None:
        @self.keys_at_random
        @given(_KEYED, st.integers(1, 4), st.booleans())
        def check(rows: list[Keyed], size: int, descending: bool) -> None:
            asyncio.run(_check(engine, rows, size, descending))

        check()


async def _check(engine: ViewEngine, rows: list[Keyed], size: int, descending: bool) -> None:
    async with engine.opened(engine.place()) as store:
        await prepared(store, KEYED)
        await put(store, KEYED, *rows)
        view, ordered = View(store, KEYED), sorted(rows, key=key_of, reverse=descending)
        order = [f"-{name}" for name in KEYED.key] if descending else []
        assert await view.find(order_by=order) == ordered
        assert await paged(view, size, order_by=order) == ordered
        for row in rows:
            assert await view.get(*key_of(row)) == row
