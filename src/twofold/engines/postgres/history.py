"""The history in the schema `history`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from twofold.clock import new_uuid
from twofold.engines.postgres.address import Address, DatabaseRole
from twofold.engines.postgres.batch import outcomes, parameters, sides
from twofold.engines.postgres.failure import said
from twofold.engines.postgres.ledger import asked, entry_of
from twofold.engines.postgres.news import Listener, Teller
from twofold.engines.postgres.server import Server
from twofold.engines.postgres.statements import statement
from twofold.engines.postgres.transaction import make
from twofold.engines.postgres.turn import Turn
from twofold.engines.postgres.unknown import resolve
from twofold.errors import OutcomeUnknown, StatementFailed, StoreError
from twofold.history.boundary import Selection
from twofold.history.ledger import EVERY_ENTRY, LedgerEntry, LedgerSearch, Prunable
from twofold.history.record import Position, Recorded
from twofold.history.signal import Signal
from twofold.history.store import Conflict, Decision, Outcome, last_of

CHANNEL = "twofold_history"
_BATCH = 2000
_LAST: Position = (1 << 63) - 1
_POLL = 0.02
_POLL_LISTENING = 0.05


class PostgresHistory:
    """Implements `twofold.history.store.History` on a database that any number of nodes share.

    Args:
        address: the database.
        role: `writer`, or `projector` for a node that only reads the history.
    """

    def __init__(self, address: Address, role: DatabaseRole = "writer") -> None:
        self._server = Server(address, role)
        self._id: UUID | None = None
        self._entry = 0
        self._known_head: Position = 0
        self._moved = Signal()
        self._appends: set[asyncio.Task[Sequence[Outcome]]] = set()
        self._watch: asyncio.Task[None] | None = None
        self._look = asyncio.Event()
        self._teller = Teller(self._server, CHANNEL)
        self._listener = Listener(self._server, CHANNEL, lambda _: self._look.set())
        self._turn: Turn[list[asyncpg.Record]] | None = None
        self._closed = False

    @property
    def id(self) -> UUID:
        """What tells this history from every other one; known once it is open."""
        assert self._id is not None, "the history was not opened"
        return self._id

    async def open(self) -> None:
        """Connect; see `Server.open` for what it raises."""
        await self._server.open()
        id_, self._known_head, self._entry = (await self._server.fetch(statement("identify")))[0]
        self._id = UUID(bytes=id_.bytes)

    async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        """Store the decisions that stand, in one transaction; see `History.append`."""
        task = asyncio.create_task(self._append(decisions), name="twofold-append")
        self._appends.add(task)
        task.add_done_callback(self._appends.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            while not task.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([task])
            if not task.cancelled():
                # Its caller has gone; an error that nobody asks for would be logged as a mistake.
                task.exception()
            raise

    async def read(
        self, selection: Selection, *, after: Position = 0, until: Position | None = None, limit: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        """Yield the selected events in batches, fetching the next one meanwhile; see `History.read`."""
        end = _LAST if until is None else until
        left = _LAST if limit is None else limit
        batch = await self._page(selection, after, end, left)
        if len(batch) == _BATCH and until is None:
            end = await self.head()
        while batch:
            after, left = batch[-1].position, left - len(batch)
            if len(batch) < _BATCH or left == 0 or after >= end:
                yield batch
                return
            ahead = asyncio.create_task(self._page(selection, after, end, left))
            try:
                yield batch
                batch = await ahead
            finally:
                ahead.cancel()

    async def head(self) -> Position:
        """Return the last position."""
        return int((await self._server.fetch(statement("head")))[0][0])

    async def changed(self, after: Position) -> None:
        """Return when the head is beyond `after`; other nodes' appends are told by NOTIFY, or found by a poll."""
        if self._watch is None:
            self._listener.start()
            self._watch = asyncio.create_task(self._watching(), name="twofold-history-watch")
        while self._known_head <= after:
            await self._moved.wait()

    async def find(self, scope: tuple[str, str, UUID]) -> Position | None:
        """Return the position that an accepted command reached."""
        rows = await self._server.fetch(statement("find"), *scope)
        return rows[0][0] if rows else None

    async def ledger(
        self, search: LedgerSearch = EVERY_ENTRY, *, after: int | None = None, newest: bool = True, limit: int = 100
    ) -> Sequence[LedgerEntry]:
        """Return a page of the ledger; see `History.ledger`."""
        rows = await self._server.fetch(statement("read_ledger"), *asked(search, after, newest, limit))
        return [entry_of(*row) for row in rows]

    async def prune(self, what: Prunable, before: datetime, *, after: int = 0, limit: int = 500) -> int | None:
        """Remove something of the ledger; see `History.prune`."""
        last: int | None = (await self._server.call(statement("prune_ledger"), what, before, after, limit))[0][0]
        return last

    async def make_tables(self, statements: str) -> None:
        """Run the application's own statements in the schema `application`; see `TransactionalHistory.make_tables`."""
        async with self._server.transaction() as connection:
            await connection.fetch(statement("work_begin"))
            try:
                await connection.execute(statements)
            except asyncpg.PostgresError as error:
                raise StatementFailed(problem=said(error)) from error
            if not connection.is_in_transaction():
                raise StatementFailed(problem="the statements ended the transaction that they were run in")

    async def close(self) -> None:
        """Close the connections after the appends that are under way."""
        if self._closed:
            return
        self._closed = True
        if self._appends:
            await asyncio.wait(self._appends)
        await self._end_turn()
        await self._teller.close()
        await self._listener.close()
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        await self._server.close()

    async def _append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        attempt, since = new_uuid(), self._entry
        made: list[Decision] = []
        try:
            if any(decision.work for decision in decisions):
                answers = await self._make(attempt, decisions, made)
            else:
                made.extend(decisions)
                answers = await self._store(attempt, decisions)
        except OutcomeUnknown as error:
            answers = await resolve(self._server, attempt, since, made, error)
        self._moved_to(last_of(answers), own=True)
        return await self._in_turn(decisions, answers)

    async def _store(self, attempt: UUID, decisions: Sequence[Decision]) -> list[Outcome]:
        values, sql = parameters(attempt, decisions), statement("append")
        turn, self._turn = self._turn, None
        rows = None if turn is None else await turn.use(lambda connection: connection.fetch(sql, *values))
        head, entry, kinds, places = (rows or await self._server.call(sql, *values))[0]
        self._entry = max(self._entry, entry)
        return outcomes(decisions, head, kinds, places)

    async def _make(self, attempt: UUID, decisions: Sequence[Decision], made: list[Decision]) -> list[Outcome]:
        await self._end_turn()
        async with self._server.transaction() as connection:
            await connection.fetch(statement("work_begin"))
            return await make(connection, self._server.address.shown, attempt, decisions, made)

    async def _in_turn(self, decisions: Sequence[Decision], answers: Sequence[Outcome]) -> Sequence[Outcome]:
        """Return the answers when it is the turn of those who lost, if any have lost to others again and again."""
        lost = [decision for decision, outcome in zip(decisions, answers, strict=True) if isinstance(outcome, Conflict)]
        if not lost or (len(lost) < len(answers) and all(each.attempts == 1 for each in lost)):
            return answers
        if self._closed or self._turn is not None:
            return answers
        self._turn = Turn(self._server)
        head = await self._turn.come()
        if head is None or len(lost) < len(answers):
            return answers
        return [Conflict(head)] * len(answers)

    async def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            await turn.end()

    async def _page(self, selection: Selection, after: Position, end: Position, left: int) -> list[Recorded]:
        if not selection.criteria or after >= end or left <= 0:
            return []
        most = min(_BATCH, left)
        rows = await self._server.fetch(statement("read"), *sides(selection.criteria), after, end, most)
        return [Recorded(*row) for row in rows]

    def _moved_to(self, head: Position, *, own: bool = False) -> None:
        if head > self._known_head:
            self._known_head = head
            self._moved.notify()
            if own:
                self._teller.tell()

    async def _watching(self) -> None:
        while True:
            self._look.clear()
            with contextlib.suppress(StoreError):
                self._moved_to(await self.head())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_LISTENING if self._listener.listens else _POLL):
                    await self._look.wait()
