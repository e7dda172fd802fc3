"""Read models on a Valkey server: rows by key, changed batch by batch, each in one script with its checkpoint."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from twofold.clock import new_epoch
from twofold.engines.valkey.attendance import Attendances
from twofold.engines.valkey.keys import FORM, keys_of
from twofold.engines.valkey.server import Argument, Server
from twofold.engines.valkey.span import span_of
from twofold.errors import DeclarationError, HistoryMismatch, InvalidFilter, StoreUnavailable
from twofold.history.record import Position
from twofold.history.signal import Signal
from twofold.model import project_of
from twofold.place import where_is
from twofold.read.share import Attendance
from twofold.read.store import Advance, Lease, Page, Parked, SegmentStatus, Standing, TableStatus, Unparked, Version
from twofold.read.table import Key, Row, Table

_POLL = 0.02
_pack = msgspec.msgpack.Encoder().encode
_row: msgspec.msgpack.Decoder[Row] = msgspec.msgpack.Decoder(tuple[Any, ...])
_parked: msgspec.msgpack.Decoder[tuple[str, int, str]] = msgspec.msgpack.Decoder(tuple[str, int, str])


class ValkeyViews:
    """Implements `twofold.read.store.SharedViewStore` on a server that any number of nodes share.

    Rows are found by their key, or by its first fields, and come in its order; there is no SQL and no search.

    Args:
        server: where they are kept.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._attendances = Attendances(server)
        self._moved = Signal()
        self.hurries = Signal()

    async def open(self) -> None:
        """Connect; see `Server.open` for what it raises."""
        await self._server.open()

    async def prepare(self, table: Table[Any], history_id: UUID) -> Position:
        """Make the table where there is none; see `ViewStore.prepare`.

        Raises:
            DeclarationError: the read model declares indexes, a search or SQL of its own, which are not for here.
        """
        self._refuse_more_than_keys(table)
        await self._attendances.note(self._key(table))
        found, checkpoint = await self._run("prepare", table, str(history_id), table.segments, table.shape)
        if found.decode() != str(history_id):
            raise HistoryMismatch(model=table.name, problem=f"it was made from history {found.decode()}")
        return int(checkpoint)

    async def begin_spare(self, table: Table[Any], history_id: UUID) -> None:
        """Make the spare anew; see `ViewStore.begin_spare`."""
        await self._begin_anew(table.spare, history_id)

    async def begin_shadow(self, table: Table[Any], history_id: UUID) -> None:
        """Make the shadow anew."""
        await self._begin_anew(table.shadow, history_id, new_epoch())

    async def drop_shadow(self, table: Table[Any]) -> None:
        """Drop the shadow."""
        await self._run("drop", table.shadow)

    async def exchange(self, table: Table[Any]) -> bool:
        """Exchange the table and its spare; see `ViewStore.exchange`."""
        exchanged = await self._server.run("exchange", [self._key(table), self._key(table.spare)])
        self._moved.notify()
        return bool(exchanged)

    async def standing(self, table: Table[Any], segment: int = 0) -> Standing | None:
        """Return where a segment stands."""
        found = await self._run("standing", table, segment)
        return None if found is None else Standing(int(found[0]), int(found[1]), bool(found[2]), bool(found[3]))

    async def standings(self, table: Table[Any]) -> Sequence[Standing]:
        """Return where each segment stands."""
        found = [await self.standing(table, segment) for segment in range(table.segments)]
        return [each for each in found if each is not None]

    def lags(self, table: Table[Any]) -> bool:
        """Tell that queries see at once what was stored."""
        return False

    async def claim(self, table: Table[Any], holder: str, seconds: float, segment: int = 0) -> Lease:
        """Take or renew the lease; see `ViewStore.claim`."""
        epoch, held_by, left = await self._run("claim", table, segment, holder, round(seconds * 1000))
        return Lease(int(epoch), held_by.decode(), held_by.decode() == holder, int(left) / 1000)

    async def release(self, table: Table[Any], holder: str, segment: int = 0) -> None:
        """Give up the holder's lease, if it has one."""
        await self._run("release", table, segment, holder)
        self._moved.notify()

    async def attend(self, node: str, tables: Collection[str], seconds: float) -> None:
        """Note that a node projects; see `SharedViewStore.attend`."""
        await self._attendances.attend(node, tables, seconds)
        self._moved.notify()

    async def leave(self, node: str) -> None:
        """Note that a node projects no longer."""
        await self._attendances.leave(node)
        self._moved.notify()

    async def attendance(self, node: str) -> Attendance:
        """Return which nodes project, and which holds what."""
        return await self._attendances.attendance(node)

    async def load(self, table: Table[Any], keys: Sequence[Key]) -> Mapping[Key, Row]:
        """Return rows by key."""
        _, rows = await self._read(table, keys, 0)
        return {key: _row.decode(row) for key, row in zip(keys, rows, strict=True) if row is not None}

    async def rows_at(self, table: Table[Any], keys: Sequence[Key], segment: int = 0) -> tuple[Position, Sequence[Row]]:
        """Return rows and the checkpoint."""
        checkpoint, rows = await self._read(table, keys, segment)
        return checkpoint, [_row.decode(row) for row in rows if row is not None]

    async def parked_keys(self, table: Table[Any]) -> Mapping[str, Position]:
        """Return the parked keys."""
        found = await self._of_table("parked_keys", table)
        return {key.decode(): int(first) for key, first in zip(found[::2], found[1::2], strict=True)}

    async def parked(self, table: Table[Any], key: str | None = None) -> Sequence[Parked]:
        """Return the parked events."""
        parked = [Parked(*_parked.decode(each)) for each in await self._of_table("parked", table)]
        return sorted((each for each in parked if key in (None, each.key)), key=lambda each: (each.position, each.key))

    async def unpark(self, table: Table[Any], unparked: Unparked) -> bool:
        """Forget a key's parked events; see `ViewStore.unpark`."""
        positions = " ".join(map(str, unparked.positions))
        changes = _changes(table, unparked.rows, unparked.deleted)
        taken = await self._run("unpark", table, unparked.key, positions, *changes)
        self._moved.notify()
        return bool(taken)

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        """Store a batch; see `ViewStore.apply`."""
        parked = [part for each in advance.parked for part in _packed(each)]
        stored = await self._run(
            "apply", table, advance.segment, advance.expected, advance.reached, advance.epoch, int(advance.live),
            advance.head, int(table.is_spare), *_changes(table, advance.rows, advance.deleted),
            len(advance.parked), *parked,
        )  # fmt: skip
        self._moved.notify()
        return bool(stored)

    async def checkpoint(self, table: Table[Any]) -> Position | None:
        """Return the checkpoint while the table is live."""
        found = await self._run("checkpoint", table)
        return None if found is None else int(found)

    def hurry(self) -> None:
        """Tell those of this process that somebody waits; no other process hears of it."""
        self.hurries.notify()

    async def changed(self, seen: int) -> int:
        """Return at the next batch of this process, or after 20 ms."""
        return await self._moved.since(seen, _POLL)

    async def status(self, table: Table[Any]) -> TableStatus:
        """Return how the table stands."""
        found = await self._run("status", table)
        if found is None:
            return TableStatus(checkpoint=0, live=False, rows=0, parked=0)
        checkpoint, live, rows, parked, head, segments = found
        holder = max((holder.decode() for _, holder, _ in segments), default="") or None
        return TableStatus(int(checkpoint), bool(live), rows, parked, holder, int(head))

    async def segments(self, table: Table[Any]) -> Sequence[SegmentStatus]:
        """Return how each segment stands."""
        found = await self._run("status", table)
        segments = [] if found is None else found[-1]
        return [SegmentStatus(int(checkpoint), holder.decode() or None) for checkpoint, holder, _ in segments]

    async def versions(self, table: Table[Any]) -> Sequence[Version]:
        """Return the tables that are kept under a live name; see `ViewStore.versions`."""
        return [
            Version(version.decode(), shape.decode(), int(checkpoint), bool(live), bool(was_live))
            for version, shape, checkpoint, live, was_live in await self._run("versions", table)
        ]

    async def get(self, table: Table[Any], keys: Sequence[Key]) -> Sequence[Row]:
        """Return the rows that have these keys."""
        _, rows = await self._read(table, keys, 0)
        return [_row.decode(row) for row in rows if row is not None]

    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        """Return a page of rows in the order of the key.

        Raises:
            InvalidFilter: it asks by other fields than the key's first ones, or for another order.
        """
        span = span_of(table, page, self._server.shown)
        if span.is_empty:
            return []
        limit = -1 if page.limit is None else page.limit
        (rows,) = await self._of_table("find", table, span.first, span.last, int(span.descending), limit)
        return [_row.decode(row) for row in rows]

    async def count(self, table: Table[Any], page: Page) -> int:
        """Count the rows of a span of keys.

        Raises:
            InvalidFilter: it asks by other fields than the key's first ones.
        """
        span = span_of(table, page, self._server.shown)
        return 0 if span.is_empty else int(await self._of_table("count", table, span.first, span.last))

    def dialect(self, table: Table[Any]) -> str:
        """Return nothing: there is no SQL here."""
        return ""

    async def sql(self, table: Table[Any], text: str, values: Mapping[str, Any]) -> Sequence[Row]:
        """Refuse: there is no SQL here.

        Raises:
            InvalidFilter: always.
        """
        problem = f"{self._server.shown} knows no SQL: ask by key, or keep it in a store that does (`store=`)"
        raise InvalidFilter(model=table.name, problem=problem)

    async def close(self) -> None:
        """Close all connections. May be called twice."""
        await self._server.close()

    async def _begin_anew(self, table: Table[Any], history_id: UUID, epoch: int = 0) -> None:
        await self._attendances.note(self._key(table))
        await self._run("begin_anew", table, str(history_id), table.segments, table.shape, epoch)

    def _key(self, table: Table[Any]) -> str:
        return f"{{{self._server.address.prefix}:{FORM}:{table.live_name}}}:table:{table.version}"

    async def _run(self, name: str, table: Table[Any], *values: Argument) -> Any:
        return await self._server.run(name, [self._key(table)], values)

    async def _of_table(self, name: str, table: Table[Any], *values: Argument) -> Any:
        found = await self._run(name, table, *values)
        if found is None:
            problem = f"read model {table.name} is not there; a node that projects makes it, from the history"
            raise StoreUnavailable(path=self._server.shown, problem=problem)
        return found

    async def _read(self, table: Table[Any], keys: Iterable[Key], segment: int) -> tuple[Position, Sequence[Any]]:
        encode = keys_of(table).encoded
        checkpoint, rows = await self._of_table("get", table, segment, *[encode(key) for key in keys])
        return int(checkpoint), rows

    def _refuse_more_than_keys(self, table: Table[Any]) -> None:
        declared = {"search=": table.search, "indexes=": table.indexes, "project": project_of(table.model)}
        for what, found in declared.items():
            if found:
                raise DeclarationError(
                    what=f"read model {table.name} declares {what}, and {self._server.shown} keeps rows by key alone",
                    where=where_is(table.model),
                    mend=f"leave {what} out, or keep it in a store with SQL: `store=`, and `views=` of open",
                )


def _changes(table: Table[Any], rows: Sequence[Row], deleted: Sequence[Key]) -> list[Argument]:
    """Return what a script stores and deletes: rows by key, then keys, each with its count before it."""
    encode, key_in = keys_of(table).encoded, table.key_in
    return [
        len(rows), *[part for row in rows for part in (encode(key_in(row)), _pack(row))],
        len(deleted), *[encode(key) for key in deleted],
    ]  # fmt: skip


def _packed(parked: Parked) -> tuple[Argument, ...]:
    return parked.key, parked.position, _pack((parked.key, parked.position, parked.error))
