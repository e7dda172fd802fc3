"""The protocol of a view store: what an engine must do to keep read models.

Its contract suite is in `twofold.testing.contracts`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable
from uuid import UUID

import msgspec

from twofold.history.record import Position
from twofold.history.signal import Signal
from twofold.read.index import Order
from twofold.read.range import Operator
from twofold.read.share import Attendance
from twofold.read.table import Key, Row, Table
from twofold.read.transaction import BatchTransaction
from twofold.read.words import Word


class Parked(msgspec.Struct, frozen=True):
    """An event that a row could not take, or one that came after it for the same row. `error` is empty for those."""

    key: str
    position: Position
    error: str = ""


Work: TypeAlias = Callable[[BatchTransaction], Awaitable[Sequence[Parked]]]
"""Stores rows with SQL of a read model's own, in the transaction of a batch; returns the events to be parked."""


class Unparked(msgspec.Struct, frozen=True):
    """A key that is parked no longer: its events were applied after all, or are given up.

    Args:
        key: as it was parked.
        positions: of its parked events; all of them, in order.
        rows: what they made of its row; nothing where they are given up.
        deleted: the key, where they deleted its row.
        work: stores what they made of a table with SQL of its own; where it raises, nothing is changed.
    """

    key: str
    positions: Sequence[Position]
    rows: Sequence[Row] = ()
    deleted: Sequence[Key] = ()
    work: Work | None = None


class Standing(msgspec.Struct, frozen=True):
    """Where a segment of a table stands: its checkpoint, the epoch under which batches are stored, and readiness.

    `ready` tells that it has once caught up; the table is live, and shown by the live name, when all of its have.
    """

    checkpoint: Position
    epoch: int
    ready: bool
    live: bool


class Lease(msgspec.Struct, frozen=True):
    """Who projects a segment. `epoch` grows at every takeover, so that what an earlier holder still writes is refused.

    It also grows whenever rows are changed by other hands than the projection's: by a rebuild, or by taking up what was
    parked. Whoever projects then begins again from what is stored.

    `holder` is the node that has it, which may be another one than asked; `mine` tells whether it is the one that did.
    It lasts for `seconds` from now, unless it is renewed or released; for ever where a store needs no renewal.
    """

    epoch: int
    holder: str
    mine: bool
    seconds: float = float("inf")


class Advance(msgspec.Struct, frozen=True):
    """One batch of a projection: the rows it changed and how far it came. It is stored whole or not at all (R1).

    Args:
        expected: the checkpoint that the batch began from; if it is another by now, nothing is stored (R2).
        reached: the new checkpoint.
        rows: whole rows, to be inserted or to replace what has their key.
        parked: events to remember as not applied.
        live: True to say that this segment has caught up. When all segments of the table have, the live name shows it.
        epoch: that of the lease under which the batch was folded; if it is another by now, nothing is stored (R2).
        head: the head of the history as the projection saw it, for nodes that cannot see the history themselves.
        deleted: keys whose rows are to be deleted, none of them a row's above.
        segment: of which segment the batch is; all of its keys are that segment's.
        work: stores further rows, in the same transaction; where it raises, nothing is stored.
        rate: how many events a second the projection has applied lately.
    """

    expected: Position
    reached: Position
    rows: Sequence[Row] = ()
    parked: Sequence[Parked] = ()
    live: bool = False
    epoch: int = 0
    head: Position = 0
    deleted: Sequence[Key] = ()
    segment: int = 0
    work: Work | None = None
    rate: float = 0.0


class TableStatus(msgspec.Struct, frozen=True):
    """How a read model's table stands: its checkpoint, whether the live name shows it, its rows, its parked keys.

    `holder` is the node that projects it, None where nobody does or the store keeps no leases. `head` is the history's
    as the projection last saw it, 0 where the store does not keep it. Of several segments it is the lowest checkpoint.
    """

    checkpoint: Position
    live: bool
    rows: int
    parked: int
    holder: str | None = None
    head: Position = 0


class SegmentStatus(msgspec.Struct, frozen=True):
    """How far a segment is, and who projects it, None where nobody does or the store keeps no leases.

    `rate` is how many events a second were applied lately; None where the store does not keep it.
    """

    checkpoint: Position
    holder: str | None = None
    rate: float | None = None


class Version(msgspec.Struct, frozen=True):
    """A table of a read model that is kept: of one of its definitions, or the spare beside that.

    `version` and `shape` are those of its `Table`; `was_live` tells whether the live name shows it, or did once.
    """

    version: str
    shape: str
    checkpoint: Position
    live: bool
    was_live: bool


class Page(msgspec.Struct, frozen=True):
    """What a search asks a store for; every name is a column of the table, every value is as the database holds it.

    Args:
        equals: column and value pairs, all of which must hold; a None value asks for NULL.
        ranges: columns, how they must compare with a value, and the value, which is never None.
        words: what a row must have among the words of the fields that are searched, all of it.
        order: column and "descending?" pairs; the key's columns end it, so that the order is total.
        after: the row's values of `order` after which the page begins; None for the first page.
        limit: how many rows at most.
    """

    equals: tuple[tuple[str, Any], ...] = ()
    ranges: tuple[tuple[str, Operator, Any], ...] = ()
    words: tuple[Word, ...] = ()
    order: Order = ()
    after: tuple[Any, ...] | None = None
    limit: int | None = None


class ViewStore(Protocol):
    """Tables of rows with a checkpoint each. Reading is done on connections that cannot write (R6).

    Raises (any method): the `StoreError`s.
    """

    async def prepare(self, table: Table[Any], history_id: UUID) -> Position:
        """Make the table of this definition where there is none, and return the lowest checkpoint of its segments.

        Raises:
            HistoryMismatch: the table was filled from another history.
        """
        ...

    async def begin_spare(self, table: Table[Any], history_id: UUID) -> None:
        """Make the table's spare anew, empty and at position 0; a spare is never live.

        Whatever an earlier projection of it still has in its hands is refused.
        """
        ...

    async def begin_shadow(self, table: Table[Any], history_id: UUID) -> None:
        """Make the table's shadow anew, as `begin_spare` makes the spare, which stays as it is.

        No shadow before it has had its epoch, also none that was dropped.
        """
        ...

    async def drop_shadow(self, table: Table[Any]) -> None:
        """Drop the table's shadow, if there is one, with all that belongs to it."""
        ...

    async def exchange(self, table: Table[Any]) -> bool:
        """Exchange a live table and its spare in one transaction: rows, checkpoints and parked events (R5).

        Projections of both begin again from what is stored. False, and nothing is changed, where the table is not live,
        or a segment of the spare is not ready or is behind the table's: queries never see an older state than before.
        """
        ...

    async def standing(self, table: Table[Any], segment: int = 0) -> Standing | None:
        """Return where a segment stands, as whoever projects it sees it; None where the table was not prepared."""
        ...

    async def standings(self, table: Table[Any]) -> Sequence[Standing]:
        """Return where each segment of a table stands, as queries see it; nothing where the table was not prepared."""
        ...

    def lags(self, table: Table[Any]) -> bool:
        """Tell whether queries may see what was stored a while later only, as where they are answered by a replica."""
        ...

    async def claim(self, table: Table[Any], holder: str, seconds: float, segment: int = 0) -> Lease:
        """Take or renew the lease on projecting a segment of a table that was prepared, for so many seconds.

        They are seconds of the store's clock. Where another holder's has not run out, return that one. A store on which
        a batch can be stored from the expected checkpoint alone may give the same lease to everybody.
        """
        ...

    async def release(self, table: Table[Any], holder: str, segment: int = 0) -> None:
        """Give up the holder's lease, if it has one."""
        ...

    async def load(self, table: Table[Any], keys: Sequence[Key]) -> Mapping[Key, Row]:
        """Return the rows that have these keys, by key."""
        ...

    async def parked_keys(self, table: Table[Any]) -> Mapping[str, Position]:
        """Return the parked keys with the position of the first event of each that was not applied."""
        ...

    async def parked(self, table: Table[Any], key: str | None = None) -> Sequence[Parked]:
        """Return the parked events, of one key or of all, in the order of their positions."""
        ...

    async def unpark(self, table: Table[Any], unparked: Unparked) -> bool:
        """Store what became of a key's parked events and forget them, in one transaction; the epochs grow.

        False, and nothing is changed, where the key's parked events are not these, or not these alone.
        """
        ...

    async def rows_at(self, table: Table[Any], keys: Sequence[Key], segment: int = 0) -> tuple[Position, Sequence[Row]]:
        """Return the rows that have these keys, together with the checkpoint of their segment at that very moment."""
        ...

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        """Store a batch in one transaction, and renew the lease; False, and nothing stored, where it may not be.

        It may not be where the checkpoint is not the expected one, or the lease's epoch not the advance's.
        """
        ...

    async def checkpoint(self, table: Table[Any]) -> Position | None:
        """Return the lowest checkpoint of the table's segments while the live name shows it, else None."""
        ...

    async def changed(self, seen: int) -> int:
        """Return when some checkpoint or lease may have moved since the call that returned `seen`; pass 0 at first.

        It is a hint: it may be lost, so this returns `seen` again after some milliseconds without one. A store that
        other processes write to without a word to this one answers like that for every change.
        """
        ...

    async def status(self, table: Table[Any]) -> TableStatus:
        """Return how the table stands."""
        ...

    async def segments(self, table: Table[Any]) -> Sequence[SegmentStatus]:
        """Return how each segment of the table stands; nothing where it was not prepared."""
        ...

    async def versions(self, table: Table[Any]) -> Sequence[Version]:
        """Return the tables that are kept under the live name of a table, in any order.

        Whenever one goes live, of those that were live before all but the latest are dropped. One that never was, which
        was begun more than a week ago and that nobody projects, is dropped then too.
        """
        ...

    async def get(self, table: Table[Any], keys: Sequence[Key]) -> Sequence[Row]:
        """Return the rows that have these keys, in any order."""
        ...

    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        """Return a page of rows."""
        ...

    async def count(self, table: Table[Any], page: Page) -> int:
        """Count the rows that a page without limit would have."""
        ...

    def dialect(self, table: Table[Any]) -> str:
        """Return the name of the SQL that the table's store takes (`sqlite`); nothing where it takes none."""
        ...

    async def sql(self, table: Table[Any], text: str, values: Mapping[str, Any]) -> Sequence[Row]:
        """Return the rows that the rest of a SELECT statement selects (`where updates > :least order by name`).

        Raises:
            InvalidFilter: the text is refused by the database, or this engine knows no SQL.
        """
        ...

    async def close(self) -> None:
        """Release files and threads. May be called twice."""
        ...


@runtime_checkable
class SharedViewStore(ViewStore, Protocol):
    """A view store that keeps leases, and knows the nodes that project, so that they share the segments among them.

    Attributes:
        hurries: is called whenever a node says that somebody waits there.
    """

    hurries: Signal

    def hurry(self) -> None:
        """Say to the nodes that project that somebody waits for their read models. It is a hint, which may be lost."""
        ...

    async def attend(self, node: str, tables: Collection[str], seconds: float) -> None:
        """Note that a node projects, for so many seconds of the store's clock, and which tables: by versioned names.

        It is said again before they are over.
        """
        ...

    async def leave(self, node: str) -> None:
        """Note that a node projects no longer. Its leases stay until they are released, or run out."""
        ...

    async def attendance(self, node: str) -> Attendance:
        """Return which nodes project, and which holds what; `seconds` is until something of another one's runs out."""
        ...
