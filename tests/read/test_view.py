"""What a query handler asks a view: by key, by equal fields, page by page, by SQL; and what is refused."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest

from tests.read.rig import append, project
from twofold import Event, ReadModel, Tag, View
from twofold.engines.memory import MemoryHistory, MemoryViews
from twofold.engines.sqlite import SqliteViews
from twofold.errors import InvalidCursor, InvalidFilter
from twofold.read.store import ViewStore

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))


class Listed(Event):
    shop: Annotated[UUID, Tag("shop")]
    day: date
    name: str
    price: Decimal
    stars: int | None
    at: datetime
    labels: list[str]


class Offer(ReadModel, key=("shop", "day")):
    shop: UUID
    day: date
    name: str = ""
    price: Decimal = Decimal(0)
    stars: int | None = None
    at: datetime = NOON
    labels: list[str] = []
    changes: int = 0
    picture: bytes = b""

    def evolve(self, event: Listed) -> None:
        self.name, self.price, self.stars, self.at, self.labels = (
            event.name, event.price, event.stars, event.at, event.labels,
        )  # fmt: skip
        self.changes += 1


def shop(number: int) -> UUID:
    return UUID(int=number)


def day(number: int) -> date:
    return date(2026, 3, number)


PRICES = ["9.50", "10.00", "2.25", "100"]


@pytest.fixture(params=["memory", "sqlite"])
async def offers(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[View[Offer]]:
    """Twelve offers: three shops on four days each, one of them listed twice."""
    history = MemoryHistory()
    store: ViewStore = MemoryViews() if request.param == "memory" else SqliteViews(tmp_path)
    for n in range(12):
        await append(
            history,
            Listed(
                shop(n % 3), day(1 + n // 3), f"offer {n}", Decimal(PRICES[n % 4]), None if n % 5 == 0 else n % 4,
                NOON + timedelta(hours=n), ["new"] * (n % 2),
            ),
        )  # fmt: skip
    await append(history, Listed(shop(0), day(1), "again", Decimal("1.50"), 3, NOON, []))
    projector = await project(Offer, history, store)
    yield View(store, projector.table)
    await store.close()


def names(found: list[Offer]) -> list[str]:
    return [offer.name for offer in found]


async def test_get_returns_a_whole_row_in_the_types_of_its_fields(offers: View[Offer]) -> None:
    found = await offers.get(shop(0), day(1))
    assert found == Offer(shop(0), day(1), "again", Decimal("1.50"), 3, NOON, [], 2)
    assert str(found.price) == "1.50" if found else False
    assert await offers.get(shop(9), day(1)) is None


async def test_get_many_keeps_the_order_of_the_keys_and_leaves_out_what_is_not_there(offers: View[Offer]) -> None:
    wanted = [(shop(2), day(4)), (shop(9), day(9)), (shop(0), day(1)), (shop(2), day(4))]
    assert names(await offers.get_many(wanted)) == ["offer 11", "again"]
    assert await offers.get_many([]) == []


async def test_find_takes_equal_fields_and_orders_by_any_field(offers: View[Offer]) -> None:
    assert names(await offers.find(shop=shop(1), order_by="-day")) == ["offer 10", "offer 7", "offer 4", "offer 1"]
    assert names(await offers.find(stars=None)) == ["offer 10", "offer 5"]
    assert names(await offers.find(price=Decimal("10.00"), day=day(1))) == ["offer 1"]
    assert names(await offers.find(at=datetime(2026, 3, 1, 13, tzinfo=timezone(timedelta(hours=0))))) == ["offer 3"]
    cheap_first = await offers.find(day=day(1), order_by=["price", "-name"])
    assert names(cheap_first) == ["again", "offer 2", "offer 1"]
    assert await offers.count() == 12
    assert await offers.count(shop=shop(1), stars=1) == 1


@pytest.mark.parametrize("order", ["price", "-price", "stars", "-stars", "at", ["stars", "-price"], ()])
@pytest.mark.parametrize("size", [1, 5, 12])
async def test_pages_together_are_the_whole_once(offers: View[Offer], order: Any, size: int) -> None:
    whole = names(await offers.find(order_by=order))
    pages: list[str] = []
    cursor: str | None = None
    while True:
        page = await offers.find(order_by=order, limit=size, after=cursor)
        pages += names(page)
        assert len(page) <= size
        cursor = page.next
        if cursor is None:
            break
    assert pages == whole
    assert len(whole) == 12


async def test_sql_is_the_rest_of_a_select_and_takes_values_by_name(offers: View[Offer]) -> None:
    found = await offers.sql("where stars > :least and shop = :shop order by day", least=0, shop=shop(1))
    assert names(found) == ["offer 1", "offer 7"]
    assert await offers.sql("where name = :name", name="offer 1' or '1'='1") == []


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"colour": "red"}, "there is no field 'colour'"),
        ({"stars": "many"}, "stars"),
        ({"shop": "no uuid"}, "shop"),
        ({"order_by": "colour"}, "there is no field 'colour'"),
        ({"order_by": "name; drop table offer"}, "there is no field"),
        ({"order_by": "labels"}, "cannot be ordered by labels"),
        ({"limit": 0}, "limit"),
        ({"limit": "3"}, "limit"),
    ],
)
async def test_find_refuses(offers: View[Offer], asked: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidFilter, match=problem):
        await offers.find(**asked)


async def test_get_refuses_a_key_that_is_none(offers: View[Offer]) -> None:
    with pytest.raises(InvalidFilter, match="expected a key of 2 values, found 1"):
        await offers.get(shop(1))
    with pytest.raises(InvalidFilter, match="day"):
        await offers.get(shop(1), "yesterday")


async def test_a_cursor_of_another_order_or_from_elsewhere_is_refused(offers: View[Offer]) -> None:
    page = await offers.find(order_by="name", limit=2)
    assert page.next is not None
    ordered = [("name", False), ("shop", False), ("day", False)]
    forged = [made_up(ordered, values) for values in (["a"], ["a", 1, "b"], ["a", None, "b"], ["a", "b", "c"], "a")]
    for cursor in ("nonsense", "", "é", *forged):
        with pytest.raises(InvalidCursor):
            await offers.find(order_by="name", limit=2, after=cursor)
    for order in ("-name", "price"):
        with pytest.raises(InvalidCursor, match="another order"):
            await offers.find(order_by=order, limit=2, after=page.next)


def made_up(order: list[tuple[str, bool]], values: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((order, values))).decode().rstrip("=")


@pytest.mark.parametrize(
    ("field", "value"), [("stars", 2**70), ("stars", -(2**63) - 1), ("picture", "a"), ("picture", "abc")]
)
async def test_a_cursor_with_values_that_no_database_holds_is_refused(
    offers: View[Offer], field: str, value: Any
) -> None:
    cursor = made_up([(field, False), ("shop", False), ("day", False)], [value, str(shop(1)), "2026-03-01"])
    with pytest.raises(InvalidCursor):
        await offers.find(order_by=field, limit=2, after=cursor)


@pytest.mark.parametrize(
    "text",
    [
        "where no_such_column = 1",
        "where",
        "where name = :missing",
        "; delete from offer",
        "union select * from offer; drop view offer",
    ],
)
async def test_sql_that_the_database_refuses_is_an_invalid_filter(offers: View[Offer], text: str) -> None:
    with pytest.raises(InvalidFilter):
        await offers.sql(text)
    assert await offers.count() == 12
