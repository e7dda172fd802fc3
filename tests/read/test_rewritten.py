"""Rows that are changed by other hands than a projection's: who watches is told, and no kept answer outlives them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from tests.faults.virtual import run_virtually
from tests.read.test_freshness import Rang, Ring
from tests.read.test_freshness import ring as decide
from twofold import App, Node, Query, ReadModel, View
from twofold.node import Role
from twofold.read import asking, freshness
from twofold.read.freshness import Freshness, Stand
from twofold.read.kept import State, state_of
from twofold.read.store import Advance, ViewStore
from twofold.read.table import Table
from twofold.testing import ValkeyServer

pytestmark = pytest.mark.anyio

CRACKED: set[str] = set()


class Chime(ReadModel, key="bell"):
    bell: str
    rings: int = 0

    def evolve(self, event: Rang) -> None:
        if event.bell in CRACKED:
            raise ValueError("it is cracked")
        self.rings += 1


class Chimes(Query[dict[str, int]]):
    pass


app = App("rewritten chimes")
app.command(decide)


@app.query
async def chimes(query: Chimes, view: View[Chime]) -> dict[str, int]:
    return {chime.bell: chime.rings for chime in await view.find(order_by="bell")}


Places = Callable[[pytest.FixtureRequest, Path], dict[str, Any]]


def _valkey(request: pytest.FixtureRequest, folder: Path) -> dict[str, Any]:
    server: ValkeyServer = request.getfixturevalue("valkey_server")
    return {"url": f"sqlite:///{folder}", "views": server.place()}


ALONE: dict[str, Places] = {
    "memory": lambda request, folder: {"url": "memory:"},
    "duckdb": lambda request, folder: {"url": f"sqlite:///{folder}", "views": f"duckdb:///{folder}"},
}
SHARED: dict[str, Places] = {
    "sqlite": lambda request, folder: {"url": f"sqlite:///{folder}"},
    "postgres": lambda request, folder: {"url": request.getfixturevalue("initialised")()},
    "valkey": _valkey,
}


@pytest.fixture(autouse=True)
def cracked() -> Iterator[None]:
    CRACKED.add("c")
    yield
    CRACKED.clear()


async def changed_behind_the_back(node: Node) -> None:
    """Ring three bells, of which one is cracked, and change the row of one where nobody sees it."""
    for bell in "abc":
        await node.send(Ring(bell))
    await node.caught_up()
    table, store = app.tables[Chime], node._parts.views
    assert store is not None
    rows, is_changed = [table.row(Chime("b", 9))], False
    while not is_changed:
        [standing] = await store.standings(table)
        at = standing.checkpoint
        is_changed = await store.apply(table, Advance(at, at, rows, epoch=standing.epoch))


async def seen_by_all(answers: AsyncGenerator[dict[str, int], None], node: Node) -> dict[str, int]:
    """Return what a watcher sees next, and whoever asks."""
    async with asyncio.timeout(60):
        seen = await anext(answers)
    # From the second time on, it is a kept answer.
    assert [await node.ask(Chimes()) for _ in range(3)] == [seen] * 3
    return seen


async def rewritten(node: Node, watching: Node) -> None:
    """Change rows in each way that is no batch; each is seen on the node that watches."""
    await changed_behind_the_back(node)
    await watching.caught_up() if "write" in watching.roles else None
    async with aclosing(watching.watch(Chimes(), after=3)) as answers:
        assert await seen_by_all(answers, watching) == {"a": 1, "b": 9}
        await node.rebuild(Chime)
        assert await seen_by_all(answers, watching) == {"a": 1, "b": 1}
        await node.rebuild(Chime, undo=True)
        assert await seen_by_all(answers, watching) == {"a": 1, "b": 9}
        CRACKED.clear()
        assert [each.events for each in await node.retry_parked(Chime)] == [1]
        assert await seen_by_all(answers, watching) == {"a": 1, "b": 9, "c": 1}


@pytest.fixture
def places(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    return (ALONE | SHARED)[request.param](request, tmp_path)


@pytest.mark.parametrize("places", ALONE | SHARED, indirect=True)
async def test_who_watches_on_the_node_is_told_at_once(places: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    # So the node itself tells it.
    monkeypatch.setattr(freshness, "_SELDOM", 1000)
    async with app.open(**places) as node:
        await rewritten(node, node)


@pytest.mark.parametrize("roles", [["read"], ["write", "read", "project"]])
@pytest.mark.parametrize("places", SHARED, indirect=True)
async def test_who_watches_on_another_node_is_told_too(places: dict[str, Any], roles: list[Role]) -> None:
    async with app.open(**places) as node, app.open(**places, roles=roles) as other:
        await rewritten(node, other)


@pytest.mark.parametrize("places", SHARED, indirect=True)
async def test_a_node_that_projects_tells_what_another_one_has_changed(places: dict[str, Any]) -> None:
    async with app.open(**places) as node, app.open(**places, roles=["project"]) as other:
        await changed_behind_the_back(node)
        async with aclosing(node.watch(Chimes())) as answers:
            assert await seen_by_all(answers, node) == {"a": 1, "b": 9}
            await other.rebuild(Chime)
            assert await seen_by_all(answers, node) == {"a": 1, "b": 1}


async def alone() -> None:
    async with app.open("memory:") as node:
        await rewritten(node, node)


def test_control_without_the_epochs_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Freshness.stand

    def without_epochs(self: Freshness, tables: list[Table[Any]]) -> Stand:
        return stand(self, tables)[::2]

    monkeypatch.setattr(Freshness, "stand", without_epochs)
    with pytest.raises(TimeoutError):
        run_virtually(alone())


def test_control_a_node_that_does_not_tell_tells_it_late(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(self: Freshness, table: Table[Any]) -> None: ...

    monkeypatch.setattr(Freshness, "look_again", silent)
    run_virtually(alone())
    CRACKED.add("c")
    monkeypatch.setattr(freshness, "_SELDOM", 1000)
    with pytest.raises(TimeoutError):
        run_virtually(alone())


def test_control_a_kept_answer_that_knows_no_epochs_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    async def without_epochs(store: ViewStore, tables: list[Table[Any]]) -> State | None:
        found = await state_of(store, tables)
        return None if found is None else tuple((name, checkpoint, 0) for name, checkpoint, _ in found)

    monkeypatch.setattr(asking, "state_of", without_epochs)
    with pytest.raises(AssertionError, match="'b': 9"):
        run_virtually(alone())
