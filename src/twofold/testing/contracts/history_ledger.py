"""The ledger: every decided command is kept with all that is known of it, and found again by any of it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from twofold.history.boundary import EVERYTHING
from twofold.history.ledger import EVERY_ENTRY, LedgerEntry, LedgerSearch
from twofold.history.record import Submission
from twofold.history.store import Decision, History
from twofold.testing.contracts.engine import HistoryEngine
from twofold.testing.contracts.making import (
    EPOCH,
    FAILED,
    REJECTED,
    append,
    append_one,
    command,
    decided,
    event,
    on,
    timeless,
)
from twofold.testing.contracts.reference import Reference
from twofold.testing.contracts.suite import HistorySuite

A, B, C = UUID(int=10), UUID(int=11), UUID(int=12)
SENT: dict[str, Submission] = {
    "plain": command(A, payload=b'{"n":1}', tags=("user:1",)),
    "other": command(B, type_="DoElse", principal="ada", tags=("user:1", "room:7")),
    "linked": command(C, principal="bob", correlation_id=A, causation_id=B, tags=("user:2",)),
    "north": command(A, tenant="north", tags=("user:1",)),
}
DECISIONS: list[Decision] = [
    decided(event(), event(), by=SENT["plain"], attempts=3, elapsed=1_234),
    decided(by=SENT["other"], rejection=REJECTED, elapsed=7),
    decided(event(), by=SENT["other"]),
    decided(by=SENT["linked"], rejection=FAILED),
    decided(by=SENT["linked"]),
    decided(event(), event(), by=SENT["north"]),
    decided(event(), by=command(principal="ada", tags=('odd:"user:2', "room:7"))),
]
LONG_AGO, LONG_AFTER = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
SEARCHES: dict[str, LedgerSearch] = {
    "everything": EVERY_ENTRY,
    "a type": LedgerSearch(types=("Do",)),
    "several types": LedgerSearch(types=("Do", "DoElse")),
    "a command": LedgerSearch(command_id=B),
    "no command": LedgerSearch(command_id=UUID(int=99)),
    "a principal": LedgerSearch(principal="ada"),
    "who gave no name": LedgerSearch(principal=""),
    "a tag": LedgerSearch(tags=("user:1",)),
    "two tags": LedgerSearch(tags=("room:7", "user:1")),
    "part of another tag": LedgerSearch(tags=("user:2",)),
    "a tag with a quote": LedgerSearch(tags=('odd:"user:2',)),
    "accepted": LedgerSearch(outcome="accepted"),
    "rejected": LedgerSearch(outcome="rejected"),
    "failed": LedgerSearch(outcome="failed"),
    "since": LedgerSearch(since=LONG_AGO),
    "since later": LedgerSearch(since=LONG_AFTER),
    "until": LedgerSearch(until=LONG_AFTER),
    "until before": LedgerSearch(until=LONG_AGO),
    "a correlation, which may be the command itself": LedgerSearch(correlation_id=A),
    "a cause, which may be the command itself": LedgerSearch(causation_id=B),
    "the first event of a command": LedgerSearch(position=1),
    "the last event of a command": LedgerSearch(position=2),
    "another event": LedgerSearch(position=3),
    "an event of another tenant": LedgerSearch(position=4),
    "no event": LedgerSearch(position=99),
    "another tenant": LedgerSearch(tenant="north"),
    "a command of another tenant": LedgerSearch(command_id=A, tenant="north"),
    "all at once": LedgerSearch(
        types=("Do",), command_id=A, principal="", tags=("user:1",), outcome="accepted", since=LONG_AGO,
        until=LONG_AFTER, correlation_id=A, causation_id=A, position=2,
    ),
    "what contradicts itself": LedgerSearch(command_id=A, position=3),
}  # fmt: skip


def expected(search: LedgerSearch = EVERY_ENTRY, **page: Any) -> list[LedgerEntry]:
    """Return what the reference answers after the same decisions."""
    reference = Reference()
    reference.append(DECISIONS)
    whenever = msgspec.structs.replace(search, since=None, until=None)
    found = reference.ledger(whenever, page.get("after"), page.get("newest", True), page.get("limit", 100))
    return [] if search.since == LONG_AFTER or search.until == LONG_AGO else timeless(found)


async def found(history: History, search: LedgerSearch = EVERY_ENTRY, **page: Any) -> list[LedgerEntry]:
    """Return a page, apart from its times."""
    return timeless(await history.ledger(search, **page))


class HistoryLedger(HistorySuite):
    """What the ledger keeps, and how it is read."""

    async def test_every_entry_tells_all_that_is_known_of_its_command(self, history: History) -> None:
        await append(history, *DECISIONS)
        entries = await found(history, newest=False)
        assert entries == expected(newest=False)
        first, refused, _, broken, *_ = entries
        assert first == LedgerEntry(
            entry=first.entry, command_id=A, type="Do", payload=b'{"n":1}',
            fingerprint=hashlib.sha256(b'Do\0{"n":1}').digest(), tags=("user:1",), principal="", tenant="",
            outcome="accepted", code=None, reason=None, first=1, last=2, correlation_id=A, causation_id=A,
            attempts=3, elapsed=1_234, recorded_at=EPOCH,
        )  # fmt: skip
        assert (refused.outcome, refused.code, refused.reason) == ("rejected", REJECTED.code, REJECTED.reason)
        assert (broken.outcome, broken.code, broken.reason) == ("failed", FAILED.code, FAILED.reason)
        assert (broken.correlation_id, broken.causation_id) == (A, B)
        assert [(each.first, each.last) for each in entries] == [(1, 2), (3, 2), (3, 3), (4, 3), (4, 3), (6, 6)]

    async def test_an_empty_ledger_has_no_entry(self, history: History) -> None:
        assert list(await history.ledger()) == []

    @pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
    async def test_entries_are_found_by(self, history: History, search: LedgerSearch) -> None:
        for decision in DECISIONS:
            await append_one(history, decision)
        assert await found(history, search) == expected(search)
        assert await found(history, search, newest=False) == expected(search, newest=False)

    @pytest.mark.parametrize("newest", [True, False])
    async def test_pages_follow_one_another(self, history: History, newest: bool) -> None:
        await append(history, *[decided(by=command(principal="b" if n % 10 else "a")) for n in range(50)])
        search = LedgerSearch(principal="a")
        pages: list[int] = []
        after: int | None = None
        while page := [each.entry for each in await history.ledger(search, after=after, newest=newest, limit=2)]:
            assert len(page) <= 2
            assert after not in page, "a page begins behind the one before it"
            pages += page
            after = page[-1]
            # What comes meanwhile lies behind the oldest-first reader's page, and before the other's.
            await append_one(history, decided(by=command(principal="b")))
        assert pages == sorted(pages, reverse=newest)
        assert len(set(pages)) == len(pages) == 5

    async def test_conflicts_and_repeats_leave_no_entry(self, history: History) -> None:
        sent = command()
        await append(history, decided(event("A", "x:1"), by=sent), decided(event(), by=sent))
        await append_one(history, decided(event(), on=on("x:1"), by=command()))
        await append_one(history, decided(event(), on=EVERYTHING, rejection=REJECTED))
        await append_one(history, decided(by=sent, rejection=FAILED))
        assert [each.command_id for each in await history.ledger()] == [sent.command_id]

    async def test_a_failure_claims_no_id(self, history: History) -> None:
        sent = command()
        for _ in range(2):
            await append_one(history, decided(by=sent, rejection=FAILED))
        assert await history.find(sent.scope) is None
        assert (await append(history, decided(event(), by=sent)))[0]
        outcomes = [each.outcome for each in await history.ledger(LedgerSearch(command_id=sent.command_id))]
        assert outcomes == ["accepted", "failed", "failed"]

    async def test_only_the_key_is_kept_where_that_is_asked_for(self, history: History) -> None:
        sent = command(payload=b'{"secret":1}', tags=("user:1",), only_key=True)
        await append(
            history, decided(by=sent, rejection=REJECTED), decided(by=sent, rejection=FAILED), decided(event(), by=sent)
        )
        accepted, failed, rejected = await history.ledger()
        for entry in (accepted, failed, rejected):
            assert (entry.payload, entry.tags) == (None, ())
            assert entry.fingerprint == hashlib.sha256(b'Do\0{"secret":1}').digest()
        assert [each.reason for each in (accepted, failed, rejected)] == [None, FAILED.reason, None]
        # A repeat is told by the fingerprint, whatever is kept of the command.
        other = msgspec.structs.replace(sent, payload=b'{"secret":2}')
        kept = msgspec.structs.replace(sent, only_key=False)
        outcomes = await append(history, decided(by=sent), decided(by=kept), decided(by=other))
        assert [getattr(each, "same", None) for each in outcomes] == [True, True, False]

    async def test_entries_are_recorded_at_the_time_of_the_append_in_utc(self, history: History) -> None:
        await append_one(history, decided(event()))
        (entry,) = await history.ledger()
        assert entry.recorded_at.utcoffset() == timedelta(0)
        # The database's clock may differ from this machine's; a wrong unit or a wrong zone differs by more.
        assert abs(entry.recorded_at - datetime.now(UTC)) < timedelta(minutes=50)

    async def test_the_ledger_is_the_same_after_opening_again(self, engine: HistoryEngine) -> None:
        engine.needs("reopen")
        place = engine.place()
        async with engine.opened(place) as history:
            await append(history, *DECISIONS)
            before = list(await history.ledger())
        async with engine.opened(place) as history:
            assert list(await history.ledger()) == before
            await append_one(history, decided(event()))
            assert (await history.ledger(limit=1))[0].entry > before[0].entry
