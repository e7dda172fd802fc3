"""The protocol of a history: what a storage engine must do. Its contract suite is in `twofold.testing.contracts`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias, runtime_checkable
from uuid import UUID

import msgspec

from twofold.history.boundary import Condition, Selection
from twofold.history.ledger import EVERY_ENTRY, LedgerEntry, LedgerSearch, Prunable
from twofold.history.record import Position, Proposed, Recorded, Submission
from twofold.history.transaction import Transaction


class Rejection(msgspec.Struct, frozen=True, gc=False):
    """Why a command was decided against: a stable code and a reason for people.

    `failed` tells that its handler did not decide at all, but raised what it should not.
    """

    code: str
    reason: str
    failed: bool = False


class Decision(msgspec.Struct, frozen=True, gc=False):
    """One command's outcome, to be made true by an append.

    A rejection is a decision as well: it has no events, and it too stands only if its condition does.
    For the ledger, `attempts` counts how often it was decided, and `elapsed` the microseconds since it was sent.

    With `work`, it is not made yet: a `TransactionalHistory` lets the work make its events or its rejection.
    """

    submission: Submission
    condition: Condition
    events: tuple[Proposed, ...] = ()
    rejection: Rejection | None = None
    attempts: int = 1
    elapsed: int = 0
    work: Work | None = None


Work: TypeAlias = Callable[[Transaction], Awaitable[tuple[tuple[Proposed, ...], Rejection | None]]]
"""Makes a decision inside a transaction, where it may write rows besides; returns its events, and its rejection."""


class Appended(msgspec.Struct, frozen=True, gc=False):
    """The decision stands. Its events are at `first` … `last`; without events both tell the head at that moment."""

    first: Position
    last: Position


class Conflict(msgspec.Struct, frozen=True, gc=False):
    """The decision rested on what is not so; nothing of it was stored. `head` is what to read up to."""

    head: Position


class Duplicate(msgspec.Struct, frozen=True, gc=False):
    """The command id was decided before, and reached `position`; `same` tells whether for the same command."""

    position: Position
    same: bool


Outcome: TypeAlias = Appended | Conflict | Duplicate


def last_of(outcomes: Sequence[Outcome]) -> Position:
    """Return the position that an append reached, by its outcomes; 0 where no decision stands."""
    return next((outcome.last for outcome in reversed(outcomes) if isinstance(outcome, Appended)), 0)


class History(Protocol):
    """All events in one total order, shared by every process that opens it.

    Raises (any method): `StoreFailed`, `StoreBusy`, `ForeignFile` and the other `StoreError`s.
    """

    @property
    def id(self) -> UUID:
        """What tells this history from every other one; made when it is created."""
        ...

    async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        """Make decisions durable in one transaction, in order, and answer each on its own (H1 to H5).

        It is not cancelled half-way: whoever cancels the caller, the transaction ends one way or the other.

        Raises:
            StoreFull, StoreBusy, StoreFailed: nothing of any decision was stored.
            OutcomeUnknown: it could not be found out, not even by looking the command ids up (H7).
        """
        ...

    def read(
        self, selection: Selection, *, after: Position = 0, until: Position | None = None, limit: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        """Yield the selected events with `after < position <= until`, in order, in batches (never empty ones).

        Without `until` it reads to what is the head when the reading begins; `limit` ends it after so many events.
        No transaction is held open between batches.
        """
        ...

    async def head(self) -> Position:
        """Return the position of the last event, 0 if there is none."""
        ...

    async def changed(self, after: Position) -> None:
        """Return when the head may have moved beyond `after`; a hint, it may return too early."""
        ...

    async def find(self, scope: tuple[str, str, UUID]) -> Position | None:
        """Return the position that an accepted command's events reached, by tenant, principal and command id."""
        ...

    async def ledger(
        self, search: LedgerSearch = EVERY_ENTRY, *, after: int | None = None, newest: bool = True, limit: int = 100
    ) -> Sequence[LedgerEntry]:
        """Return the wanted entries of the ledger, `limit` at most.

        Args:
            search: which are wanted.
            after: go on behind this entry, in the order asked for.
            newest: the newest first, else the oldest.
            limit: how many at most.
        """
        ...

    async def prune(self, what: Prunable, before: datetime, *, after: int = 0, limit: int = 500) -> int | None:
        """Remove something of the ledger from the oldest entries behind `after`, in one short transaction.

        It stops at the first entry that has it and was not recorded before that time by the database's clock. The
        newest entry is never removed, so that none is numbered like an earlier one.

        Args:
            what: is removed.
            before: from entries recorded before this time.
            after: of entries behind this one.
            limit: from so many at most.

        Returns:
            The last entry from which it was removed; None where there was none.
        """
        ...

    async def close(self) -> None:
        """Release files and threads; an append under way ends first. May be called twice."""
        ...


@runtime_checkable
class TransactionalHistory(History, Protocol):
    """A history whose database keeps tables of the application's own, beside the events and apart from them.

    Its `append` takes decisions with work as well, in batches of their own, and makes them one after another, each
    seeing what those before it stored. For each: unless its command id was decided before, or its condition does not
    hold, its work is run once, with a transaction, and what comes of it is appended. If that is a rejection, the rows
    that the work wrote are undone, and nothing of other decisions is. If the work raises, nothing of all is stored.
    """

    async def make_tables(self, statements: str) -> None:
        """Run statements that make the application's own tables where there are none; in one transaction.

        Raises:
            StatementFailed: the database refused them; nothing was changed.
        """
        ...
