"""One application keeps its read models in several stores."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.read.stocks import GetBoth, Item, Sell, Sold, Takings, app
from twofold import App, ReadModel
from twofold.engines.memory import MemoryViews
from twofold.errors import DeclarationError, InvalidAddress, InvalidSetting, StoreFailed
from twofold.read.freshness import Freshness
from twofold.read.store import Advance, Standing, TableStatus
from twofold.read.stores import Stores, statuses_of
from twofold.read.table import Key, Row, Table
from twofold.testing.contracts import Engine, ViewEngine, ViewStoreContract
from twofold.testing.contracts.rows import HISTORY

pytestmark = pytest.mark.anyio

ITEMS, TAKINGS = app.tables[Item], app.tables[Takings]


@pytest.fixture
def engine() -> ViewEngine:
    def opened(place: Path) -> Stores:
        return Stores({"": MemoryViews(), "other": MemoryViews()})

    return Engine("stores", opened, cannot={"reopen", "share", "connect", "lease"})


class TestSeveralStoresAsOne(ViewStoreContract): ...


async def test_a_query_is_answered_from_the_read_models_of_several_stores(tmp_path: Path) -> None:
    analytics = tmp_path / "analytics"
    async with app.open(f"sqlite:///{tmp_path}", views={"analytics": f"sqlite:///{analytics}"}) as node:
        await node.send(Sell("tea", 3))
        receipt = await node.send(Sell("tea", 2))
        assert await node.ask(GetBoth("tea"), after=receipt) == [5, 2]
        stores = {status.name: status.store for status in await node.models()}
        assert stores == {"Item": "", "Takings": "analytics"}
    assert _tables(tmp_path) == {"item"}
    assert _tables(analytics) == {"takings"}


async def test_each_store_goes_on_from_its_own_checkpoints(tmp_path: Path) -> None:
    url, analytics = f"sqlite:///{tmp_path}", tmp_path / "analytics"
    async with app.open(url, views={"analytics": f"sqlite:///{analytics}"}) as node:
        await node.send(Sell("tea"))
        await node.caught_up()
    (analytics / "views.db").unlink()
    async with app.open(url, views={"analytics": f"sqlite:///{analytics}"}) as node:
        receipt = await node.send(Sell("tea"))
        assert await node.ask(GetBoth("tea"), after=receipt) == [2, 2]


async def test_those_that_name_no_store_may_be_kept_apart_from_the_history(tmp_path: Path) -> None:
    views = {"": f"sqlite:///{tmp_path / 'views'}", "analytics": "memory:"}
    async with app.open(f"sqlite:///{tmp_path}", views=views) as node:
        receipt = await node.send(Sell("tea"))
        assert await node.ask(GetBoth("tea"), after=receipt) == [1, 1]
    assert not (tmp_path / "views.db").exists()
    assert _tables(tmp_path / "views") == {"item"}


async def test_two_stores_may_be_in_one_place(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with app.open(url, views={"analytics": url}) as node:
        receipt = await node.send(Sell("tea"))
        assert await node.ask(GetBoth("tea"), after=receipt) == [1, 1]
    assert _tables(tmp_path) == {"item", "takings"}


async def test_with_a_history_in_memory_all_stores_are_in_memory_where_nothing_else_is_said() -> None:
    async with app.open("memory:") as node:
        receipt = await node.send(Sell("tea"))
        assert await node.ask(GetBoth("tea"), after=receipt) == [1, 1]


@pytest.mark.parametrize("views", [None, "sqlite:///views", {"": "sqlite:///views"}, {}])
def test_a_store_that_was_given_no_url_is_refused_at_open(tmp_path: Path, views: Any) -> None:
    with pytest.raises(InvalidSetting) as caught:
        app.open(f"sqlite:///{tmp_path}", views=views)
    assert str(caught.value) == (
        "views=: no URL is given for store 'analytics', which Takings is kept in; "
        'give it one: views={"analytics": "URL"}, or --views analytics=URL'
    )
    assert list(tmp_path.iterdir()) == []


def test_a_url_for_a_store_that_no_read_model_names_is_refused_at_open(tmp_path: Path) -> None:
    views = {"analytics": "memory:", "analitics": "memory:"}
    with pytest.raises(InvalidSetting) as caught:
        app.open(f"sqlite:///{tmp_path}", views=views)
    assert str(caught.value) == (
        "views=: a URL is given for store 'analitics', which no read model names (they name: analytics); take it out, "
        'or declare the read models that belong there: `class …(ReadModel, key=…, store="analitics")`'
    )


@pytest.mark.parametrize("views", [7, ["memory:"], {"analytics": None}, {"analytics": 3}, {1: "memory:"}])
def test_views_that_are_no_urls_are_refused_at_open(views: Any) -> None:
    with pytest.raises(InvalidSetting, match="views=: expected a URL, or URLs by store"):
        app.open("memory:", views=views)


def test_the_url_of_a_store_is_checked_at_open() -> None:
    with pytest.raises(InvalidAddress, match="'host/db' is no storage address"):
        app.open("memory:", views={"analytics": "mongo://ada:secret@host/db"})


async def test_a_store_may_be_the_applications_own(tmp_path: Path) -> None:
    opened: list[MemoryViews] = []

    async def own() -> MemoryViews:
        opened.append(MemoryViews())
        return opened[0]

    async with app.open(f"sqlite:///{tmp_path}", views={"analytics": own}) as node:
        receipt = await node.send(Sell("tea"))
        assert await node.ask(GetBoth("tea"), after=receipt) == [1, 1]
        assert await opened[0].checkpoint(TAKINGS) == 1
    async with app.open("memory:", views=MemoryViews) as node:
        receipt = await node.send(Sell("tea"))
        assert await node.ask(GetBoth("tea"), after=receipt) == [1, 1]


async def test_an_application_says_where_its_stores_are_unless_the_deployment_does(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    saying = App("saying", views={"analytics": ""})
    saying.include(app)
    including = App("including")
    including.include(saying)
    async with including.open(f"sqlite:///{tmp_path}") as node:
        receipt = await node.send(Sell("tea"))
        assert await node.ask(GetBoth("tea"), after=receipt) == [1, 1]
    assert _tables(tmp_path) == {"item", "takings"}
    async with including.open(f"sqlite:///{tmp_path}", views={"analytics": f"sqlite:///{elsewhere}"}) as node:
        assert await node.ask(GetBoth("tea"), after=receipt) == [1, 1]
    assert _tables(elsewhere) == {"takings"}


async def test_who_only_writes_needs_no_word_about_stores(tmp_path: Path) -> None:
    async with app.open(f"sqlite:///{tmp_path}", roles=["write"]) as node:
        await node.send(Sell("tea"))


async def test_if_one_store_cannot_be_opened_none_stays_open(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    node = app.open(f"sqlite:///{tmp_path}", views={"analytics": f"sqlite:///{tmp_path}/file"})
    with pytest.raises(Exception, match="file"):
        await node.__aenter__()
    assert not node.is_open


@pytest.mark.parametrize("store", [7, None, "sqlite:///data", "a b", "ä", "-a", "a=b"])
def test_a_store_is_named_by_a_word(store: Any) -> None:
    class Wrong(ReadModel, key="item", store=store):
        item: str

        def evolve(self, event: Sold) -> None: ...

    with pytest.raises(DeclarationError, match="read model Wrong has store="):
        App("wrong").read_model(Wrong)


class Failing(MemoryViews):
    """A store whose server is away, from a moment on."""

    is_away = False

    async def get(self, table: Table[Any], keys: Sequence[Key]) -> Sequence[Row]:
        self._reach()
        return await super().get(table, keys)

    async def standings(self, table: Table[Any]) -> Sequence[Standing]:
        self._reach()
        return await super().standings(table)

    async def status(self, table: Table[Any]) -> TableStatus:
        self._reach()
        return await super().status(table)

    async def changed(self, seen: int) -> int:
        self._reach()
        return await super().changed(seen)

    def _reach(self) -> None:
        if self.is_away:
            raise StoreFailed(path="a server", problem="it is away")


async def _two() -> tuple[Stores, MemoryViews, Failing]:
    one, other = MemoryViews(), Failing()
    stores = Stores({"": one, "analytics": other})
    for table in (ITEMS, TAKINGS):
        await stores.prepare(table, HISTORY)
        assert await stores.apply(table, Advance(0, 1, live=True))
    return stores, one, other


async def test_a_store_that_is_away_hides_no_other() -> None:
    stores, _one, other = await _two()
    other.is_away = True
    statuses, problems = await statuses_of([ITEMS, TAKINGS], stores)
    assert [status.live for status in statuses] == [True, False]
    assert problems == {"Takings": "a server: it is away; nothing was stored"}
    with pytest.raises(StoreFailed):
        await statuses_of([TAKINGS], stores)
    assert await stores.checkpoint(ITEMS) == 1
    await asyncio.wait_for(stores.changed(0), 60)


async def test_who_waits_for_a_store_does_not_fail_with_another_one_that_is_away() -> None:
    stores, _one, other = await _two()
    freshness = Freshness(stores)
    waiting = [asyncio.create_task(freshness.wait([table], 2, 60)) for table in (ITEMS, TAKINGS)]
    await asyncio.sleep(0)
    other.is_away = True
    with pytest.raises(StoreFailed):
        await waiting[1]
    assert await stores.apply(ITEMS, Advance(1, 2))
    await waiting[0]
    await freshness.close()


async def test_a_move_in_any_store_is_told_once() -> None:
    stores, one, other = await _two()
    seen = await stores.changed(0)
    for store in (one, other):
        store._moved.notify()
        after = await stores.changed(seen)
        assert after != seen
        assert await stores.changed(seen) == after, "who comes later is told as well"
        seen = after
    assert await stores.changed(seen) == seen


def _tables(folder: Path) -> set[str]:
    connection = apsw.Connection(str(folder / "views.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'view'")}
    finally:
        connection.close()
