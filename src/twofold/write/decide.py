"""The command loop, once and for all: load, decide, append, and again where another process was first."""

from __future__ import annotations

import asyncio
import copy
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from twofold.context import Receipt
from twofold.errors import (
    ChangedSince,
    CommandIdReused,
    Contended,
    HandlerFailed,
    InvalidMessage,
    NodeClosed,
    Overloaded,
    Rejected,
    StillRunning,
    StoreError,
    TimedOut,
    TwofoldError,
)
from twofold.history.boundary import Selection
from twofold.history.codec import Codec
from twofold.history.record import Proposed
from twofold.history.store import Appended, Duplicate, History, Outcome
from twofold.history.transaction import Transaction
from twofold.message import Command, Event
from twofold.write.cache import Cache, Entry, State
from twofold.write.expectation import Expectations
from twofold.write.group import GroupCommit, Pending
from twofold.write.handler import Boundary, CommandHandler, selection_of
from twofold.write.load import Loader
from twofold.write.rejection import rejection_of
from twofold.write.sending import Sending
from twofold.write.snapshots import Snapshots
from twofold.write.statistics import WriteStatistics
from twofold.write.work import Turns, Work

_ATTEMPTS = 100
_PATIENCE = 5.0
_TOLD_AS_THEY_ARE = (Rejected, StoreError, Overloaded, NodeClosed, TimedOut)
_log = logging.getLogger("twofold.write")


class Decider:
    """Decides every command of a node.

    Args:
        handlers: the application's command handlers, by command class.
        provided: dependencies by type.
        history: where decisions go.
        codec: the application's events.
        new_id: gives 16 bytes that nobody else has.
        cache: what folded write models are kept in.
        snapshots: what states of long boundaries are kept by.

    Raises:
        DeclarationError: a handler asks for a dependency that was not provided.
    """

    def __init__(
        self,
        handlers: Mapping[type[Command], CommandHandler],
        provided: Mapping[type, Any],
        history: History,
        codec: Codec,
        new_id: Callable[[], bytes],
        cache: Cache,
        snapshots: Snapshots,
    ) -> None:
        self._handlers = {
            command: (handler, handler.bind(provided), handler.signature.is_async)
            for command, handler in handlers.items()
        }
        self._history = history
        self._codec = codec
        self._new_id = new_id
        self._cache = cache
        self._snapshots = snapshots
        self._group = GroupCommit(history, codec, cache, snapshots)
        self._loader = Loader(history, codec, cache, self._group, snapshots)
        self._expectations = Expectations(history, self._group)
        self._turns = Turns()
        # With an event where others wait for the end.
        self._running: dict[tuple[str, str, int], Sending] = {}

    async def start(self) -> None:
        """Begin to take commands."""
        await self._group.start()

    async def stop(self) -> None:
        """Make durable what waits, and end."""
        await self._group.stop()
        await self._snapshots.close()

    def statistics(self) -> WriteStatistics:
        """Return what is kept in memory now, and how well it has served."""
        snapshots = self._snapshots.in_memory
        return WriteStatistics(
            waiting=sum(1 for _ in self._group.pending()),
            models=len(self._cache),
            bytes=self._cache.kept.bytes,
            hits=self._cache.hits,
            misses=self._cache.misses,
            evictions=self._cache.evictions,
            snapshots=len(snapshots),
            snapshot_bytes=snapshots.bytes,
        )

    async def decide(self, sending: Sending) -> Receipt:
        """Decide a command and return when its events are durable.

        Raises:
            Rejected: the handler decided against it.
            ChangedSince: what it rests on is not as the sender expects.
            CommandIdReused: the id was used for another command.
            StillRunning: the handler of the first of this id is at work, and this one does not wait for it.
            Contended: other processes were first at every attempt.
            TimedOut: it was not decided by its deadline.
            HandlerFailed: the handler, or a model's `evolve`, raised what it should not.
            Overloaded, StoreError: it could not be stored.
        """
        submission = sending.submission
        if submission.is_first:
            return await self._decide(sending)
        key = submission.key
        while (first := self._running.get(key)) is not None:
            if first.is_at_work and not sending.is_patient:
                raise StillRunning(command_id=submission.command_id)
            await first.until_it_changes()
        self._running[key] = sending
        try:
            return await self._decide(sending)
        finally:
            del self._running[key]
            if sending.ended is not None:
                sending.wake()

    async def refuse(self, sending: Sending, error: TwofoldError) -> Receipt:
        """Let a command that was not decided have its ledger entry, which rests on nothing, and raise why.

        If the command was accepted before, the append tells it as the repeat that it is: it met a state that its first
        sending made. Then the first receipt is returned.
        """
        receipt: Receipt | None = None
        while receipt is None:
            pending = self._give_up(sending, error)
            receipt = _receipt(pending, error, await _outcome(pending))
        return receipt

    def _decide(self, sending: Sending) -> Awaitable[Receipt]:
        handler = self._handlers[type(sending.command)][0]
        boundaries = handler.boundaries(sending.command)
        # Each coroutine on the way of a command costs it some percent: this is none.
        return (self._tried if handler.transaction_name is None else self._in_turn)(sending, boundaries)

    async def _in_turn(self, sending: Sending, boundaries: Sequence[Boundary]) -> Receipt:
        async with self._turns.taken(boundaries):
            return await self._tried(sending, boundaries)

    async def _tried(self, sending: Sending, boundaries: Sequence[Boundary]) -> Receipt:
        for attempt in range(_ATTEMPTS):
            sending.attempts = attempt + 1
            pending, error = await self._attempt(sending, boundaries)
            if pending is not None:
                outcome = await _outcome(pending)
                try:
                    receipt = _receipt(pending, error, outcome)
                finally:
                    del pending, error
                if receipt is not None:
                    return receipt
                # It knows the latest now, and where it lost before it has its turn, which does not last.
                continue
            await asyncio.sleep(random.random() * min(0.0005 * attempt, 0.05))
        return await self.refuse(sending, Contended(command=sending.submission.type, attempts=_ATTEMPTS))

    async def _attempt(
        self, sending: Sending, boundaries: Sequence[Boundary]
    ) -> tuple[Pending | None, TwofoldError | None]:
        """Decide once; returns what waits for its commit, and what is raised if that stands.

        There is no pending decision where the models changed meanwhile, or may come to nothing.
        """
        command, expected = sending.command, sending.expected
        handler, call, is_async = self._handlers[type(command)]
        events: tuple[Event, ...] = ()
        rejected: Rejected | None = None
        try:
            if expected is not None:
                await self._expectations.check(sending.submission.type, selection_of(boundaries), expected)
        except ChangedSince as error:
            return self._give_up(sending, error), error
        try:
            entries = self._loader.ready(boundaries) or await self._loader.load(boundaries)
            selection = selection_of(entries)
            if expected is not None and self._group.is_pending_on(selection):
                return None, None
            models = [entry.model for entry in entries]
            if handler.transaction_name is not None:
                work = self._work(handler, partial(call, command, copy.deepcopy(models), sending.context))
                return self._add(sending, selection, (), (), None, work), None
            revisions = [entry.revision for entry in entries] if is_async else []
            before = [] if is_async else [State(model) for model in models]
            try:
                if is_async:
                    # Others are decided while it waits: it gets copies, and is asked again if the originals moved.
                    with sending.at_work():
                        result = await call(command, copy.deepcopy(models), sending.context)
                else:
                    result = call(command, models, sending.context)
                events = handler.returned(result)
            except Rejected as error:
                rejected = error
            finally:
                self._refuse_changes(entries, before)
            if is_async and self._have_moved(entries, revisions):
                return None, None
            proposed = tuple([self._codec.propose(event, self._new_id()) for event in events])
            try:
                return self._add(sending, selection, events, proposed, rejected), rejected
            finally:
                # See `_receipt`.
                del rejected
        except _TOLD_AS_THEY_ARE:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the sender is told an incident, and the log the rest
            failure = self.failure(handler.signature.name, error)
            failure.__cause__ = error
            return self._give_up(sending, failure), failure

    def _work(self, handler: CommandHandler, call: Callable[[Transaction], Awaitable[Any]]) -> Work:
        async def decide(transaction: Transaction) -> tuple[Proposed, ...]:
            try:
                async with asyncio.timeout(_PATIENCE):
                    events = handler.returned(await call(transaction))
            except TimeoutError as error:
                held = f"it held the transaction for more than {_PATIENCE:g} s; let it await nothing else"
                raise TimeoutError(held) from error
            return tuple([self._codec.propose(event, self._new_id()) for event in events])

        return Work(decide, partial(self.failure, handler.signature.name), rejection_of)

    def _give_up(self, sending: Sending, error: TwofoldError) -> Pending:
        return self._add(sending, Selection(), (), (), error)

    def _add(
        self,
        sending: Sending,
        selection: Selection,
        events: tuple[Event, ...],
        proposed: tuple[Proposed, ...],
        error: TwofoldError | None,
        work: Work | None = None,
    ) -> Pending:
        pending = Pending(sending, selection, events, proposed, None if error is None else rejection_of(error), work)
        if sending.deadline is not None:
            sending.deadline.hold()
        self._group.add(pending)
        return pending

    def _refuse_changes(self, entries: Sequence[Entry], before: Sequence[State]) -> None:
        # Later commands would be decided on what the handler made of the model, which is in no history.
        changed = [entry for entry, state in zip(entries, before, strict=False) if state.has_changed()]
        for entry in changed:
            self._cache.drop(entry)
        if changed:
            names = ", ".join(type(entry.model).__name__ for entry in changed)
            raise TypeError(f"it changed {names}; a handler reads its models, only evolve changes them")

    def _have_moved(self, entries: Sequence[Entry], revisions: Sequence[int]) -> bool:
        return any(
            self._cache.get(entry.boundary) is not entry or entry.revision != revision or entry.behind
            for entry, revision in zip(entries, revisions, strict=True)
        )

    def failure(self, name: str, error: Exception) -> HandlerFailed:
        """Return the error of a function of the application's that raised what it should not, and log its cause."""
        incident = str(UUID(bytes=self._new_id()))
        what = "it returned an event that is not valid: " if isinstance(error, InvalidMessage) else ""
        _log.error("command handler %s failed, incident %s", name, incident, exc_info=error)
        return HandlerFailed(handler=name, problem=f"{what}{type(error).__name__}: {error}", incident=incident)


def _outcome(pending: Pending) -> Awaitable[Outcome | None]:
    deadline = pending.sending.deadline
    return pending.outcome if deadline is None else deadline.outcome(pending.outcome)


def _receipt(pending: Pending, error: TwofoldError | None, outcome: Outcome | None) -> Receipt | None:
    """Return the receipt, or None where the command must be decided again; raise the error if that stands."""
    command_id = pending.sending.submission.command_id
    match outcome:
        case Appended(last=last):
            if isinstance(pending.work, Work):
                error = pending.work.error
            if error is not None:
                try:
                    raise error
                finally:
                    # An error and its traceback would hold each other until the garbage collector finds out.
                    del pending, error
            return Receipt(command_id, last)
        case Duplicate(position=position, same=same):
            if not same:
                raise CommandIdReused(command_id=command_id, position=position)
            return Receipt(command_id, position, repeated=True)
    return None
