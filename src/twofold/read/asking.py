"""Asking: a query finds its handler, waits until its read models are fresh enough, and is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from twofold import wire
from twofold.context import Context
from twofold.errors import NotFresh, UnknownMessage, UnknownPosition
from twofold.history.codec import Codec
from twofold.history.moment import position_at
from twofold.history.record import Position
from twofold.history.store import History
from twofold.message import Query
from twofold.model import ReadModel
from twofold.read.answer import Answer
from twofold.read.freshness import Freshness
from twofold.read.handler import QueryHandler
from twofold.read.heads import Heads
from twofold.read.kept import KeptAnswers, state_of
from twofold.read.older import Older
from twofold.read.past import PastRows
from twofold.read.purity import rests_on_views_alone
from twofold.read.rows import Rows, Searched
from twofold.read.store import ViewStore
from twofold.read.table import Table
from twofold.read.view import View
from twofold.read.watching import Watcher, Watching
from twofold.traffic import traffic_here

Call: TypeAlias = Callable[[Any, Context], Awaitable[Any]]


class Demand(msgspec.Struct, frozen=True, gc=False):
    """How fresh an answer must be.

    Args:
        after: it rests on everything up to this position.
        max_lag: it rests on everything that is older than so many seconds; None where that does not matter.
        timeout: for how many seconds to wait for that.
    """

    after: Position = 0
    max_lag: float | None = None
    timeout: float = 5.0


class Asker(msgspec.Struct, frozen=True):
    """Who answers one kind of query, and from which read models.

    `is_same_for_all` tells that the answer depends on nothing that is known of the one who asks. `call` answers from
    the rows that the read models have, the result of `call_with` from other rows. `may_be_kept` tells that the answer
    rests on the query and the read models alone; `rows` knows whether it looks for more than rows by key.
    """

    call: Call
    tables: list[Table[Any]]
    is_same_for_all: bool
    call_with: Callable[[Rows], Call]
    may_be_kept: bool
    rows: Searched


class Asking:
    """Answers an application's queries, on the event loop on which it was made.

    Args:
        queries: who answers which.
        tables: the read models' tables.
        provided: objects that handlers ask for, by their class.
        store: where the read models are.
        freshness: knows how far they have come.
        history: returns the history, or raises if this node may not see it.
        codec: the application's events.
        max_watchers: how many may watch queries at once.
        cache_answers: how many bytes the answers that are kept may take.

    Raises:
        DeclarationError: a handler asks for an object that is not provided.
    """

    def __init__(
        self,
        queries: Mapping[type[Query[Any]], QueryHandler],
        tables: Mapping[type[ReadModel], Table[Any]],
        provided: Mapping[type, Any],
        store: ViewStore,
        freshness: Freshness,
        history: Callable[[], History],
        codec: Codec,
        max_watchers: int,
        cache_answers: int,
    ) -> None:
        self.freshness = freshness
        self._store = store
        self._history = history
        self._codec = codec
        self._heads = Heads(self._head)
        self._kept = KeptAnswers(cache_answers)
        self._traffic = traffic_here()
        self._watching = Watching(freshness, max_watchers)
        self._older = Older(store)
        self._askers = {query: _asker(handler, tables, provided, store) for query, handler in queries.items()}
        self._queries, self._provided = queries, provided

    async def ask(self, query: Query[Any], context: Context, demand: Demand) -> Any:
        """Answer a query; see `Node.ask`."""
        asker = await self._older_asker(query, demand) or await self._ready(query, demand)
        return await self._answered(asker, query, context)

    async def answer(self, query: Query[Any], context: Context, demand: Demand) -> Answer[Any]:
        """Answer a query, and tell what the answer rests on; see `Node.answer`."""
        asker = await self._older_asker(query, demand) or await self._ready(query, demand)
        # Before the rows are read: what comes between is shown, but not promised.
        position = await self.freshness.position(asker.tables)
        return Answer(await self._answered(asker, query, context), position)

    async def recall(self, query: Query[Any], context: Context, as_of: Position | datetime) -> Answer[Any]:
        """Answer a query from the history as it stood; see `Node.ask`.

        Raises:
            UnknownPosition: the history has not reached `as_of`.
            NoPast: the query asks for what cannot be folded from the history.
        """
        asker, history = self._asker(query), self._history()
        wire.checked(query)
        if isinstance(as_of, datetime):
            as_of = await position_at(history, as_of)
        elif as_of > (head := await history.head()):
            raise UnknownPosition(position=as_of, head=head)
        call = asker.call_with(PastRows(history, self._codec, self._store, as_of))
        return Answer(await call(query, context), as_of)

    async def watch(
        self, query: Query[Any], context: Callable[[], Context], demand: Demand, seen: str | None = None
    ) -> Watcher:
        """Return what sees the answers to a query; see `Node.watcher`."""
        asker = await self._ready(query, demand)
        asks = None if asker.is_same_for_all else context().principal
        key = (type(query), wire.checked(query), asks)
        return await self._watching.watch(key, lambda: asker.call(query, context()), asker.tables, seen)

    def stop_watching(self) -> None:
        """Let nobody watch any more; queries are answered as before."""
        self._watching.stop()

    async def close(self) -> None:
        """Whoever watches sees no more, and whoever waits is told that the node is closed."""
        await self._watching.end()
        await self.freshness.close()

    async def _answered(self, asker: Asker, query: Query[Any], context: Context) -> Any:
        with self._traffic:
            # A row by key is read as quickly as it would be found out whether a kept answer is still good.
            if not (asker.may_be_kept and asker.rows.were_searched):
                return await asker.call(query, context)
            return await self._kept.answer(
                (type(query), msgspec.json.encode(query)),
                lambda: state_of(self._store, asker.tables),
                lambda: asker.call(query, context),
            )

    async def _older_asker(self, query: Query[Any], demand: Demand) -> Asker | None:
        """Return who answers from older versions of read models that are still being built, where that will do."""
        asker = self._asker(query)
        if demand.after or demand.max_lag is not None or self.freshness.has(asker.tables, 0):
            return None
        await self.freshness.position(asker.tables)
        over: dict[type[ReadModel], Table[Any]] = {}
        for table in asker.tables:
            older = table if self.freshness.reached(table) is not None else await self._older.of(table)
            if older is None:
                return None
            over[table.model] = older
        wire.checked(query)
        # Answers are kept of the versions that are to stay.
        asker = _asker(self._queries[type(query)], over, self._provided, self._store)
        return msgspec.structs.replace(asker, may_be_kept=False)

    def _asker(self, query: Query[Any]) -> Asker:
        asker = self._askers.get(type(query))
        if asker is None:
            names = sorted(kind.message_name for kind in self._askers)
            raise UnknownMessage(kind="query", name=type(query).__name__, known=", ".join(names) or "none")
        return asker

    async def _head(self) -> Position:
        return await self._history().head()

    async def _ready(self, query: Query[Any], demand: Demand) -> Asker:
        """Return who answers a query, once its read models are as fresh as is asked for."""
        asker = self._asker(query)
        wire.checked(query)
        after = demand.after
        if demand.max_lag is not None:
            after = max(after, await self._heads.within(demand.max_lag))
        if not self.freshness.has(asker.tables, after):
            try:
                await self.freshness.wait(asker.tables, after, demand.timeout)
            except NotFresh as error:
                if demand.max_lag is not None:
                    error.facts["max_lag"] = demand.max_lag
                raise
        return asker


def _asker(
    handler: QueryHandler,
    tables: Mapping[type[ReadModel], Table[Any]],
    provided: Mapping[type, Any],
    store: ViewStore,
) -> Asker:
    wanted = {view.model: tables[view.model] for view in handler.views}

    def call_with(rows: Rows) -> Call:
        return handler.bind(provided, {model: View(rows, table) for model, table in wanted.items()})

    is_same_for_all = handler.context_name is None
    may_be_kept = (
        is_same_for_all
        and not handler.dependencies
        and rests_on_views_alone(handler.signature.function, (handler.query, *wanted))
    )
    rows = Searched(store)
    return Asker(call_with(rows), list(wanted.values()), is_same_for_all, call_with, may_be_kept, rows)
