"""Read models that are projected in batches, with SQL of their own: the same result wherever batches end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest

from tests.read.rig import append, codec_of, rows_in, table_of
from tests.read.takings import BROKEN, EVENTS, TAKEN, Priced, Sold, Takings, projected
from twofold import App, BatchTransaction, Command, Occurred, Query, ReadModel, Rejected, Tag, View
from twofold.engines.memory import MemoryHistory, MemoryViews
from twofold.errors import DeclarationError, StoreError
from twofold.model import ReadModelType
from twofold.read.parking import Parking, Retried
from twofold.read.rebuild import Rebuild
from twofold.read.store import ViewStore
from twofold.read.verification import Verification

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("batch", [1, 3, 5000])
async def test_a_batch_projection_has_the_same_rows_wherever_batches_end(store: ViewStore, batch: int) -> None:
    history = MemoryHistory()
    for event in EVENTS:
        await append(history, event)
    await projected(store, history, batch)
    assert await rows_in(store, table_of(Takings)) == TAKEN


async def test_a_poison_event_parks_its_key_and_the_rest_goes_on(store: ViewStore) -> None:
    history = MemoryHistory()
    more = [*EVENTS[:3], Sold("a", "poison", 0), *EVENTS[3:]]
    await append(history, *more)
    await projected(store, history, 5000)
    assert await rows_in(store, table_of(Takings)) == [("a", 1, 3), TAKEN[1]]
    parked = await store.parked(table_of(Takings))
    assert [(each.key, each.position) for each in parked] == [('["a"]', 4), ('["a"]', 6), ('["a"]', 9)]
    assert [each.error for each in parked] == ["ValueError: no such item", "", ""]
    await append(history, Sold("a", "tea", 0), Sold("b", "tea", 0))
    await projected(store, history, 5000)
    assert await rows_in(store, table_of(Takings)) == [("a", 1, 3), ("b", 3, 15)]
    assert [each.position for each in await store.parked(table_of(Takings), '["a"]')] == [4, 6, 9, 10]


async def test_a_failing_store_parks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    history, store = MemoryHistory(), MemoryViews()
    await append(history, *EVENTS)

    async def lost(tx: BatchTransaction, sql: str) -> None:
        raise StoreError("the connection was lost")

    with monkeypatch.context() as patch:
        patch.setattr("twofold.engines.memory.batch.MemoryBatchTransaction._run_own", lost)
        with pytest.raises(StoreError, match="lost"):
            await projected(store, history, 5000)
    assert await rows_in(store, table_of(Takings)) == []
    await projected(store, history, 5000)
    assert await rows_in(store, table_of(Takings)) == TAKEN
    assert not await store.parked(table_of(Takings))


async def test_control_halves_that_are_not_undone_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    history, store = MemoryHistory(), MemoryViews()
    await append(history, *EVENTS, Sold("c", "poison", 0))

    @asynccontextmanager
    async def kept(tx: BatchTransaction) -> AsyncIterator[None]:
        yield

    monkeypatch.setattr(BatchTransaction, "attempt", kept)
    await projected(store, history, 5000)
    assert await rows_in(store, table_of(Takings)) != TAKEN


async def test_a_batch_projection_is_a_read_model_like_any_other(tmp_path: Path) -> None:
    class Sell(Command):
        shop: Annotated[str, Tag("shop")]

    class GetTakings(Query[Takings | None]):
        shop: str

    app = App("shops")

    @app.command
    def sell(command: Sell) -> list[Priced | Sold]:
        if not command.shop:
            raise Rejected("no_shop", "a shop is needed")
        return [Priced("tea", 4), Sold(command.shop, "tea", 0)]

    @app.query
    async def get_takings(query: GetTakings, takings: View[Takings]) -> Takings | None:
        return await takings.get(query.shop)

    async with app.open(f"sqlite:///{tmp_path}") as node:
        await node.send(Sell("a"))
        await node.send(Sell("a"))
        receipt = await node.send(Sell("a"))
        assert await node.ask(GetTakings("a"), after=receipt) == Takings("a", 3, 12)


def refused(*, segments: int = 1, tables: dict[str, str] | None = None, **body: Any) -> str:
    namespace = {"__module__": __name__, "__annotations__": {"shop": "str"}, **body}
    with pytest.raises(DeclarationError) as error:
        App("shops").read_model(
            ReadModelType("Wrong", (ReadModel,), namespace, key="shop", segments=segments, tables=tables)  # type: ignore[arg-type]
        )
    return str(error.value)


def test_a_project_that_takes_no_batches_is_refused() -> None:
    async def of_one(event: Sold, tx: BatchTransaction) -> None: ...
    async def alone(events: Sequence[Occurred[Sold]]) -> None: ...
    def plain(events: Sequence[Occurred[Sold]], tx: BatchTransaction) -> None: ...

    wrong: list[Callable[..., Any]] = [of_one, alone, plain]
    for project in wrong:
        assert "projects batches" in refused(project=staticmethod(project))


def test_what_a_batch_projection_cannot_have_is_refused() -> None:
    async def project(events: Sequence[Occurred[Sold]], tx: BatchTransaction) -> None: ...

    def evolve(self: object, event: Sold) -> None: ...

    assert "both evolve and project" in refused(project=staticmethod(project), evolve=evolve)
    assert "neither split" in refused(project=staticmethod(project), segments=2)
    assert "further table" in refused(project=staticmethod(project), tables={"Bad Name": "a text"})
    assert "no project" in refused(evolve=evolve, tables={"more": "a text"})
    assert "segments=0" in refused(evolve=evolve, segments=0)


async def test_a_batch_projection_is_rebuilt_beside_and_its_parked_events_are_taken_up_or_left(
    store: ViewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    history, table = MemoryHistory(), table_of(Takings)
    await append(history, *EVENTS, Sold("c", "poison", 0), Sold("c", "tea", 0))
    await projected(store, history, 5000)
    parking = Parking(table, history, store, codec_of(Takings))
    [left] = await parking.retry()
    assert (left.key, left.events, left.error) == ('["c"]', 0, "ValueError: no such item")
    monkeypatch.setitem(BROKEN, "item", "")
    await append(history, Priced("poison", 100))
    await projected(store, history, 5000)
    assert await parking.retry("c") == [Retried('["c"]', 2)]
    assert await rows_in(store, table) == [*TAKEN, ("c", 2, 105)]
    found = await Rebuild(table, history, store, codec_of(Takings), "a rebuild").run(force=True)
    assert (found.position, found.differing, found.missing, found.surplus) == (11, 0, 0, 1)
    assert not await store.parked(table, '["a"]')
    verification = Verification(table, history, store, codec_of(Takings), MemoryViews(), "a verification")
    assert not (await verification.run()).differences
