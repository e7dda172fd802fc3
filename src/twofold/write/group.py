"""Group commit with speculation: decisions are folded into the cache at once and made durable together.

Decisions wait in the order in which they were made. Whatever waits when the disk is ready is appended in one
transaction; meanwhile others are decided on the folded state and wait in their turn. Nobody is answered before the
append. Only another process can make an append conflict: then whatever rests on what did not happen, or on what
is not the latest any more, is decided again, and nothing else is.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterator, Sequence, Set

from twofold.errors import NodeClosed, OutcomeUnknown, Overloaded, TwofoldError
from twofold.history.boundary import EVERYTHING, Condition, Criterion, Mark, Selection, marks_of
from twofold.history.codec import Codec
from twofold.history.record import Position, Proposed, Recorded
from twofold.history.signal import Signal
from twofold.history.store import Appended, Conflict, Decision, History, Outcome, Rejection, Work, last_of
from twofold.message import Event
from twofold.write.cache import Cache, Entry
from twofold.write.changes import Changes
from twofold.write.sending import Sending
from twofold.write.snapshots import Snapshots

_BATCH = 1000
_BATCH_OF_WORK = 100
_GAP = 10_000
_STEPS = 100


class Pending:
    """A decision that waits to be durable.

    Attributes:
        sending: the command.
        selection: the boundary that it rests on.
        events: what the handler returned.
        proposed: the same, encoded.
        rejection: why it was decided against, if it was.
        work: what makes the decision inside the transaction that stores it, if it is not made yet.
        states: for snapshots, the states of models behind some of its events: entry, which event, and state.
        outcome: the history's answer; None where it must be decided again.
    """

    __slots__ = ("events", "outcome", "proposed", "rejection", "selection", "sending", "states", "work")

    def __init__(
        self,
        sending: Sending,
        selection: Selection,
        events: Sequence[Event],
        proposed: tuple[Proposed, ...],
        rejection: Rejection | None,
        work: Work | None = None,
    ) -> None:
        self.sending = sending
        self.selection = selection
        self.events = events
        self.proposed = proposed
        self.rejection = rejection
        self.work = work
        self.states: list[tuple[Entry, int, bytes]] = []
        self.outcome: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()

    def answer(self, outcome: Outcome | None) -> None:
        """Tell the sender, unless it has gone."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def fail(self, error: Exception) -> None:
        """Tell the sender that the append failed, unless it has gone."""
        if not self.outcome.done():
            self.outcome.set_exception(error)


class GroupCommit:
    """The one queue of a node through which every decision goes to the history.

    Args:
        history: where decisions are appended.
        codec: decodes other processes' events for the cache.
        cache: the folded models; all stand at `position`, plus what is pending.
        snapshots: where states of models go when what they rest on is durable.
        limit: how many decisions may wait before new ones are refused.
    """

    def __init__(self, history: History, codec: Codec, cache: Cache, snapshots: Snapshots, limit: int = 10_000) -> None:
        self._history = history
        self._codec = codec
        self._cache = cache
        self._snapshots = snapshots
        self._limit = limit
        self._waiting: list[Pending] = []
        self._flying: list[Pending] = []
        # Every mark of a pending event is in one of these; a mark in them may have no pending event any more.
        self._waiting_marks: set[Mark] = set()
        self._flying_marks: set[Mark] = set()
        self._wake = asyncio.Event()
        self._lags = False
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        # From which position `position` has moved, and the marks of the events that came, and of others maybe.
        self._steps: deque[tuple[Position, Set[Mark]]] = deque(maxlen=_STEPS)
        self.settled = Signal()
        self.position: Position = 0

    async def start(self) -> None:
        """Begin at the head of the history."""
        self.position = await self._history.head()
        self._task = asyncio.create_task(self._run(), name="twofold-group-commit")

    async def stop(self) -> None:
        """Take no more, wait until all that waits is durable, and end."""
        self._closed = True
        while self._waiting or self._flying:
            await self.settled.wait(0.05)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def add(self, pending: Pending) -> None:
        """Fold a decision's events into the cache and let it wait for its commit.

        The caller has not awaited anything since it loaded the models.

        Raises:
            NodeClosed: the node is closing.
            Overloaded: too many wait already.
            Exception: what an `evolve` raised; the decision does not wait, the models it touched are dropped.
        """
        if self._closed:
            raise NodeClosed()
        if len(self._waiting) >= self._limit:
            raise Overloaded(waiting=len(self._waiting), limit=self._limit)
        try:
            for place in range(len(pending.events)):
                self._fold(pending, place)
        except Exception:
            self._forget(pending.proposed)
            raise
        self._waiting.append(pending)
        for proposed in pending.proposed:
            self._waiting_marks.update(marks_of(proposed.type, proposed.tags))
        self._wake.set()

    async def move_up(self) -> None:
        """Take in what other processes have appended; return when `position` is what the head was, or it cannot be."""
        self._lags = True
        self._wake.set()
        while self._lags and not self._closed:
            await self.settled.wait()

    def pending(self) -> Iterator[Pending]:
        """Yield the decisions that are not durable yet, in their order."""
        yield from self._flying
        yield from self._waiting

    def pending_events(self, criterion: Criterion) -> Iterator[Event]:
        """Yield the events of a criterion that are not durable yet, in their order."""
        if all(self._may_be_under(place) for place in criterion.places):
            for pending in self.pending():
                for proposed, event in zip(pending.proposed, pending.events, strict=True):
                    if criterion.takes(proposed.type, proposed.tags):
                        yield event

    def _may_be_under(self, place: Sequence[Mark]) -> bool:
        return not (self._waiting_marks.isdisjoint(place) and self._flying_marks.isdisjoint(place))

    def is_untouched(self, criterion: Criterion, since: Position) -> bool:
        """Tell whether it is known that no event of a criterion has come since `position` was this."""
        if since == self.position:
            return True
        for before, marks in reversed(self._steps):
            if not any(marks.isdisjoint(place) for place in criterion.places):
                return False
            if before <= since:
                return True
        return False

    def is_pending_on(self, selection: Selection) -> bool:
        """Tell whether an event that is not durable yet is selected."""
        return any(selection.takes(event.type, event.tags) for each in self.pending() for event in each.proposed)

    def _fold(self, pending: Pending, place: int) -> None:
        proposed, event = pending.proposed[place], pending.events[place]
        for entry in self._cache.touched(proposed.type, proposed.tags):
            if not entry.takes_metadata:
                self._cache.fold(entry, event)
                if entry.revision >= entry.due and (state := self._snapshots.state_of(entry)) is not None:
                    pending.states.append((entry, place, state))
            elif not entry.behind:
                entry.behind, entry.position = True, self.position

    def _forget(self, events: Sequence[Proposed]) -> None:
        for event in events:
            for entry in self._cache.touched(event.type, event.tags):
                self._cache.drop(entry)

    async def _run(self) -> None:
        try:
            while True:
                if not self._waiting and not self._lags:
                    self._wake.clear()
                    await self._wake.wait()
                if self._lags:
                    await self._take_up()
                else:
                    await self._append()
                self.settled.notify()
        finally:
            # Whatever ended it, nobody may wait for an answer that does not come.
            self._closed = True
            self._fail(_cut_off())
            self.settled.notify()

    async def _take_up(self) -> None:
        try:
            head = await self._history.head()
            self._settle((), await self._unseen(head), head)
        except Exception:  # noqa: BLE001 - who asked for it goes on without
            return
        finally:
            self._lags = False

    async def _append(self) -> None:
        self._flying, self._waiting = self._next()
        self._flying_marks = self._waiting_marks
        if not self._waiting:
            self._waiting_marks = set()
        answered = self._flying
        try:
            outcomes = await self._history.append(self._conditioned())
        except Exception as error:  # noqa: BLE001 - whatever it is, senders must hear of it
            self._fail(error)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled this task: what the engine rests on raised it by itself.
            self._fail(_cut_off())
        else:
            head = self._head_before(outcomes)
            self._settle(outcomes, await self._unseen(head), head)
            lost = any(isinstance(outcome, Conflict) for outcome in outcomes)
            if lost and last_of(outcomes):
                # Others may have appended behind those that stand, while the engine waited for the turn of the rest.
                await self._take_up()
            await self._answer(list(zip(answered, outcomes, strict=True)), at_once=lost)

    def _next(self) -> tuple[list[Pending], list[Pending]]:
        """Return what is appended next, and what waits on: decisions that are to be made go in batches of their own.

        They go first, unless they rest on what waits before them.
        """
        places = [place for place, pending in enumerate(self._waiting) if pending.work is not None]
        if not places:
            return self._waiting[:_BATCH], self._waiting[_BATCH:]
        changes, chosen = Changes(), list[int]()
        for place, pending in enumerate(self._waiting):
            for event in pending.proposed:
                changes.add(event.type, event.tags)
            if pending.work is not None and not changes.touch(pending.selection):
                chosen.append(place)
        now = set(chosen[:_BATCH_OF_WORK] or range(min(places[0], _BATCH)))
        flying = [pending for place, pending in enumerate(self._waiting) if place in now]
        return flying, [pending for place, pending in enumerate(self._waiting) if place not in now]

    async def _answer(self, answers: Sequence[tuple[Pending, Outcome]], *, at_once: bool) -> None:
        """Tell the senders when the next append has begun; where few others wait, one half of them before it.

        Senders who send again at once would else all decide first, then all wait for the disk: so one half decides
        while the disk works for the other. An engine may begin with a task of its own, so they are told a turn of the
        loop later than that one is made. Where some lost to another process, all are told `at_once`: who has its turn
        now has it for one append.
        """
        if at_once:
            _tell(answers)
            return
        loop = asyncio.get_running_loop()
        if self._waiting and 2 * len(self._waiting) >= len(answers):
            loop.call_soon(_tell, answers)
            return
        half = (len(answers) + 1) // 2
        _tell(answers[:half])
        if half < len(answers):
            loop.call_soon(loop.call_soon, _tell, answers[half:])
        await asyncio.sleep(0)

    def _conditioned(self) -> list[Decision]:
        # All that waited was made or kept valid at this position, each having seen those before it.
        now = time.monotonic()
        return [
            Decision(
                pending.sending.submission,
                Condition(
                    pending.selection,
                    self.position if pending.sending.expected is None else self._position_for(pending),
                    seen if pending.work is None else 0,
                ),
                pending.proposed,
                pending.rejection,
                pending.sending.attempts,
                int((now - pending.sending.sent) * 1_000_000),
                pending.work,
            )
            for seen, pending in enumerate(self._flying)
        ]

    def _position_for(self, pending: Pending) -> Position:
        expected = pending.sending.expected
        return self.position if expected is None else min(expected, self.position)

    async def _unseen(self, head: Position) -> list[Recorded] | None:
        """Return other processes' events since `position`, or None where they are too many, or cannot be read."""
        if head - self.position > _GAP:
            return None
        found: list[Recorded] = []
        try:
            if head > self.position:
                async for batch in self._history.read(EVERYTHING, after=self.position, until=head):
                    found.extend(batch)
        except Exception:  # noqa: BLE001 - what cannot be read is forgotten; that is always right
            return None
        return found

    def _head_before(self, outcomes: Sequence[Outcome]) -> Position:
        if self._flying[0].work is not None:
            # What was made in the transaction is folded as other processes' events are: nobody has seen it before.
            return max(map(_reached, outcomes))
        for pending, outcome in zip(self._flying, outcomes, strict=True):
            match outcome:
                case Appended(first=first, last=last):
                    return first - 1 if pending.proposed else last
                case Conflict(head=head):
                    return head
        return self.position

    def _settle(self, outcomes: Sequence[Outcome], foreign: list[Recorded] | None, head: Position) -> None:
        changes = Changes()
        if foreign is None:
            self._cache.clear()
        else:
            self._take_in(foreign, changes)
        reached = max(self.position, head, last_of(outcomes))
        for pending, outcome in zip(self._flying, outcomes, strict=True):
            if isinstance(outcome, Appended):
                if pending.states:
                    self._keep(pending, outcome.first)
            else:
                self._undo(pending, changes)
        self._step_to(reached, foreign)
        self._flying = []
        self._sift(changes, all_of_them=foreign is None)

    def _step_to(self, reached: Position, foreign: Sequence[Recorded] | None) -> None:
        if foreign is None:
            self._steps.clear()
        elif reached > self.position:
            others = [mark for recorded in foreign for mark in marks_of(recorded.type, recorded.tags)]
            self._steps.append((self.position, self._flying_marks.union(others) if others else self._flying_marks))
        self.position = reached

    def _keep(self, pending: Pending, first: Position) -> None:
        for entry, place, state in pending.states:
            # Else something that it rested on did not happen, or something came between.
            if self._cache.get(entry.boundary) is entry:
                self._snapshots.keep(entry.boundary, state, first + place, pending.proposed[place].id)

    def _take_in(self, foreign: Sequence[Recorded], changes: Changes) -> None:
        if not foreign:
            return
        proposed = (event for pending in self.pending() for event in pending.proposed)
        own = {entry for event in proposed for entry in self._cache.touched(event.type, event.tags)}
        for recorded in foreign:
            tags = recorded.tags
            changes.add(recorded.type, tags)
            for entry in self._cache.touched(recorded.type, tags):
                if entry.behind:
                    continue
                if entry in own:
                    self._cache.drop(entry)
                    continue
                try:
                    metadata = recorded.metadata if entry.takes_metadata else None
                    self._cache.fold(entry, self._codec.decode(recorded), metadata)
                except Exception:  # noqa: BLE001 - whoever loads the model next is told what is wrong
                    self._cache.drop(entry)

    def _undo(self, pending: Pending, changes: Changes) -> None:
        self._forget(pending.proposed)
        for event in pending.proposed:
            changes.add(event.type, event.tags)

    def _sift(self, changes: Changes, *, all_of_them: bool) -> None:
        """Send back to be decided again what rests on what has changed."""
        if not changes and not all_of_them:
            return
        kept: list[Pending] = []
        for pending in self._waiting:
            if all_of_them or changes.touch(pending.selection):
                self._undo(pending, changes)
                pending.answer(None)
            else:
                kept.append(pending)
        self._waiting = kept

    def _fail(self, error: Exception) -> None:
        self._cache.clear()
        failed, self._flying = self._flying, []
        self._sift(Changes(), all_of_them=True)
        for pending in failed:
            if isinstance(error, TwofoldError):
                facts = {**error.facts, "command_id": pending.sending.submission.command_id}
                pending.fail(type(error)(str(error), **facts))
            else:
                pending.fail(error)


def _tell(answers: Sequence[tuple[Pending, Outcome]]) -> None:
    for pending, outcome in answers:
        pending.answer(outcome)


def _reached(outcome: Outcome) -> Position:
    match outcome:
        case Appended(last=position) | Conflict(head=position):
            return position
    return 0


def _cut_off() -> OutcomeUnknown:
    return OutcomeUnknown(path="the history", problem="the append was cut off")
