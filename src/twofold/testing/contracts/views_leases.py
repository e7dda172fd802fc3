"""R2: of many nodes one projects a table at a time; and hints, by which the others learn that it has moved."""

from __future__ import annotations

import asyncio

from twofold.read.store import Advance, ViewStore
from twofold.testing.contracts.engine import ViewEngine
from twofold.testing.contracts.rows import NOTES, SEATS, Note, everything, prepared
from twofold.testing.contracts.view_suite import ViewSuite

HOUR = 3600.0


async def store_under(store: ViewStore, epoch: int, name: str, expected: int) -> bool:
    """Store one row, folded under the lease of an epoch."""
    return await store.apply(NOTES, Advance(expected, expected + 1, [NOTES.row(Note(name))], epoch=epoch, head=9))


class ViewLeases(ViewSuite):
    """Who projects, and for how long."""

    async def test_under_a_claimed_lease_batches_are_stored(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        lease = await store.claim(NOTES, "one", HOUR)
        assert (lease.mine, lease.holder) == (True, "one")
        assert lease.seconds >= HOUR
        assert await store_under(store, lease.epoch, "a", 0)
        assert await store_under(store, lease.epoch, "b", 1)
        assert await everything(store, NOTES) == [Note("a"), Note("b")]

    async def test_a_lease_is_renewed_under_its_epoch(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        lease = await store.claim(NOTES, "one", HOUR)
        assert await store_under(store, lease.epoch, "a", 0)
        again = await store.claim(NOTES, "one", HOUR)
        assert (again.mine, again.epoch) == (True, lease.epoch)
        assert await store_under(store, lease.epoch, "b", 1)

    async def test_what_was_released_is_another_holders_at_once(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        await store.claim(NOTES, "one", HOUR)
        await store.release(NOTES, "one")
        await store.release(NOTES, "one")
        lease = await store.claim(NOTES, "other", HOUR)
        assert (lease.mine, lease.holder) == (True, "other")
        assert await store_under(store, lease.epoch, "a", 0)

    async def test_another_holder_is_kept_out_and_told_who_has_it_and_for_how_long(self, engine: ViewEngine) -> None:
        engine.needs("lease")
        async with engine.opened(engine.place()) as store:
            await prepared(store, NOTES, SEATS)
            lease = await store.claim(NOTES, "one", HOUR)
            for _ in range(2):
                found = await store.claim(NOTES, "other", HOUR)
                assert (found.mine, found.holder, found.epoch) == (False, "one", lease.epoch)
                assert HOUR - 600 < found.seconds <= HOUR
                # What is not one's own is not released either.
                await store.release(NOTES, "other")
            assert (await store.claim(SEATS, "other", HOUR)).mine
            assert await store_under(store, lease.epoch, "a", 0)

    async def test_a_lease_that_ran_out_is_taken_over_under_a_higher_epoch(self, engine: ViewEngine) -> None:
        engine.needs("lease")
        async with engine.opened(engine.place()) as store:
            await prepared(store, NOTES)
            first = await store.claim(NOTES, "one", 0)
            second = await store.claim(NOTES, "other", HOUR)
            assert second.mine
            assert second.epoch > first.epoch
            assert not (await store.claim(NOTES, "one", HOUR)).mine

    async def test_under_an_earlier_epoch_nothing_is_stored(self, engine: ViewEngine) -> None:
        engine.needs("lease")
        async with engine.opened(engine.place()) as store:
            await prepared(store, NOTES)
            first = await store.claim(NOTES, "one", 0)
            assert await store_under(store, first.epoch, "a", 0)
            second = await store.claim(NOTES, "other", HOUR)
            assert not await store_under(store, first.epoch, "late", 1)
            assert not await store_under(store, second.epoch + 1, "early", 1)
            assert await everything(store, NOTES) == [Note("a")]
            assert await store_under(store, second.epoch, "b", 1)
            # A release and a claim are a takeover as well, even if it is by the same node.
            await store.release(NOTES, "other")
            assert not await store_under(store, first.epoch, "late", 2)

    async def test_who_let_a_lease_run_out_goes_on_where_nobody_took_it(self, engine: ViewEngine) -> None:
        engine.needs("lease")
        async with engine.opened(engine.place()) as store:
            await prepared(store, NOTES)
            lease = await store.claim(NOTES, "one", 0)
            assert await store_under(store, lease.epoch, "a", 0)
            assert (await store.claim(NOTES, "one", HOUR)).mine

    async def test_of_many_that_claim_at_once_one_gets_the_lease(self, engine: ViewEngine) -> None:
        engine.needs("lease")
        async with engine.opened(engine.place()) as store:
            await prepared(store, NOTES)
            leases = await asyncio.gather(*(store.claim(NOTES, f"node-{n}", HOUR) for n in range(8)))
            winner = next(lease for lease in leases if lease.mine)
            assert [lease.mine for lease in leases].count(True) == 1
            assert {(lease.holder, lease.epoch) for lease in leases} == {(winner.holder, winner.epoch)}

    async def test_the_status_tells_who_projects_and_how_far_the_history_is(self, engine: ViewEngine) -> None:
        engine.needs("lease")
        async with engine.opened(engine.place()) as store:
            await prepared(store, NOTES)
            assert (await store.status(NOTES)).holder is None
            lease = await store.claim(NOTES, "one", HOUR)
            assert (await store.status(NOTES)).holder == "one"
            await store_under(store, lease.epoch, "a", 0)
            assert (await store.status(NOTES)).head == 9
            await store.claim(NOTES, "one", 0)
            assert (await store.status(NOTES)).holder is None
            await store.claim(NOTES, "one", HOUR)
            await store.release(NOTES, "one")
            assert (await store.status(NOTES)).holder is None

    async def test_who_follows_the_hints_sees_every_batch(self, store: ViewStore) -> None:
        await prepared(store, NOTES)

        async def follow() -> None:
            seen = 0
            for position in range(1, 6):
                while await store.checkpoint(NOTES) != position:
                    seen = await store.changed(seen)
                reached.set()

        reached = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(follow())
            for position in range(5):
                assert await store_under(store, 0, "a", position)
                await reached.wait()
                reached.clear()
