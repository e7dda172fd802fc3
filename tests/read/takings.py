"""A read model of shops that projects with SQL of its own, and the engines that it runs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import pytest

from tests.engines.conftest import duckdb_views, memory_views, postgres_views, sqlite_views
from tests.read.rig import codec_of, table_of
from twofold import BatchTransaction, Event, Occurred, ReadModel, Tag
from twofold.engines.memory import MemoryHistory
from twofold.read.freshness import Freshness
from twofold.read.projector import Projector
from twofold.read.store import ViewStore
from twofold.testing.contracts import ViewEngine


class Sold(Event):
    shop: Annotated[str, Tag("shop")]
    item: str
    price: int


class Priced(Event):
    item: str
    price: int


TAKE = """
    insert into {takings} (shop, sales, total) values (:shop, 1, :price)
    on conflict (shop) do update set sales = {takings}.sales + 1, total = {takings}.total + excluded.total
"""
PRICE = """
    insert into {prices} (item, price) values (:item, :price) on conflict (item) do update set price = excluded.price
"""


class Takings(ReadModel, key="shop", tables={"prices": "item text primary key, price integer not null"}):
    """What shops took, at the list price of each item at that time."""

    shop: str
    sales: int = 0
    total: int = 0

    @staticmethod
    async def project(events: Sequence[Occurred[Sold | Priced]], tx: BatchTransaction) -> None:
        for occurred in events:
            match occurred.event:
                case Priced(item=item, price=price):
                    await tx.execute(PRICE, item=item, price=price)
                case Sold(shop=shop, item=item):
                    if item == BROKEN["item"]:
                        raise ValueError("no such item")
                    found = await tx.fetch("select price from {prices} where item = :item", item=item)
                    await tx.execute(TAKE, shop=shop, price=found[0]["price"])


BROKEN = {"item": "poison"}


EVENTS = [
    Priced("tea", 3), Sold("a", "tea", 0), Sold("b", "tea", 0), Priced("tea", 5), Sold("a", "tea", 0),
    Priced("cake", 7), Sold("b", "cake", 0), Sold("a", "cake", 0),
]  # fmt: skip
TAKEN = [("a", 3, 15), ("b", 2, 10)]

ENGINES: dict[str, Callable[[pytest.FixtureRequest], ViewEngine]] = {
    "memory": lambda request: memory_views(),
    "sqlite": lambda request: sqlite_views(request.getfixturevalue("folder")),
    "postgres": lambda request: postgres_views(request.getfixturevalue("emptied")),
    "duckdb": lambda request: duckdb_views(request.getfixturevalue("folder")),
}


async def projected(store: ViewStore, history: MemoryHistory, batch: int) -> Projector:
    projector = Projector(table_of(Takings), history, store, codec_of(Takings), Freshness(store), batch=batch)
    await projector.prepare()
    await projector.catch_up()
    return projector
