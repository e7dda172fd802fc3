"""The history in `history.db`."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

import apsw
import msgspec

from twofold.clock import new_uuid
from twofold.engines.sqlite.file import File, translated
from twofold.engines.sqlite.ledger import entry_of, microseconds, page
from twofold.engines.sqlite.reader import Reader
from twofold.engines.sqlite.selection import LAST, fetch, positions
from twofold.engines.sqlite.statements import statement
from twofold.engines.sqlite.transaction import Guard, Here, SqliteTransaction, refusals, tables_in
from twofold.engines.sqlite.writer import CommitFailed, Writer
from twofold.errors import OutcomeUnknown, StoreError
from twofold.history.boundary import Selection
from twofold.history.commit import Earlier, first_of, settle, stored, told
from twofold.history.ledger import EVERY_ENTRY, LedgerEntry, LedgerSearch, Prunable
from twofold.history.record import Position, Recorded, Submission, fingerprint
from twofold.history.signal import Signal
from twofold.history.store import Appended, Conflict, Decision, Outcome, last_of
from twofold.history.transaction import LONGEST

APPLICATION_ID = 0x32466F48
VERSION = 2
_BATCH = 2000
_POLL = 0.02
_WARY = 1000
_encoder = msgspec.json.Encoder()


class SqliteHistory:
    """Implements `twofold.history.store.History` on one file that several processes may share.

    Args:
        folder: where `history.db` lies or is made.

    Raises:
        UnsafeSqlite, StoreUnavailable, ForeignFile, NewerSchema, StoreBusy: it cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self._file = File(
            folder / "history.db",
            application_id=APPLICATION_ID,
            version=VERSION,
            schema=statement("history_schema"),
            durable=True,
            migrations={2: statement("history_to_2")},
            functions={"fingerprint": _fingerprint},
        )
        self._file.create()
        self._guard = Guard(tables_in("history_schema"))
        self._writer = Writer(self._file, self._guard)
        self._reader = Reader(self._file)
        self.id = self._identify()
        self._moved = Signal()
        self._known_head: Position = self._head_now()
        self._watch: asyncio.Task[None] | None = None
        self._closed = False
        self._wary = 0

    async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        """Store the decisions that stand, in one transaction; see `History.append`."""
        try:
            return await self._append(decisions)
        except _Claimed:
            # Whoever repeats commands will go on: the next appends look their ids up.
            self._wary = _WARY
            return await self._append(decisions)

    async def _append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        outcomes: Sequence[Outcome] = ()
        self._wary -= self._wary > 0
        try:
            async with self._writer.transaction(short=len(decisions) == 1) as connection:
                if any(decision.work for decision in decisions):
                    decisions, outcomes = await self._work(connection, decisions)
                else:
                    outcomes = _append(connection, decisions, wary=self._wary > 0)
                if any(isinstance(outcome, Conflict) for outcome in outcomes):
                    self._writer.keep_turn()
        except CommitFailed as failure:
            await self._look_up(list(stored(decisions, outcomes)), failure)
        self._moved_to(last_of(outcomes))
        return outcomes

    async def make_tables(self, statements: str) -> None:
        """Run the application's own statements; see `TransactionalHistory.make_tables`."""
        try:
            async with self._writer.transaction() as connection:
                with self._guard.only("tables"), refusals(connection, self._file.path):
                    connection.execute(statements)
        except CommitFailed as failure:
            raise failure.error from failure

    async def read(
        self, selection: Selection, *, after: Position = 0, until: Position | None = None, limit: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        """Yield the selected events in batches; see `History.read`."""
        end = await self.head() if until is None else until
        left = LAST if limit is None else limit
        while selection.criteria and after < end and left > 0:
            wanted = min(_BATCH, left)
            rows = await self._reader.rows(*fetch(selection, after, end, wanted))
            if rows:
                yield [_recorded(*row) for row in rows]
            if len(rows) < wanted:
                return
            after, left = rows[-1][0], left - len(rows)
            await asyncio.sleep(0)

    async def head(self) -> Position:
        """Return the last position."""
        return self._head_now()

    async def changed(self, after: Position) -> None:
        """Return when the head is beyond `after`; other processes' appends are found by a poll of 20 ms."""
        if self._watch is None:
            self._watch = asyncio.create_task(self._watching(), name="twofold-history-watch")
        while self._known_head <= after:
            await self._moved.wait()

    async def find(self, scope: tuple[str, str, UUID]) -> Position | None:
        """Return the position that an accepted command reached."""
        tenant, principal, command_id = scope
        rows = await self._reader.rows(statement("find_command"), (tenant, command_id.bytes, principal))
        return rows[0][1] if rows else None

    async def ledger(
        self, search: LedgerSearch = EVERY_ENTRY, *, after: int | None = None, newest: bool = True, limit: int = 100
    ) -> Sequence[LedgerEntry]:
        """Return a page of the ledger; see `History.ledger`."""
        rows = await self._reader.rows(*page(search, after, newest, limit))
        return [entry_of(*row) for row in rows]

    async def prune(self, what: Prunable, before: datetime, *, after: int = 0, limit: int = 500) -> int | None:
        """Remove something of the ledger; see `History.prune`. What is removed is overwritten in the file."""
        # Found outside of the transaction: it may be far behind.
        rows = await self._reader.rows(statement(f"find_{what}"), (after, limit))
        aged: list[int] = [entry for entry, _ in takewhile(lambda row: row[1] < microseconds(before), rows)]
        if not aged:
            return None
        try:
            async with self._writer.transaction() as connection:
                connection.execute("PRAGMA secure_delete = ON")
                try:
                    connection.execute(statement(f"prune_{what}"), (aged[0], aged[-1], microseconds(before)))
                finally:
                    connection.execute("PRAGMA secure_delete = OFF")
        except CommitFailed as failure:
            # Whether it was stored or not: it is done again.
            raise failure.error from failure
        return aged[-1]

    async def close(self) -> None:
        """Close the file after the append that is under way."""
        if self._closed:
            return
        self._closed = True
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        # The last connection to close moves the write-ahead log into the file; only one that may write can.
        self._reader.close()
        await self._writer.close()

    async def _work(
        self, connection: apsw.Connection, decisions: Sequence[Decision]
    ) -> tuple[list[Decision], list[Outcome]]:
        """Let decisions be made one after another; return them as they were made, with their outcomes."""
        made: list[Decision] = []
        outcomes: list[Outcome] = []
        until = monotonic() + LONGEST
        for decision in decisions:
            (outcome,) = _settle(connection, [decision], wary=True)[0]
            if isinstance(outcome, Appended) and made and monotonic() > until:
                outcome = Conflict(outcome.last)
            if isinstance(outcome, Appended):
                decision = await self._make(connection, decision)
                (outcome,) = _append(connection, [decision], wary=True)
            made.append(decision)
            outcomes.append(outcome)
        return made, outcomes

    async def _make(self, connection: apsw.Connection, decision: Decision) -> Decision:
        assert decision.work is not None
        transaction = SqliteTransaction(Here(connection, self._guard, self._file.path))
        connection.execute("SAVEPOINT work")
        try:
            events, rejection = await decision.work(transaction)
        finally:
            transaction.end()
        if rejection is not None:
            connection.execute("ROLLBACK TO work")
        connection.execute("RELEASE work")
        return msgspec.structs.replace(decision, events=events, rejection=rejection, work=None)

    def _identify(self) -> UUID:
        find = "SELECT value FROM about WHERE name = 'history_id'"
        if not self._reader.short(find):
            with translated(self._file.path):
                connection = self._file.connect(writing=True)
                try:
                    connection.set_busy_timeout(5000)
                    connection.execute("INSERT OR IGNORE INTO about VALUES ('history_id', ?)", (str(new_uuid()),))
                finally:
                    connection.close()
        return UUID(self._reader.short(find)[0][0])

    def _head_now(self) -> Position:
        return int(self._reader.short("SELECT coalesce(max(position), 0) FROM events")[0][0])

    def _moved_to(self, head: Position) -> None:
        if head > self._known_head:
            self._known_head = head
            self._moved.notify()

    async def _watching(self) -> None:
        while True:
            await asyncio.sleep(_POLL)
            with contextlib.suppress(StoreError):
                self._moved_to(self._head_now())

    async def _look_up(self, standing: Sequence[tuple[Decision, Appended]], failure: CommitFailed) -> None:
        # A transaction is stored whole or not at all: either every accepted command is found where it was put, or
        # nothing was stored. Rejections claim no id; where there is nothing else, they are decided again.
        accepted = [(decision, place) for decision, place in standing if decision.rejection is None]
        try:
            found = [await self.find(decision.submission.scope) for decision, _ in accepted]
            if accepted and found == [place.last for _, place in accepted]:
                return
            if not failure.wrote_nothing:
                await self._overwrite()
        except (StoreError, apsw.Error, CommitFailed) as second:
            raise OutcomeUnknown(path=str(self._file.path), problem=str(failure.error)) from second
        raise failure.error

    async def _overwrite(self) -> None:
        """Commit something else in the place of a transaction whose sync failed.

        It may stand complete in the log: no reader sees it, but whoever opens the file after a crash would.
        """
        async with self._writer.transaction() as connection:
            connection.execute(statement("overwrite"))


def _fingerprint(type_: str, payload: str) -> bytes:
    return fingerprint(type_, payload.encode())


class _Claimed(Exception):
    """An id that was taken for a new one is in the ledger already: the transaction is to be done again, warily."""


def _append(connection: apsw.Connection, decisions: Sequence[Decision], *, wary: bool = True) -> list[Outcome]:
    outcomes, time = _settle(connection, decisions, wary=wary)
    if not wary and any(isinstance(outcome, Conflict) for outcome in outcomes):
        # A repeat is told as one, also where what it rests on has changed since it was accepted.
        outcomes, time = _settle(connection, decisions, wary=True)
    try:
        _insert(connection, stored(decisions, outcomes), time)
    except apsw.ConstraintError as error:
        if wary:
            raise
        raise _Claimed from error
    return outcomes


def _settle(
    connection: apsw.Connection, decisions: Sequence[Decision], *, wary: bool = True
) -> tuple[list[Outcome], int]:
    """Return an outcome for each decision, and the time by the database's clock.

    Unless it is `wary`, ids of accepted commands are not looked up: nearly all are new, and the ledger's own index lets
    no other in.
    """
    rows: list[tuple[Any, ...]] = connection.execute(statement("head")).fetchall()
    head, time = rows[0]
    known = _known(connection, [each.submission for each in decisions if wary or each.rejection is not None])

    def earlier(decision: Decision) -> Earlier | None:
        return known.get(decision.submission.key)

    def moved(selection: Selection, after: Position) -> bool:
        return any(connection.execute(sql, values).fetchall() for sql, values in positions(selection, after, LAST, 1))

    return settle(decisions, head, earlier, moved), time


def _known(connection: apsw.Connection, sent: Iterable[Submission]) -> dict[tuple[str, str, int], Earlier]:
    """Return the accepted ones of some commands, looked up all at once."""
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for submission in sent:
        if not submission.is_first:
            ids[submission.tenant].append(submission.command_id.hex)
    return {
        (tenant, principal, int.from_bytes(command_id)): Earlier(print_, position)
        for tenant, wanted in ids.items()
        for principal, command_id, print_, position in connection.execute(
            statement("find_commands"), (_encoder.encode(wanted).decode(), tenant)
        )
    }


def _insert(connection: apsw.Connection, standing: Iterable[tuple[Decision, Appended]], time: int) -> None:
    encode = _encoder.encode
    events: list[tuple[Any, ...]] = []
    tags: list[tuple[Any, ...]] = []
    ledger: list[tuple[Any, ...]] = []
    for decision, place in standing:
        sent = decision.submission
        command_id = sent.command_id.bytes
        correlation = sent.correlation_id and sent.correlation_id.bytes
        causation = sent.causation_id and sent.causation_id.bytes
        for position, event in enumerate(decision.events, place.first):
            events.append(
                (
                    position, event.type, event.version, event.payload.decode(), event.id,
                    encode(event.tags).decode(), command_id, correlation, causation,
                    sent.principal, sent.tenant, time,
                )
            )  # fmt: skip
            tags.extend(("", tag, position, event.type) for tag in event.tags)
        kept = told(decision)
        ledger.append(
            (
                sent.tenant, sent.principal, command_id, sent.type, kept.payload and kept.payload.decode(),
                sent.fingerprint, encode(kept.tags).decode(), kept.outcome, kept.code, kept.reason,
                first_of(decision, place), place.last, correlation, causation,
                decision.attempts, decision.elapsed, time,
            )
        )  # fmt: skip
    connection.executemany(statement("insert_event"), events)
    connection.executemany(statement("insert_tag"), sorted(tags))
    connection.executemany(statement("insert_ledger"), ledger)


def _recorded(
    position: int, type_: str, version: int, payload: str, event_id: bytes, tags: str, command_id: bytes,
    correlation_id: bytes, causation_id: bytes, principal: str, tenant: str, recorded_at: int,
) -> Recorded:  # fmt: skip
    return Recorded(
        position, type_, version, payload.encode(), event_id, tags, command_id, correlation_id, causation_id,
        principal, tenant, recorded_at,
    )  # fmt: skip
