"""Batches that store rows with SQL of a read model's own: together with the checkpoint, or not at all (R1)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from twofold.errors import StatementFailed
from twofold.read.store import Advance, Parked, Unparked, ViewStore, Work
from twofold.read.transaction import BatchTransaction
from twofold.testing.contracts.engine import ViewEngine
from twofold.testing.contracts.rows import HISTORY, TALLIES, Tally, everything, prepared
from twofold.testing.contracts.view_suite import ViewSuite

COUNT = """
    insert into {tally} (name, number) values (:name, 1)
    on conflict (name) do update set number = {tally}.number + excluded.number
"""
SEE = "insert into {seen} (name, place) values (:name, :place)"


def counting(*names: str, parked: Sequence[Parked] = (), fails: bool = False) -> Work:
    """Return work that counts names, and notes them in the further table."""

    async def work(tx: BatchTransaction) -> Sequence[Parked]:
        for name in names:
            assert await tx.execute(COUNT, name=name) == 1
        assert await tx.execute_many(SEE, [{"name": name, "place": 1} for name in names]) == len(names)
        if fails:
            raise ValueError("the application failed")
        return parked

    return work


async def attempted(tx: BatchTransaction) -> None:
    """Count a name, and fail after that, in an attempt."""
    async with tx.attempt():
        await tx.execute(COUNT, name="b")
        await tx.execute("insert into {seen} (name, nosuch) values (1, 2)")


async def seen(store: ViewStore, expected: int) -> list[str]:
    """Return what is in the further table, read in a batch."""
    found: list[str] = []

    async def work(tx: BatchTransaction) -> Sequence[Parked]:
        found.extend(row["name"] for row in await tx.fetch("select name from {seen} order by name"))
        return ()

    assert await store.apply(TALLIES, Advance(expected, expected, work=work))
    return found


class ViewWork(ViewSuite):
    """SQL of a read model's own; an engine without SQL declares that it cannot `work`."""

    @asynccontextmanager
    async def working(self, engine: ViewEngine) -> AsyncIterator[ViewStore]:
        """Open an engine that can do it, with an empty table."""
        engine.needs("work")
        async with engine.opened(engine.place()) as store:
            await prepared(store, TALLIES)
            yield store

    async def test_work_is_stored_with_the_checkpoint(self, engine: ViewEngine) -> None:
        async with self.working(engine) as store:
            assert await store.apply(TALLIES, Advance(0, 3, work=counting("a", "b", "a")))
            assert await everything(store, TALLIES) == [Tally("a", 2), Tally("b", 1)]
            assert await store.checkpoint(TALLIES) == 3
            assert await seen(store, 3) == ["a", "a", "b"]

    async def test_work_that_fails_stores_nothing(self, engine: ViewEngine) -> None:
        async with self.working(engine) as store:
            with pytest.raises(ValueError, match="the application failed"):
                await store.apply(TALLIES, Advance(0, 3, work=counting("a", fails=True)))
            assert await everything(store, TALLIES) == []
            assert await store.checkpoint(TALLIES) == 0
            assert await seen(store, 0) == []

    async def test_work_from_another_checkpoint_is_not_done(self, engine: ViewEngine) -> None:
        async with self.working(engine) as store:
            assert not await store.apply(TALLIES, Advance(1, 3, work=counting("a", fails=True)))
            assert not await store.apply(TALLIES, Advance(0, 3, epoch=7, work=counting("a", fails=True)))
            assert await everything(store, TALLIES) == []

    async def test_what_an_attempt_did_is_undone_alone(self, engine: ViewEngine) -> None:
        async def work(tx: BatchTransaction) -> Sequence[Parked]:
            await tx.execute(COUNT, name="a")
            with pytest.raises(StatementFailed):
                await attempted(tx)
            async with tx.attempt():
                await tx.execute(COUNT, name="c")
            return [Parked('["b"]', 2, "it failed")]

        async with self.working(engine) as store:
            assert await store.apply(TALLIES, Advance(0, 3, work=work))
            assert await everything(store, TALLIES) == [Tally("a", 1), Tally("c", 1)]
            assert dict(await store.parked_keys(TALLIES)) == {'["b"]': 2}

    @pytest.mark.parametrize(
        "sql",
        [
            "insert into {nosuch} (name) values (1)", "drop table {tally}", "commit", "select :missing from {tally}",
            "update {tally} set", "create table {tally}_too (a integer)",
        ],
    )  # fmt: skip
    async def test_what_is_no_statement_on_its_tables_is_refused(self, engine: ViewEngine, sql: str) -> None:
        async def work(tx: BatchTransaction) -> Sequence[Parked]:
            await tx.execute(sql)
            return ()

        async with self.working(engine) as store:
            with pytest.raises(StatementFailed):
                await store.apply(TALLIES, Advance(0, 3, work=work))
            assert await store.checkpoint(TALLIES) == 0

    async def test_a_transaction_takes_no_statement_after_its_batch(self, engine: ViewEngine) -> None:
        kept: list[BatchTransaction] = []

        async def work(tx: BatchTransaction) -> Sequence[Parked]:
            kept.append(tx)
            return ()

        async with self.working(engine) as store:
            assert await store.apply(TALLIES, Advance(0, 3, work=work))
            with pytest.raises(StatementFailed):
                await kept[0].execute(COUNT, name="late")
            assert await everything(store, TALLIES) == []

    async def test_a_parked_key_is_taken_up_by_work(self, engine: ViewEngine) -> None:
        async with self.working(engine) as store:
            parked = [Parked('["a"]', 2, "it failed")]
            assert await store.apply(TALLIES, Advance(0, 3, work=counting("b", parked=parked)))
            assert not await store.unpark(TALLIES, Unparked('["a"]', [9], work=counting("a")))
            with pytest.raises(ValueError, match="the application failed"):
                await store.unpark(TALLIES, Unparked('["a"]', [2], work=counting("a", fails=True)))
            assert await everything(store, TALLIES) == [Tally("b", 1)]
            assert await store.unpark(TALLIES, Unparked('["a"]', [2], work=counting("a")))
            assert await everything(store, TALLIES) == [Tally("a", 1), Tally("b", 1)]
            assert dict(await store.parked_keys(TALLIES)) == {}

    async def test_further_tables_are_exchanged_with_their_own(self, engine: ViewEngine) -> None:
        async with self.working(engine) as store:
            assert await store.apply(TALLIES, Advance(0, 3, work=counting("old")))
            await store.begin_spare(TALLIES, HISTORY)
            assert await store.apply(TALLIES.spare, Advance(0, 3, work=counting("new"), live=True))
            assert await store.exchange(TALLIES)
            standing = await store.standing(TALLIES)
            assert standing is not None
            work = counting("new")
            assert await store.apply(TALLIES, Advance(3, 4, epoch=standing.epoch, work=work))
            assert await everything(store, TALLIES) == [Tally("new", 2)]
            assert await everything(store, TALLIES.spare) == [Tally("old", 1)]

    async def test_further_tables_of_a_shadow_are_its_own_and_go_with_it(self, engine: ViewEngine) -> None:
        async with self.working(engine) as store:
            assert await store.apply(TALLIES, Advance(0, 3, work=counting("old")))
            for _ in range(2):
                await store.begin_shadow(TALLIES, HISTORY)
                standing = await store.standing(TALLIES.shadow)
                assert standing is not None
                filled = Advance(0, 3, epoch=standing.epoch, work=counting("new"))
                assert await store.apply(TALLIES.shadow, filled)
                assert await everything(store, TALLIES.shadow) == [Tally("new", 1)]
                await store.drop_shadow(TALLIES)
            assert await seen(store, 3) == ["old"]
