"""Read models with SQL of their own are verified where that SQL runs: in a shadow that is there for so long (R3)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest

from tests.read.rig import append, codec_of, rows_in, table_of
from tests.read.takings import EVENTS, TAKEN, Sold, Takings, projected
from twofold import BatchTransaction, Difference
from twofold.engines.memory import MemoryHistory, MemoryViews
from twofold.errors import CannotVerify
from twofold.read.comparison import Compared
from twofold.read.filling import Told
from twofold.read.rebuild import Rebuild
from twofold.read.store import Advance, Parked, ViewStore
from twofold.read.table import Table
from twofold.read.verification import Verification
from twofold.testing.contracts import ViewEngine

pytestmark = pytest.mark.anyio
TABLE: Table[Any] = table_of(Takings)
SPOIL = "update {takings} set sales = 9, total = 9 where shop = 'b'"


class Speechless(MemoryViews):
    """Speaks no SQL that any store speaks, as SQLite is none to PostgreSQL."""

    def dialect(self, table: Table[Any]) -> str:
        return "none"


@pytest.fixture
async def history() -> MemoryHistory:
    history = MemoryHistory()
    await append(history, *EVENTS)
    return history


def verification(
    history: MemoryHistory, store: ViewStore, told: Told | None = None, holder: str = "a verification"
) -> Verification:
    return Verification(TABLE, history, store, codec_of(Takings), Speechless(), holder, told)


def rebuild(history: MemoryHistory, store: ViewStore, told: Told | None = None) -> Rebuild:
    return Rebuild(TABLE, history, store, codec_of(Takings), "a rebuild", told)


async def change(store: ViewStore, sql: str) -> None:
    """Change rows of the live table behind everybody's back."""

    async def work(tx: BatchTransaction) -> Sequence[Parked]:
        await tx.execute(sql)
        return ()

    standing = await store.standing(TABLE)
    assert standing is not None
    assert await store.apply(TABLE, Advance(standing.checkpoint, standing.checkpoint, epoch=standing.epoch, work=work))


async def kept(store: ViewStore) -> set[str]:
    return {each.version for each in await store.versions(TABLE)}


async def verified_while_it_moves(history: MemoryHistory, store: ViewStore) -> Compared:
    """Verify it, while more is projected at every step of the shadow's."""
    projector = await projected(store, history, 5000)
    moves = [Sold("a", "tea", 0)] * 5

    async def move() -> None:
        while moves:
            await filled.wait()
            filled.clear()
            await append(history, moves.pop())
            await projector.catch_up()

    filled = asyncio.Event()
    moving = asyncio.create_task(move())
    found = await verification(history, store, lambda at, until: filled.set()).run()
    while not moving.done():
        filled.set()
        await asyncio.sleep(0)
    await moving
    return found


async def test_a_damaged_row_is_told_while_the_rest_goes_on_and_nothing_is_left(
    history: MemoryHistory, store: ViewStore
) -> None:
    await projected(store, history, 5000)
    await change(store, SPOIL)
    await change(store, "insert into {takings} (shop, sales, total) values ('z', 1, 1)")
    before = await kept(store)
    found = await verified_while_it_moves(history, store)
    assert sorted(found.differences, key=lambda each: each.key) == [
        Difference('["b"]', "differing", ["sales", "total"]), Difference('["z"]', "surplus"),
    ]  # fmt: skip
    assert await kept(store) == before
    await change(store, "update {takings} set sales = 2, total = 10 where shop = 'b'")
    await change(store, "delete from {takings} where shop = 'z'")
    assert (await verification(history, store).run()).differences == []


async def test_what_a_rebuild_left_to_go_back_to_is_there_after_a_verification(
    history: MemoryHistory, store: ViewStore
) -> None:
    await projected(store, history, 5000)
    await change(store, SPOIL)
    await rebuild(history, store).run()
    assert (await verification(history, store).run()).differences == []
    assert await rows_in(store, TABLE) == TAKEN
    await rebuild(history, store).undo()
    assert await rows_in(store, TABLE) == [TAKEN[0], ("b", 9, 9)]


async def test_a_rebuild_goes_on_beside_a_verification(history: MemoryHistory, store: ViewStore) -> None:
    await projected(store, history, 5000)
    await change(store, SPOIL)
    filled, go_on, ended = asyncio.Event(), asyncio.Event(), list[Compared]()

    async def verify_in_the_midst() -> None:
        await filled.wait()
        ended.append(await verification(history, store).run())

    verifying = asyncio.create_task(verify_in_the_midst())
    rebuilding = rebuild(history, store, lambda at, until: filled.set())
    exchange = rebuilding._exchange

    async def exchange_after_that() -> None:
        await verifying
        go_on.set()
        await exchange()

    rebuilding._exchange = exchange_after_that  # type: ignore[method-assign]
    assert (await rebuilding.run()).differing == 1
    assert go_on.is_set()
    assert [each.key for each in ended[0].differences] == ['["b"]']
    assert await rows_in(store, TABLE) == TAKEN


async def test_nothing_is_left_of_a_verification_that_is_interrupted_or_fails(
    history: MemoryHistory, store: ViewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await projected(store, history, 5000)
    before = await kept(store)
    filling, go_on, apply = asyncio.Event(), asyncio.Event(), store.apply

    async def apply_in_time(table: Table[Any], advance: Advance) -> bool:
        filling.set()
        await go_on.wait()
        return await apply(table, advance)

    monkeypatch.setattr(store, "apply", apply_in_time)
    verifying = asyncio.create_task(verification(history, store).run())
    await filling.wait()
    assert await kept(store) == before | {TABLE.shadow.version}
    # It is interrupted while the batch is being stored.
    go_on.set()
    await asyncio.sleep(0)
    verifying.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await verifying
    assert verifying.cancelled()
    assert await kept(store) == before

    def fail(at: int, until: int) -> None:
        raise RuntimeError("nobody is there to be told")

    with pytest.raises(RuntimeError, match="nobody is there"):
        await verification(history, store, fail).run()
    assert await kept(store) == before


async def test_what_a_killed_one_left_is_dropped_by_the_next_one(history: MemoryHistory, store: ViewStore) -> None:
    await projected(store, history, 5000)
    before = await kept(store)
    await store.begin_shadow(TABLE, history.id)
    lease = await store.claim(TABLE.shadow, "who was killed", 0.0)
    wrong = Advance(0, 3, [TABLE.row(Takings("q"))], [Parked('["a"]', 2, "it failed")], epoch=lease.epoch)
    assert await store.apply(TABLE.shadow, wrong)
    found = await verification(history, store).run()
    assert (found.rows, found.differences) == (2, [])
    assert await kept(store) == before


async def test_of_two_verifications_one_goes_on_and_the_other_says_why_not(
    history: MemoryHistory, store: ViewStore
) -> None:
    await projected(store, history, 5000)
    before = await kept(store)
    both = [verification(history, store, holder=f"verification {n}").run() for n in range(2)]
    ended = await asyncio.gather(*both, return_exceptions=True)
    refused = [each for each in ended if isinstance(each, BaseException)]
    assert len(refused) <= 1
    assert all(isinstance(each, CannotVerify) for each in refused), refused
    assert [each.differences for each in ended if isinstance(each, Compared)] == [[]] * (2 - len(refused))
    assert await kept(store) == before


async def test_one_that_is_held_by_another_node_is_refused_with_its_name(
    history: MemoryHistory, engine: ViewEngine
) -> None:
    engine.needs("lease")
    async with engine.opened(engine.place()) as store:
        await projected(store, history, 5000)
        await store.begin_shadow(TABLE, history.id)
        await store.claim(TABLE.shadow, "somebody else", 3600)
        with pytest.raises(CannotVerify, match="somebody else is verifying it"):
            await verification(history, store).run()
        assert TABLE.shadow.version in await kept(store)


class InTheSpare(MemoryViews):
    """A planted mistake: the shadow is made where a rebuild has left what was live before it."""

    async def begin_shadow(self, table: Table[Any], history_id: Any) -> None:
        await super().begin_shadow(table, history_id)
        await super().begin_spare(table, history_id)


async def test_control_a_shadow_in_the_place_of_the_spare_takes_away_what_was_kept(history: MemoryHistory) -> None:
    with pytest.raises(Exception, match="nothing to go back to"):
        await test_what_a_rebuild_left_to_go_back_to_is_there_after_a_verification(history, InTheSpare())


class NeverDropped(MemoryViews):
    """A planted mistake: the shadow stays."""

    async def drop_shadow(self, table: Table[Any]) -> None:
        pass


async def test_control_a_shadow_that_stays_is_seen(history: MemoryHistory) -> None:
    with pytest.raises(AssertionError):
        await test_a_damaged_row_is_told_while_the_rest_goes_on_and_nothing_is_left(history, NeverDropped())
    with pytest.raises(AssertionError):
        await test_what_a_killed_one_left_is_dropped_by_the_next_one(history, NeverDropped())
