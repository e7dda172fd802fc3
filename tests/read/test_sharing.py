"""Nodes share the segments out: each has its part, soon after others come and go, and every event has one effect."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

import pytest

from tests.engines.view_mistakes import Leasing, replace
from tests.faults.virtual import run_virtually
from tests.read.sharing_rig import Member, bump, reached, rebuilt, shared_out, stored, there
from tests.read.test_crash import InBatches
from twofold.read.batching import Batching
from twofold.read.folding import Folding
from twofold.read.projector import LEASE, Projector
from twofold.read.segment import segment_of
from twofold.read.store import Advance
from twofold.read.table import Key, Row, Table


def now() -> float:
    return asyncio.get_running_loop().time()


class Counting(Leasing):
    """Counts what it is asked, and tells who stored batches under which epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.claimed: list[tuple[str, int, str]] = []
        self.refused = 0

    async def attendance(self, node: str) -> Any:
        self.asked += 1
        return await super().attendance(node)

    async def attend(self, node: str, tables: Any, seconds: float) -> None:
        self.asked += 1
        await super().attend(node, tables, seconds)

    async def claim(self, table: Table[Any], holder: str, seconds: float, segment: int = 0) -> Any:
        self.asked += 1
        before = self._of(table, segment).epoch
        lease = await super().claim(table, holder, seconds, segment)
        if lease.epoch != before:
            self.claimed.append((table.name, segment, holder))
        return lease

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        stored = await super().apply(table, advance)
        self.refused += not stored
        return stored


async def world() -> tuple[InBatches, Counting]:
    history, store = InBatches(), Counting()
    await bump(history, 60)
    return history, store


def test_the_first_node_has_all_and_gives_others_their_share() -> None:
    async def main() -> None:
        history, store = await world()
        one, two, three = (Member(name, history, store) for name in ("one", "two", "three"))
        async with there(one, two, three):
            started = now()
            await shared_out(one, two, three)
            assert now() - started <= LEASE
            await bump(history, 60)
            await reached(store, 120)
        assert await stored(store) == await rebuilt(history)
        # Nothing was taken from anybody: each segment was claimed once, and handed over once at most.
        assert max(store.claimed.count((name, n, who)) for name, n, who in store.claimed) == 1
        assert store.refused == 0

    run_virtually(main())


def test_a_node_that_leaves_is_followed_at_once_and_one_that_is_killed_within_the_lease() -> None:
    async def main() -> None:
        history, store = await world()
        one, two, three = (Member(name, history, store) for name in ("one", "two", "three"))
        async with there(one, two, three):
            await shared_out(one, two, three)
            await reached(store, 60)
            left = now()
            await two.leave()
            await bump(history, 10)
            await reached(store, 70)
            assert now() - left <= LEASE / 2
            await shared_out(one, three)
            killed = now()
            await one.kill()
            await bump(history, 10)
            await reached(store, 80)
            assert now() - killed <= LEASE + 0.1
            assert await three.held() == 5
        assert await stored(store) == await rebuilt(history)

    run_virtually(main())


def test_while_nobody_comes_or_goes_no_segment_changes_hands_and_little_is_asked() -> None:
    async def main() -> None:
        history, store = await world()
        one, two = Member("one", history, store), Member("two", history, store)
        async with there(one, two):
            await shared_out(one, two)
            await asyncio.sleep(LEASE)
            claims, asked = len(store.claimed), store.asked
            for _ in range(20):
                await bump(history, 1)
                await asyncio.sleep(LEASE)
            assert len(store.claimed) == claims
            # For each third of a lease: that it is there, who else is, and its leases' renewals.
            assert store.asked - asked <= 20 * 4 * (2 * 3 + 5 + 4)

    run_virtually(main())


def test_a_node_joins_before_anything_was_projected_and_both_begin() -> None:
    async def main() -> None:
        history, store = await world()
        one, two = Member("one", history, store), Member("two", history, store)
        await asyncio.gather(one.start(), two.start())
        await shared_out(one, two)
        await reached(store, 60)
        await one.kill()
        await two.kill()
        assert await stored(store) == await rebuilt(history)

    run_virtually(main())


def test_a_node_that_is_lost_to_the_store_and_comes_back_gets_its_share_again() -> None:
    class Cut(Counting):
        cut = ""

        async def attend(self, node: str, tables: Any, seconds: float) -> None:
            if node == self.cut:
                raise ConnectionError("cut off")
            await super().attend(node, tables, seconds)

        async def claim(self, table: Table[Any], holder: str, seconds: float, segment: int = 0) -> Any:
            if holder == self.cut:
                raise ConnectionError("cut off")
            return await super().claim(table, holder, seconds, segment)

    async def main() -> None:
        history, store = InBatches(), Cut()
        one, two = Member("one", history, store), Member("two", history, store)
        async with there(one, two):
            await shared_out(one, two)
            store.cut = "one"
            while await two.held() < 5:
                await asyncio.sleep(0.1)
            assert one.sharing.problem is not None
            assert "cut off" in one.sharing.problem
            store.cut = ""
            await shared_out(one, two)
            assert one.sharing.problem is None

    run_virtually(main())


class Stalling(Counting):
    """Is held up now and then for longer than a lease lasts."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._chance = Random(seed)

    async def load(self, table: Table[Any], keys: Sequence[Key]) -> Mapping[Key, Row]:
        rows = await super().load(table, keys)
        await self._stall()
        return rows

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        await self._stall()
        stored = await super().apply(table, advance)
        await self._stall()
        return stored

    async def _stall(self) -> None:
        await asyncio.sleep(self._chance.choice((0, 0, 0, 0.01, 1, LEASE * 1.5)))


async def storm(store: Stalling, seed: int = 0) -> None:
    """Let nodes come, go and be killed while a history grows and each is held up at random; compare with a rebuild."""
    history, chance = InBatches(), Random(seed)
    members: list[Member] = []
    for step in range(25):
        await bump(history, chance.randrange(12), step)
        if len(members) < 3 or chance.random() < 0.3:
            members.append(Member(f"node-{step}", history, store))
            await members[-1].start()
        elif chance.random() < 0.4:
            gone = members.pop(chance.randrange(len(members)))
            await (gone.leave() if chance.random() < 0.5 else gone.kill())
        await asyncio.sleep(chance.random() * 8)
    await reached(store, await history.head())
    for member in members:
        await member.kill()
    assert await stored(store) == await rebuilt(history)


@pytest.mark.parametrize("seed", range(4))
def test_nodes_that_come_go_stall_and_are_killed_apply_each_event_once(seed: int) -> None:
    store = Stalling(seed)
    run_virtually(storm(store, seed))
    assert len({who for _, _, who in store.claimed}) > 3
    assert store.refused > 0, "nobody ever tried to store what is stale"


class AnyEpoch(Stalling):
    """A planted bug: a segment's rows are stored whoever has its lease by now, and wherever its checkpoint is."""

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        segment = self._tables[table.versioned_name].segments[advance.segment]
        expected, epoch = segment.checkpoint, self._of(table, advance.segment).epoch
        reached = max(expected, advance.reached)
        return await super().apply(table, replace(advance, expected=expected, reached=reached, epoch=epoch))


def test_control_rows_that_are_stored_without_the_segments_epoch_are_found() -> None:
    def storms() -> None:
        for seed in range(6):
            run_virtually(storm(AnyEpoch(seed), seed))

    with pytest.raises(AssertionError):
        storms()


class Late(Counting):
    """The batches that the first node is storing when another comes are long on their way."""

    def __init__(self) -> None:
        super().__init__()
        self.joined = False
        self.held_up: set[int] = set()

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        await asyncio.sleep(0.2)
        if self.joined and table.segments > 1 and advance.epoch == 1 and advance.segment not in self.held_up:
            self.held_up.add(advance.segment)
            await asyncio.sleep(LEASE * 2)
        return await super().apply(table, advance)


class LateAndAnyEpoch(Late):
    """A planted bug, as above."""

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        # Late like the others, and then stored whatever has come in between.
        await super().apply(table, replace(advance, expected=-1))
        segment = self._tables[table.versioned_name].segments[advance.segment]
        expected, epoch = segment.checkpoint, self._of(table, advance.segment).epoch
        reached = max(expected, advance.reached)
        return await Counting.apply(self, table, replace(advance, expected=expected, reached=reached, epoch=epoch))


async def hand_over(store: Late) -> None:
    history = InBatches()
    await bump(history, 120)
    one, two = Member("one", history, store), Member("two", history, store)
    async with there(one):
        await asyncio.sleep(1)
        store.joined = True
        async with there(two):
            await reached(store, 120)
            await asyncio.sleep(LEASE * 4)
    assert await stored(store) == await rebuilt(history)


def test_control_a_released_segment_that_still_writes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = Projector._settle

    async def not_before_leaving(self: Projector) -> bool:
        return True if not self._is_mine() else await settle(self)

    run_virtually(hand_over(Late()))
    monkeypatch.setattr(Projector, "_settle", not_before_leaving)
    run_virtually(hand_over(Late()))
    with pytest.raises(AssertionError):
        run_virtually(hand_over(LateAndAnyEpoch()))


def test_control_keys_that_each_node_tells_apart_by_a_hash_of_its_own_are_lost_or_counted_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def by_its_own(name: str, fold: Folding | Batching, key: Key) -> bool:
        assert isinstance(fold, Folding)
        # Not `hash`, which differs between processes: for one in a hundred of them, all of these keys fall alike.
        own = segment_of(key, fold.table.segments) + (name == "two")
        return own % fold.table.segments == fold._segment

    async def main() -> None:
        history, store = await world()
        one, two = Member("one", history, store), Member("two", history, store)
        for member in (one, two):
            for each in member.projectors:
                monkeypatch.setattr(each._folding, "_is_here", partial(by_its_own, member.name, each._folding))
        async with there(one, two):
            await shared_out(one, two)
            await bump(history, 60)
            await reached(store, 120)
        monkeypatch.undo()
        assert await stored(store) == await rebuilt(history)

    with pytest.raises(AssertionError):
        run_virtually(main())


def test_segments_are_given_up_at_the_end_of_a_batch_in_the_midst_of_a_long_catch_up() -> None:
    class Slow(Counting):
        async def apply(self, table: Table[Any], advance: Advance) -> bool:
            await asyncio.sleep(0.2)
            return await super().apply(table, advance)

    async def main() -> None:
        history, store = InBatches(), Slow()
        await bump(history, 300)
        one, two = Member("one", history, store), Member("two", history, store)
        async with there(one, two):
            await shared_out(one, two)
            behind = [each.checkpoint for each in await store.segments(one.tables[0])]
            assert max(behind) < 300, "it was through before the other had come"
            await reached(store, 300)
        assert await stored(store) == await rebuilt(history)
        assert store.refused == 0

    run_virtually(main())
