"""Node: an App that runs, and all that may be asked of it."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import os
import secrets
import socket
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    Iterable,
)
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar
from uuid import UUID

from twofold import clock, wire
from twofold.arguments import (
    check_particulars,
    check_search,
    moment_in,
    position_in,
    refuse,
    seconds_in,
    texts_in,
)
from twofold.context import ANONYMOUS, Context, Principal, Receipt
from twofold.errors import NodeClosed, StoreError, UnknownMessage
from twofold.history.boundary import Criterion, Selection
from twofold.history.ledger import RESULTS, LedgerEntry, LedgerSearch, Result
from twofold.history.record import Position, Recorded, Submission
from twofold.history.store import History
from twofold.message import Command, Query, tags_of
from twofold.models import Model, Models
from twofold.parts import Limits, Parts
from twofold.read.answer import Answer
from twofold.read.asking import Asking, Demand
from twofold.read.comparison import Compared
from twofold.read.filling import Told
from twofold.read.kept import BYTES
from twofold.read.parking import ParkedKey, Retried
from twofold.read.rebuild import Rebuilt
from twofold.read.stores import Views
from twofold.read.watching import Watcher
from twofold.status import ModelStatus as ModelStatus
from twofold.status import model_statuses
from twofold.storage import SIDES
from twofold.storage import Role as Role
from twofold.traffic import Traffic, traffic_here
from twofold.write.cache import CACHE_BYTES, CACHE_MODELS
from twofold.write.causation import Causation, causation_of
from twofold.write.preview import Preview
from twofold.write.retention import Keeping, Retention
from twofold.write.sender import Sender
from twofold.write.statistics import WriteStatistics

if TYPE_CHECKING:
    from twofold.app import App
    from twofold.session import Session
    from twofold.sync import SyncNode

A = TypeVar("A")
_LEDGER_PAGE = 200


class Node:
    """A running application: it takes commands, projects events, and answers queries.

    Made by `app.open(url)`; used as an async context manager. Commands and queries may be sent from any number of
    tasks of the event loop that it was entered on.

    Args and raises: see `App.open`.

    Attributes:
        app: what it runs.
        roles: which sides of it.
        name: `host/process/…`, unlike that of any other node; the leases of its projections are held under it.
    """

    def __init__(
        self,
        app: App,
        url: str,
        *,
        views: Views = None,
        roles: Collection[Role] | tuple[Role, ...] = SIDES,
        provide: Collection[Any] = (),
        cache_models: int = CACHE_MODELS,
        cache_bytes: int = CACHE_BYTES,
        max_waiting: int = 10_000,
        max_watchers: int = 10_000,
        cache_answers: int = BYTES,
        ledger: Keeping = "all",
        repeats: timedelta | None = None,
    ) -> None:
        self.app = app
        self.name = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(3)}"
        limits = Limits(
            cache_models=cache_models,
            cache_bytes=cache_bytes,
            cache_answers=cache_answers,
            max_waiting=max_waiting,
            max_watchers=max_watchers,
        )
        provided = {type(each): each for each in provide}
        self._parts = Parts(app, self.name, url, views, roles, provided, limits, Retention(ledger, repeats))
        self.roles = self._parts.roles
        self._here: tuple[asyncio.AbstractEventLoop, int] | None = None
        self._traffic = Traffic()
        self._submitting = threading.Lock()

    async def __aenter__(self) -> Self:
        self._here = (asyncio.get_running_loop(), os.getpid())
        self._traffic = traffic_here()
        try:
            await self._parts.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.close()

    @property
    def history(self) -> History:
        """The history; reading it directly is for tools.

        Raises:
            NodeClosed: the node is not open.
            RoleMissing: the node neither writes nor projects, and where its read models are nothing else may be read.
        """
        return self._parts.read_history()

    async def send(
        self,
        command: Command,
        *,
        command_id: UUID | None = None,
        principal: Principal = ANONYMOUS,
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
        expected: Receipt | Position | None = None,
        timeout: float | None = None,
        wait_for_first: bool = True,
    ) -> Receipt:
        """Decide a command; return when its events are durable.

        Args:
            command: what is intended.
            command_id: the sender's own id. A repeat under the same id has one effect and gets the first receipt.
            principal: who sends it; stored with the events.
            correlation_id: what the command belongs to; its own id if left out.
            causation_id: what caused it; its own id if left out.
            expected: decide it only if nothing that it rests on has changed since this position, or this receipt.
            timeout: within how many seconds it must be decided; it is given up then. What is in the append already is
                never told as not stored: it raises `OutcomeUnknown`, and a repeat under its command id tells.
            wait_for_first: False to refuse a repeat while the async handler of the first one is at work in this node.

        Raises:
            InvalidMessage, UnknownMessage: nothing was decided.
            Rejected: the handler decided against it.
            ChangedSince: what it rests on has changed since `expected`.
            CommandIdReused: the id was used for another command.
            StillRunning: the first one under this id is at work, and was not to be waited for.
            TimedOut: it was not decided within `timeout` seconds.
            Contended, Overloaded, HandlerFailed, StoreError: nothing was stored, but for OutcomeUnknown.
        """
        sender = self._sending(command)
        check_particulars(command, command_id, principal, correlation_id, causation_id, timeout)
        submission = Submission(
            command_id=command_id or clock.new_uuid(),
            type=type(command).message_name,
            payload=wire.checked(command),
            principal=principal.name,
            correlation_id=correlation_id,
            causation_id=causation_id,
            # An id that others may come to know before its outcome is known is none that nobody else can have used.
            is_first=command_id is None and timeout is None and not sender.is_surrounded(type(command)),
            tags=tags_of(command),
            only_key=self._parts.retention.only_keys,
        )
        context = Context(
            now=self._parts.now(),
            principal=principal,
            command_id=submission.command_id,
            correlation_id=correlation_id,
            causation_id=causation_id,
        )
        with self._traffic:
            return await sender.send(
                command,
                submission,
                context,
                expected=None if expected is None else position_in(submission.type, "expected", expected),
                timeout=timeout,
                is_patient=wait_for_first,
            )

    async def preview(
        self,
        command: Command,
        *,
        as_of: Receipt | Position | None = None,
        command_id: UUID | None = None,
        principal: Principal = ANONYMOUS,
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
        expected: Receipt | Position | None = None,
    ) -> Preview:
        """Return the events that would follow a command. Nothing is stored: no event, and nothing in the ledger.

        It is decided on what is durable, and passes the middleware; their `Context` says that it is a preview.

        Args:
            command: what is intended.
            as_of: decide as if the history ended at this position, or receipt; at its end if left out.
            command_id, principal, correlation_id, causation_id, expected: as for `send`.

        Raises:
            InvalidMessage, UnknownMessage: nothing was decided; also where a handler writes rows of its own.
            Rejected: the handler would decide against it.
            ChangedSince: what it rests on has changed since `expected`.
            UnknownPosition: the history has not reached `as_of`.
            Overloaded, HandlerFailed, StoreError: it could not be decided.
        """
        sender, name = self._sending(command), type(command).message_name
        check_particulars(command, command_id, principal, correlation_id, causation_id)
        wire.checked(command)
        context = Context(
            now=self._parts.now(),
            principal=principal,
            command_id=command_id or clock.new_uuid(),
            correlation_id=correlation_id,
            causation_id=causation_id,
            is_preview=True,
        )
        return await sender.preview(
            command,
            context,
            expected=position_in(name, "expected", expected),
            as_of=position_in(name, "as_of", as_of),
        )

    async def ask(
        self,
        query: Query[A],
        *,
        after: Receipt | Position | None = None,
        max_lag: float | None = None,
        as_of: Receipt | Position | datetime | None = None,
        timeout: float = 5.0,
        principal: Principal = ANONYMOUS,
    ) -> A:
        """Answer a query from the read models.

        Args:
            query: the question.
            after: a receipt or a position; the answer then rests on everything up to it.
            max_lag: the answer then rests on everything that was appended more than so many seconds ago.
            as_of: the answer then rests on the history as it ended at this position, or receipt, or at this time by the
                database's clock; nothing is waited for. For queries that ask by key.
            timeout: how many seconds to wait for that.
            principal: who asks.

        Raises:
            InvalidMessage, UnknownMessage: nothing was asked.
            NotFresh: a read model did not get that far in time, or is still being built.
            NoPast: with `as_of`, the query looks at more than rows by key.
            UnknownPosition: the history has not reached `as_of`.
            RoleMissing: `max_lag` and `as_of` are for nodes that may see the history.
            Exception: what the handler raised.
        """
        if as_of is not None:
            return (await self.answer(query, as_of=as_of, principal=principal)).value
        demand = _demand(query, after, max_lag, timeout)
        value: A = await self._answering().ask(query, Context(now=self._parts.now(), principal=principal), demand)
        return value

    async def answer(
        self,
        query: Query[A],
        *,
        after: Receipt | Position | None = None,
        max_lag: float | None = None,
        as_of: Receipt | Position | datetime | None = None,
        timeout: float = 5.0,
        principal: Principal = ANONYMOUS,
    ) -> Answer[A]:
        """Answer a query, and tell up to which position the answer shows everything.

        Args and raises: see `ask`.
        """
        asking, context = self._answering(), Context(now=self._parts.now(), principal=principal)
        if as_of is not None:
            return await asking.recall(query, context, moment_in(type(query).message_name, "as_of", as_of))
        return await asking.answer(query, context, _demand(query, after, max_lag, timeout))

    async def watch(
        self,
        query: Query[A],
        *,
        after: Receipt | Position | None = None,
        max_lag: float | None = None,
        timeout: float = 5.0,
        principal: Principal = ANONYMOUS,
    ) -> AsyncGenerator[A, None]:
        """Yield a query's answer, and again whenever it has changed, until the node drains or is closed.

            async for profile in node.watch(GetProfile(user_id)): ...

        Whoever leaves the loop early ends it with `contextlib.aclosing`, like every async generator.
        Whoever takes answers slowly gets the newest each time. However many watch an equal query, it is answered once
        for all of them.

        Args: as for `ask`; they hold for the first answer.

        Raises:
            TooManyWatchers: there are as many on this node as there may be.
            Exception: as `ask`; also later, when the handler raises or the read models cannot be read.
        """
        demand = _demand(query, after, max_lag, timeout)
        async with await self.watcher(query, demand, principal=principal) as watcher:
            while (sighting := await watcher.next()) is not None:
                # All who watch share the one; what they do with theirs shall not be seen by the others.
                yield copy.deepcopy(sighting.value)

    async def watcher(
        self, query: Query[Any], demand: Demand, *, seen: str | None = None, principal: Principal = ANONYMOUS
    ) -> Watcher:
        """Return what sees a query's answers in the form in which edges send them; to be closed after use.

        Args:
            query: the question.
            demand: how fresh the first answer must be.
            seen: the digest of an answer that need not be shown again.
            principal: who asks.

        Raises:
            TooManyWatchers: there are as many on this node as there may be.
            Exception: as `ask`.
        """
        return await self._answering().watch(
            query, lambda: Context(now=self._parts.now(), principal=principal), demand, seen
        )

    def session(self, *, after: Receipt | Position | None = None) -> Session:
        """Return what remembers the commands that are sent through it, so that its answers show all of them.

        Args:
            after: where it goes on: a session's `position`, on this node or another one.
        """
        from twofold.session import Session

        return Session(self, position_in("session", "after", after) or 0)

    async def events(
        self,
        *,
        types: Iterable[str] = (),
        tags: Iterable[str] = (),
        after: Position = 0,
        until: Position | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Recorded]:
        """Yield recorded events of any of the types that carry all of the tags, in order.

        Raises:
            InvalidMessage: what is asked for could find nothing.
            NodeClosed, RoleMissing, StoreError: the history cannot be read.
        """
        check_search("events", after=after, position=until, limit=limit)
        selection = Selection((Criterion(texts_in("events", "types", types), texts_in("events", "tags", tags)),))
        async for batch in self.history.read(selection, after=after, until=until, limit=limit):
            for recorded in batch:
                yield recorded

    async def ledger(
        self,
        *,
        command: type[Command] | str | None = None,
        command_id: UUID | None = None,
        principal: str | None = None,
        tags: Iterable[str] = (),
        outcome: Result | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
        position: Position | None = None,
        after: int | None = None,
        newest: bool = True,
        limit: int | None = None,
    ) -> AsyncIterator[LedgerEntry]:
        """Yield the decided commands for which everything given holds, the newest first.

        Args:
            command: commands of this class, or of this name.
            command_id: the command of this id, each time that it was decided.
            principal: sent by the principal of this name.
            tags: whose own fields carry all of these tags.
            outcome: `accepted`, `rejected` or `failed`.
            since: recorded at this time or later, by the database's clock.
            until: recorded before this time.
            correlation_id: that belong to this.
            causation_id: that this command or event caused.
            position: the one that appended the event at this position.
            after: go on behind this entry, in the order asked for.
            newest: False for the oldest first.
            limit: so many at most.

        Raises:
            InvalidMessage: what is asked for could find nothing.
            NodeClosed, RoleMissing: the ledger is read by nodes that write.
            StoreError: it cannot be read.
        """
        history = self._parts.history
        if history is None or "write" not in self.roles:
            raise self._parts.missing("write")
        check_search(
            "ledger", command_id=command_id, principal=principal, since=since, until=until,
            correlation_id=correlation_id, causation_id=causation_id, position=position, after=after, limit=limit,
        )  # fmt: skip
        if outcome is not None and outcome not in RESULTS:
            refuse("ledger", "outcome", f"one of {', '.join(RESULTS)}", outcome)
        name = command.message_name if isinstance(command, type) else command
        if not isinstance(name, str | None):
            refuse("ledger", "command", "a class of commands, or its name", name)
        search = LedgerSearch(
            types=() if name is None else (name,),
            command_id=command_id,
            principal=principal,
            tags=texts_in("ledger", "tags", tags),
            outcome=outcome,
            since=since,
            until=until,
            correlation_id=correlation_id,
            causation_id=causation_id,
            position=position,
        )
        left = limit
        while left is None or left > 0:
            size = _LEDGER_PAGE if left is None else min(left, _LEDGER_PAGE)
            entries = await history.ledger(search, after=after, newest=newest, limit=size)
            for entry in entries:
                yield entry
            if len(entries) < size:
                return
            after, left = entries[-1].entry, None if left is None else left - size

    async def causation(self, command_id: UUID) -> Causation | None:
        """Return the chain of causes and effects that a command is part of; None where there is no such command.

        It begins with the first cause that is known. At most 1,000 commands are told.

        Raises:
            NodeClosed, RoleMissing: the ledger is read by nodes that write.
            StoreError: it cannot be read.
        """
        history = self._parts.history
        if history is None or "write" not in self.roles:
            raise self._parts.missing("write")
        check_search("causation", command_id=command_id)
        return await causation_of(history, command_id)

    async def models(self, *, details: bool = False) -> list[ModelStatus]:
        """Return how each read model stands, by name.

        A node that may not see the history tells the head that the projections have last seen.

        Args:
            details: tell also rates, the segments of those that have several, and the tables that are kept of each.
        """
        parts = self._parts
        if parts.views is None:
            raise parts.missing("read")
        problems = {} if parts.projecting is None else parts.projecting.problems()
        return await model_statuses(self.app.tables.values(), parts.views, parts.history, problems, details=details)

    async def rebuild(
        self, model: Model, *, undo: bool = False, force: bool = False, progress: Told | None = None
    ) -> Rebuilt:
        """Build a read model anew beside what is live, compare the two, and exchange them in one transaction.

        Queries are answered all the time, and never from less than before. What was live is kept beside it until the
        next rebuild begins.

        Args:
            model: the read model, or its name.
            undo: bring what was live before the last rebuild up to date, and exchange the two again.
            force: exchange them even if more keys are parked in the new one.
            progress: is called with the position that was reached, and the one at which it is done.

        Raises:
            CannotRebuild: another rebuild is at work, more keys would be parked, or there is nothing to undo.
            NotBuilt: the read model is not live yet.
            TooManyParked: more keys would be parked than the read model allows.
            UnknownMessage: there is no such read model.
            NodeClosed, RoleMissing, StoreError: what is live is as it was.
        """
        rebuilt = await self._upkeep().rebuild(model, undo=undo, force=force, progress=progress)
        await self._look_again(model)
        return rebuilt

    async def verify(self, model: Model, *, progress: Told | None = None) -> Compared:
        """Fold the history once more, into a shadow, and compare every live row with it.

        The live read model goes on; each row is compared as of its own checkpoint. Keys that are parked are left out.

        Args:
            model: the read model, or its name.
            progress: is called with the position that the shadow has reached, and the one at which it is done.

        Raises:
            NotBuilt: the read model is not live yet.
            CannotVerify: it is projected in batches, and moves all the time, or is being verified by somebody else.
            UnknownMessage: there is no such read model.
            NodeClosed, RoleMissing, StoreError: it could not be verified.
        """
        return await self._upkeep().verify(model, progress=progress)

    async def parked(self, model: Model) -> list[ParkedKey]:
        """Return the keys of a read model whose events could not be applied, with the error and those events.

        Raises:
            UnknownMessage: there is no such read model.
            NodeClosed, RoleMissing, StoreError: it cannot be told.
        """
        return await self._upkeep().parked(model)

    async def retry_parked(self, model: Model, key: str | None = None) -> list[Retried]:
        """Apply the parked events of a key, or of all, in their order, with the code as it is now.

        A key of which an event fails again is left as it was, and told with that error.

        Args:
            model: the read model, or its name.
            key: as `ParkedKey.key` tells it; of a key of one field, the value alone will do.

        Raises:
            CannotRetry: nothing is parked under the key, or its events cannot tell their row.
            UnknownMessage: there is no such read model.
            NodeClosed, RoleMissing, StoreError: nothing was changed.
        """
        retried = await self._upkeep().retry_parked(model, key)
        await self._look_again(model)
        return retried

    async def drop_parked(self, model: Model, key: str) -> int:
        """Give up all parked events of a key, and return how many there were. The row is then not what a rebuild makes.

        Args and raises: see `retry_parked`.
        """
        dropped = await self._upkeep().drop_parked(model, key)
        await self._look_again(model)
        return dropped

    async def caught_up(self, *, after: Receipt | Position | None = None, timeout: float = 60.0) -> Position:
        """Return when every read model has reached a position (the head, if none is given), and which.

        Raises:
            NotFresh: one has not within `timeout` seconds.
        """
        freshness, position = self._answering().freshness, position_in("caught_up", "after", after)
        wanted = await self.history.head() if position is None else position
        await freshness.wait(list(self.app.tables.values()), wanted, timeout)
        return wanted

    def statistics(self) -> WriteStatistics:
        """Return what the write side keeps in memory, and how often a command found its models there.

        Raises:
            NodeClosed, RoleMissing: this node takes no commands.
        """
        if self._parts.sender is None:
            raise self._parts.missing("write")
        return self._parts.sender.decider.statistics()

    @property
    def is_draining(self) -> bool:
        """Whether the node takes no more commands because it is about to be closed."""
        return self._parts.sender is not None and self._parts.sender.admission.is_closed

    def drain(self) -> None:
        """Take no more commands: they raise NodeClosed. Those on their way are decided, and queries are answered.

        Whoever watches a query sees no further answer, so as to watch on another node.
        """
        if self._parts.sender is not None:
            self._parts.sender.admission.close()
        if self._parts.asking is not None:
            self._parts.asking.stop_watching()

    async def close(self) -> None:
        """Take no more commands, make durable what waits, stop projecting, release the files. May be called twice."""
        with self._submitting:
            self._here = None
        await self._parts.close()

    @property
    def is_open(self) -> bool:
        """Whether the node has been entered, and not been closed since."""
        return self._here is not None

    @property
    def sync(self) -> SyncNode:
        """The node for callers without an event loop: `with app.open(url).sync as node:`, or from other threads."""
        from twofold.sync import SyncNode

        return SyncNode(self)

    def start_from_elsewhere(
        self, start: Callable[[Node], Coroutine[Any, Any, A]]
    ) -> tuple[Future[A], asyncio.AbstractEventLoop]:
        """Start something on the node's event loop, from another thread; for `Node.sync`.

        Raises:
            NodeClosed: the node is not open, or was opened by the process that this one was forked from.
        """
        with self._submitting:
            # Whatever is started before `close` takes the lock is begun before that goes on, and hears of it.
            if self._here is None:
                raise NodeClosed()
            loop, process = self._here
            if process != os.getpid():
                raise NodeClosed("the node was opened before this process was forked; open one in each process")
            return asyncio.run_coroutine_threadsafe(start(self), loop), loop

    def unknown(self, kind: Literal["command", "query"], name: str) -> UnknownMessage:
        """Return the error that there is no such message."""
        known = self.app.commands if kind == "command" else self.app.queries
        names = ", ".join(sorted(message.message_name for message in known)) or "none"
        return UnknownMessage(kind=kind, name=name, known=names)

    def _sending(self, command: Command) -> Sender:
        if self._parts.sender is None:
            raise self._parts.missing("write")
        if type(command) not in self.app.commands:
            raise self.unknown("command", type(command).__name__)
        return self._parts.sender

    def _answering(self) -> Asking:
        if self._parts.asking is None:
            raise self._parts.missing("read")
        return self._parts.asking

    def _upkeep(self) -> Models:
        if self._parts.views is None or "project" not in self.roles:
            raise self._parts.missing("project")
        return Models(self.app, self.history, self._parts.views, self.name)

    async def _look_again(self, model: Model) -> None:
        """Tell who watches queries of a read model that its rows were changed by other hands than a projection's."""
        if self._parts.asking is not None:
            # They were, whether or not that can be looked at now; then it is seen a moment later.
            with contextlib.suppress(StoreError):
                await self._parts.asking.freshness.look_again(self._upkeep().table_of(model))


def _demand(query: Query[Any], after: Receipt | Position | None, max_lag: float | None, timeout: float) -> Demand:
    if after is None and max_lag is None:
        return Demand(0, None, timeout)
    name = type(query).message_name
    return Demand(position_in(name, "after", after) or 0, seconds_in(name, "max_lag", max_lag), timeout)
