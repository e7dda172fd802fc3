"""Declared indexes are used: no page is found by reading the whole table, or by sorting it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from msgspec.structs import replace

from tests.engines.conftest import postgres_views, sqlite_views
from twofold import Event, Range, ReadModel, View
from twofold.engines.postgres.views import PostgresViews
from twofold.engines.sqlite import SqliteViews
from twofold.read.store import Advance, Page, ViewStore
from twofold.read.table import Table
from twofold.read.words import wanted_words
from twofold.testing.contracts import ViewEngine
from twofold.testing.contracts.rows import HISTORY, prepared, put
from twofold.testing.contracts.views_search import LETTERS, Letter

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MANY = 4_000


class Filed(Event):
    name: str


class Office(Enum):
    NORTH = "north"
    SOUTH = "south"


def files_with(*indexes: str | tuple[str, ...]) -> Table[Any]:
    """Return the table of a read model with these indexes, and with one by a text, which is part of the definition."""

    class File(ReadModel, key="name", indexes=["street", *indexes]):
        name: str
        street: str = ""
        office: Office = Office.NORTH
        opened: datetime = NOON
        closed: datetime = NOON
        amount: Decimal = Decimal(0)
        paid: Decimal | None = None
        rank: int | None = None
        number: int = 0

        def evolve(self, event: Filed) -> None: ...

    return Table(File)


BARE, FILES = (
    files_with("amount", "paid"),
    files_with("amount", "paid", ("office", "-opened"), "-closed", ("office", "rank"), "number"),
)
STREET, OFFICE = {"street": "street 3"}, {"office": Office.SOUTH}
AFTER_NOON = Range(at_least=NOON + timedelta(hours=50), below=NOON + timedelta(hours=90))

ASKED: dict[str, tuple[dict[str, Any], str | tuple[str, ...]]] = {
    "a text": (STREET, ()),
    "an office, the latest first": (OFFICE, "-opened"),
    "an office, by a number that may be none": (OFFICE, "rank"),
    "an order that nothing is asked with": ({}, "-closed"),
    "a decimal": ({"amount": Decimal("17.50")}, ()),
    "decimals in order": ({}, "amount"),
    "decimals in order, descending": ({}, ("-amount", "-name")),
    "decimals in order, some of them none": ({}, "paid"),
    "a time": ({"closed": NOON + timedelta(hours=70)}, ()),
    "a range of times": ({"closed": AFTER_NOON}, "-closed"),
    "a range of times in an office": ({**OFFICE, "opened": AFTER_NOON}, "-opened"),
    "a range of decimals": ({"amount": Range(above=Decimal("99.50"))}, "amount"),
    "a range of numbers": ({"number": Range(at_most=20)}, "number"),
}


def rows() -> list[Any]:
    return [
        FILES.model(
            name=f"{n:05}", street=f"street {n % 400}", office=Office.NORTH if n % 3 else Office.SOUTH,
            opened=NOON + timedelta(hours=n % 300), closed=NOON + timedelta(hours=n % 997),
            amount=Decimal(n % 211) / 2, paid=None if n % 4 else Decimal(n), rank=None if n % 3 else n % 50, number=n,
        )
        for n in range(MANY)
    ]  # fmt: skip


async def plan_in_sqlite(store: ViewStore, page: Page | None, table: Table[Any] = FILES) -> str:
    assert isinstance(store, SqliteViews)
    if page is None:
        return ""
    text, values = store._sql(table).page(page)
    rows = store._file.connect(writing=True).execute(f"EXPLAIN QUERY PLAN {text}", values).fetchall()
    return "\n".join(str(row[3]) for row in rows)


async def plan_in_postgres(store: ViewStore, page: Page | None, table: Table[Any] = FILES) -> str:
    assert isinstance(store, PostgresViews)
    if page is None:
        await store._projector.call(f"ANALYZE views.{table.versioned_name}")
        return ""
    text, values = store._sql(table).page(page)
    async with store._reader.transaction() as connection:
        # Of few rows it would rather sort than follow an index. What is turned off is done where there is no other way.
        for way in ("seqscan",) if page.words else ("seqscan", "bitmapscan", "sort", "incremental_sort"):
            await connection.execute(f"SET LOCAL enable_{way} = off")
        rows = await connection.fetch(f"EXPLAIN {text}", *values)
    return "\n".join(row[0] for row in rows)


def problems_in_sqlite(plan: str) -> list[str]:
    return [word for word in ("TEMP B-TREE", "SCAN file\n", "MULTI-INDEX OR", "AUTOMATIC") if word in f"{plan}\n"]


def problems_in_postgres(plan: str) -> list[str]:
    return [word for word in ("Sort", "Seq Scan", "Bitmap") if word in plan]


def seeks(plan: str) -> bool:
    """Tell whether an index is entered at the values that are asked for, and not read from its beginning."""
    return "SEARCH" in plan or "Index Cond" in plan


class Rig:
    """An engine, how it explains itself, and what must not be in a plan."""

    def __init__(self, engine: ViewEngine, plan: Callable[..., Any], problems: Callable[[str], list[str]]) -> None:
        self.engine = engine
        self.plan = plan
        self.problems = problems

    def faults(self, plan: str, wanted: object) -> list[str]:
        return self.problems(plan) + (["not entered at a value"] if wanted and not seeks(plan) else [])


@pytest.fixture(params=["sqlite", "postgres"])
def rig(request: pytest.FixtureRequest) -> Rig:
    if request.param == "sqlite":
        return Rig(sqlite_views(request.getfixturevalue("folder")), plan_in_sqlite, problems_in_sqlite)
    return Rig(postgres_views(request.getfixturevalue("emptied")), plan_in_postgres, problems_in_postgres)


async def plans_with_faults(store: ViewStore, rig: Rig) -> dict[str, str]:
    """Return the plans of first and second pages that read or sort more than they need."""
    view, found = View(store, FILES), dict[str, str]()
    for name, (wanted, order) in ASKED.items():
        first = await view.find(order_by=order, limit=3, **wanted)
        assert first.next is not None, f"{name}: there are too few rows to tell"
        for page, after in (("first", None), ("second", first.next)):
            plan = await rig.plan(store, view._page(order, 10, after, wanted))
            if rig.faults(plan, wanted):
                found[f"{name}: {page}"] = plan
    return found


async def test_indexes_serve_what_is_found_and_ordered_by_their_fields(rig: Rig) -> None:
    async with rig.engine.opened(rig.engine.place()) as store:
        await prepared(store, FILES)
        await put(store, FILES, *rows())
        await rig.plan(store, None)
        assert await plans_with_faults(store, rig) == {}
        await store.begin_spare(FILES, HISTORY)
        standing = await store.standing(FILES.spare)
        assert standing is not None
        spare = Advance(0, 1, [FILES.row(each) for each in rows()], live=True, epoch=standing.epoch)
        assert await store.apply(FILES.spare, spare)
        assert await store.exchange(FILES)
        await rig.plan(store, None)
        assert await plans_with_faults(store, rig) == {}
        await store.prepare(BARE, HISTORY)
        without = {name.partition(":")[0] for name in await plans_with_faults(store, rig)}
        assert ASKED.keys() - without == {
            "a text",
            "a decimal",
            "decimals in order",
            "decimals in order, descending",
            "decimals in order, some of them none",
            "a range of decimals",
        }


async def test_a_search_is_answered_from_the_index_of_words(rig: Rig) -> None:
    async with rig.engine.opened(rig.engine.place()) as store:
        await prepared(store, LETTERS)
        letters = [Letter(f"{n:05}", f"word{n % 500} word{n % 700}", number=n) for n in range(MANY)]
        await put(store, LETTERS, *letters)
        await rig.plan(store, None, LETTERS)
        page = View(store, LETTERS)._page((), 10, None, {})
        plan = await rig.plan(store, replace(page, words=wanted_words("word7 word4*")), LETTERS)
        assert "SCAN letter\n" not in f"{plan}\n"
        assert "Seq Scan" not in plan
        assert "words VIRTUAL TABLE INDEX" in plan or 'Index Cond: ("#words" @@' in plan
