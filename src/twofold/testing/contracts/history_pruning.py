"""Pruning: what is removed from the ledger is what is old enough, bit by bit, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from twofold.history.ledger import Prunable
from twofold.history.store import Appended, Duplicate, History
from twofold.testing.contracts.engine import HistoryEngine
from twofold.testing.contracts.making import (
    FAILED,
    REJECTED,
    append,
    append_one,
    command,
    decided,
    event,
    read,
    timeless,
)
from twofold.testing.contracts.suite import HistorySuite

PAST, FUTURE = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
KINDS: tuple[Prunable, ...] = ("contents", "refusals", "claims")


async def fill(history: History, rounds: int = 1) -> None:
    """Decide commands of every outcome; an accepted one is the last."""
    for n in range(rounds):
        sent = command(payload=b'{"n":%d}' % n, tags=("user:1",))
        await append(
            history,
            decided(event(), by=sent),
            decided(by=command(tags=("user:1",)), rejection=REJECTED),
            decided(by=command(tags=("user:1",)), rejection=FAILED),
            decided(event(), event(), by=command(tags=("user:1",))),
        )


async def all_of(history: History, what: Prunable, before: datetime = FUTURE, limit: int = 500) -> list[int]:
    """Prune until nothing is left; return what each step answered."""
    steps: list[int] = []
    after: int | None = 0
    while after is not None and (after := await history.prune(what, before, after=after, limit=limit)) is not None:
        assert not steps or after > steps[-1], "each step goes further"
        steps.append(after)
    return steps


class HistoryPruning(HistorySuite):
    """What `History.prune` removes, and what it leaves."""

    async def test_what_is_not_old_enough_stays(self, history: History) -> None:
        await fill(history)
        before = list(await history.ledger())
        for what in KINDS:
            assert await history.prune(what, PAST) is None
        assert list(await history.ledger()) == before

    async def test_contents_go_and_keys_stay(self, history: History) -> None:
        await fill(history)
        before = timeless(await history.ledger())
        assert len(await all_of(history, "contents")) == 1
        after = timeless(await history.ledger())
        assert [(each.payload, each.tags) for each in after] == [(None, ())] * 4
        assert [each.reason for each in after] == [None, FAILED.reason, None, None]
        keys = (
            "entry",
            "command_id",
            "type",
            "fingerprint",
            "principal",
            "outcome",
            "code",
            "first",
            "last",
            "attempts",
        )
        assert [[getattr(each, key) for key in keys] for each in after] == [
            [getattr(each, key) for key in keys] for each in before
        ]

    async def test_a_repeat_is_told_when_only_its_key_is_left(self, history: History) -> None:
        sent = command(payload=b'{"n":1}')
        await append_one(history, decided(event(), by=sent))
        await all_of(history, "contents")
        other = command(sent.command_id, payload=b'{"n":2}')
        assert await append(history, decided(by=sent), decided(by=other)) == [Duplicate(1, True), Duplicate(1, False)]

    async def test_refusals_go_and_accepted_commands_stay(self, history: History) -> None:
        await fill(history, 2)
        await all_of(history, "refusals")
        assert [each.outcome for each in await history.ledger()] == ["accepted"] * 4
        assert all(each.payload is not None for each in await history.ledger())

    async def test_claims_go_and_their_ids_are_free_again(self, history: History) -> None:
        sent = command()
        await append_one(history, decided(event(), by=sent))
        await fill(history)
        await all_of(history, "claims")
        entries = await history.ledger()
        assert [each.outcome for each in entries] == ["accepted", "failed", "rejected"]
        assert await history.find(sent.scope) is None
        assert await append_one(history, decided(event(), by=sent)) == Appended(5, 5)
        assert len(await read(history)) == 5

    async def test_the_newest_entry_stays_so_that_no_number_comes_again(self, history: History) -> None:
        await append_one(history, decided(event()))
        await append_one(history, decided(rejection=REJECTED))
        newest = (await history.ledger(limit=1))[0].entry
        await all_of(history, "claims")
        await all_of(history, "refusals")
        await append_one(history, decided(event()))
        assert [each.entry > newest for each in await history.ledger()] == [True, False]

    async def test_it_goes_on_in_small_steps(self, history: History) -> None:
        await fill(history, 10)
        assert len(await all_of(history, "refusals", limit=3)) == 7
        assert len(await all_of(history, "contents", limit=7)) == 3
        assert len(await all_of(history, "claims", limit=1)) == 19
        assert len(await history.ledger()) == 1

    async def test_it_stops_at_the_first_that_is_too_young(self, history: History) -> None:
        await fill(history, 3)
        old = (await history.ledger(limit=1))[0].recorded_at
        while (young := (await history.ledger(limit=1))[0].recorded_at) == old:
            await fill(history)
        before = await history.ledger(newest=False)
        for what in KINDS:
            await all_of(history, what, before=young, limit=2)
        assert list(await history.ledger(newest=False)) == [each for each in before if each.recorded_at >= young]

    async def test_what_was_removed_is_gone_after_opening_again(self, engine: HistoryEngine) -> None:
        engine.needs("reopen")
        place, sent = engine.place(), command()
        async with engine.opened(place) as history:
            await append_one(history, decided(event(), by=sent))
            await fill(history)
            await all_of(history, "contents")
            await all_of(history, "claims")
        async with engine.opened(place) as history:
            assert await history.find(sent.scope) is None
            assert [each.payload for each in await history.ledger()] == [None] * 3
