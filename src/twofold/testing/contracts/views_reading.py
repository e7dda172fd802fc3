"""What queries get: rows by key, by equal fields, in an order, by SQL; and R6, that none of it can write."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from twofold.errors import InvalidFilter
from twofold.read.store import Page, ViewStore
from twofold.read.view import View
from twofold.testing.contracts.engine import ViewEngine
from twofold.testing.contracts.rows import NOTES, SEATS, Note, Seat, everything, key, prepared, put
from twofold.testing.contracts.view_suite import ViewSuite

ROWS = [
    Note("a", 3, None, "b", Decimal("10"), True),
    Note("b", 1, 2, "B", Decimal("9.5")),
    Note("c", 3, 1, None, Decimal("-1")),
    Note("d", 2, 2, "a", None, True, ["x", "y"]),
    Note("e", 1, None, "é", Decimal("1e1")),
    Note("f", 3, -1, "\U0001f600", Decimal("0.1")),
    Note("g", 2, 0, "\uffee", Decimal("100")),
]

FINDINGS: dict[str, tuple[dict[str, Any], str]] = {
    "all": ({}, "abcdefg"),
    "a number": ({"number": 3}, "acf"),
    "a text": ({"text": "b"}, "a"),
    "a boolean": ({"done": True}, "ad"),
    "the other boolean": ({"done": False}, "bcefg"),
    "nothing in a field": ({"rank": None}, "ae"),
    "several fields": ({"number": 1, "rank": None}, "e"),
    "the key": ({"name": "d"}, "d"),
    "a key that is not there": ({"name": "A"}, ""),
    "a decimal": ({"amount": Decimal("9.5")}, "b"),
    "a decimal that is padded otherwise": ({"amount": Decimal("9.500")}, "b"),
    "a decimal that is written otherwise": ({"amount": Decimal("10.0")}, "ae"),
    "a nested value": ({"labels": ["x", "y"]}, "d"),
    "fields that no row has together": ({"number": 1, "done": True}, ""),
}

ORDERS: dict[str, tuple[str | Sequence[str], str]] = {
    "the key": ((), "abcdefg"),
    "the key, descending": ("-name", "gfedcba"),
    "a number, ties by key": ("number", "bedgacf"),
    "a number, descending, ties by key": ("-number", "acfdgbe"),
    "empty fields come first": ("rank", "aefgcbd"),
    "empty fields come last, descending": ("-rank", "bdcgfae"),
    "text by code points": ("text", "cbdaegf"),
    "decimals by value, ties by key": ("amount", "dcfbaeg"),
    "decimals by value, descending": ("-amount", "gaebfcd"),
    "two fields": (("number", "rank"), "ebgdafc"),
    "two fields in two directions": (("-number", "rank"), "afcgdeb"),
    "two fields, the second descending": (("number", "-rank"), "bedgcfa"),
    "a boolean, then a number": (("-done", "number"), "dabegcf"),
}

WRITES = [
    "; DELETE FROM {table}",
    "; UPDATE {table} SET number = 99",
    "; INSERT INTO {table} (name, number, done, labels) VALUES ('z', 1, 0, '[]')",
    "; DROP TABLE {table}",
    "; CREATE TABLE made_by_a_query (a INTEGER)",
    "; DELETE FROM twofold_projections",
    "where name in (DELETE FROM {table} RETURNING name)",
]


class ViewReading(ViewSuite):
    """Rows are found, ordered and counted alike on every engine; a `View` asks for them."""

    async def test_get_returns_the_rows_of_keys(self, store: ViewStore) -> None:
        await prepared(store, NOTES, SEATS)
        await put(store, NOTES, *ROWS)
        await put(store, SEATS, Seat("a", 1), Seat("a", 2))
        notes, seats = View(store, NOTES), View(store, SEATS)
        assert await notes.get("b") == ROWS[1]
        assert await notes.get("B") is None
        assert await notes.get_many(["c", "z", "a"]) == [ROWS[2], ROWS[0]]
        assert await notes.get_many([]) == []
        assert await seats.get("a", 2) == Seat("a", 2)
        assert await seats.get("a", 3) is None
        assert len(await store.get(NOTES, [key("a"), key("b"), key("z")])) == 2

    @pytest.mark.usefixtures("finds")
    @pytest.mark.parametrize(("equals", "names"), FINDINGS.values(), ids=FINDINGS.keys())
    async def test_find_and_count_take_rows_by(self, store: ViewStore, equals: dict[str, Any], names: str) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, *ROWS)
        notes = View(store, NOTES)
        assert await notes.find(**equals) == [row for row in ROWS if row.name in names]
        assert await notes.count(**equals) == len(names)

    @pytest.mark.usefixtures("finds")
    @pytest.mark.parametrize(("order", "names"), ORDERS.values(), ids=ORDERS.keys())
    async def test_find_orders_by(self, store: ViewStore, order: str | Sequence[str], names: str) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, *reversed(ROWS))
        assert "".join(note.name for note in await View(store, NOTES).find(order_by=order)) == names

    @pytest.mark.usefixtures("finds")
    async def test_find_ends_at_the_limit(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, *ROWS)
        order = (("number", True), ("name", False))
        assert [row[0] for row in await store.find(NOTES, Page(order=order, limit=3))] == ["a", "c", "f"]
        assert [row[0] for row in await store.find(NOTES, Page(order=order, limit=100))] == list("acfdgbe")

    @pytest.mark.usefixtures("finds")
    async def test_count_counts_all_rows_whatever_the_page(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        assert await store.count(NOTES, Page()) == 0
        await put(store, NOTES, *ROWS)
        assert await store.count(NOTES, Page()) == 7
        assert await store.count(NOTES, Page(equals=(("number", 3), ("rank", None)))) == 1

    @pytest.mark.usefixtures("takes_sql")
    async def test_sql_takes_values_by_name(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, *ROWS)
        notes = View(store, NOTES)
        assert await notes.sql("where number >= :least order by name desc limit 2", least=2) == [ROWS[6], ROWS[5]]
        assert await notes.sql("where note.text = :text", text="é") == [ROWS[4]]
        assert await notes.sql("where done = :done and number > 2", done=True) == [ROWS[0]]
        assert await notes.sql("where rank is null order by name") == [ROWS[0], ROWS[4]]
        assert await notes.sql("order by name") == ROWS
        assert await notes.sql("where name = :name", name="'; drop table note; --") == []

    @pytest.mark.usefixtures("takes_sql")
    @pytest.mark.parametrize(
        "text",
        ["where nosuch = 1", "where", "order by name; nonsense", "where name = :missing", "where (", "where name = 'a"],
    )
    async def test_sql_that_is_wrong_is_refused(self, store: ViewStore, text: str) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, *ROWS)
        with pytest.raises(InvalidFilter) as refused:
            await View(store, NOTES).sql(text)
        assert refused.value.model == "Note"
        assert await everything(store, NOTES) == ROWS

    @pytest.mark.usefixtures("takes_sql")
    @pytest.mark.parametrize("write", WRITES)
    @pytest.mark.parametrize("table", ["note", NOTES.versioned_name])
    async def test_sql_cannot_write(self, store: ViewStore, write: str, table: str) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, *ROWS)
        with pytest.raises(InvalidFilter):
            await View(store, NOTES).sql(f"where number = :number{write.format(table=table)}", number=1)
        with pytest.raises(InvalidFilter):
            await View(store, NOTES).sql(write.format(table=table))
        assert await everything(store, NOTES) == ROWS
        assert await store.checkpoint(NOTES) == 1

    @pytest.mark.usefixtures("takes_sql")
    async def test_sql_cannot_make_its_connection_write(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, *ROWS)
        notes = View(store, NOTES)
        for text in ("; PRAGMA query_only = OFF", "; ATTACH ':memory:' AS other", "; BEGIN"):
            with pytest.raises(InvalidFilter):
                await notes.sql(f"where name = 'a'{text}")
        await put(store, NOTES, Note("h"), expected=1)
        assert await notes.sql("order by name") == [*ROWS, Note("h")]

    @pytest.mark.usefixtures("takes_sql")
    @pytest.mark.parametrize("value", [2**63, "\0", "\ud800", float("nan"), ...], ids=repr)
    async def test_sql_refuses_a_value_that_no_column_can_hold(self, store: ViewStore, value: Any) -> None:
        await prepared(store, NOTES)
        with pytest.raises(InvalidFilter):
            await View(store, NOTES).sql("where text = :value", value=value)

    async def test_the_connection_that_queries_are_read_with_cannot_write(self, engine: ViewEngine) -> None:
        engine.needs("connect")
        assert engine.write_raw is not None, "give the engine `write_raw`, or declare that it cannot connect"
        async with engine.opened(engine.place()) as store:
            await prepared(store, NOTES)
            await put(store, NOTES, *ROWS)
            for write in WRITES[:-1]:
                statement = write.format(table=NOTES.versioned_name).removeprefix("; ")
                with pytest.raises(Exception):  # noqa: B017, PT012 - each database refuses it in its own words
                    found = engine.write_raw(store, statement)
                    if inspect.isawaitable(found):
                        await found
            assert await everything(store, NOTES) == ROWS
            assert await store.checkpoint(NOTES) == 1
