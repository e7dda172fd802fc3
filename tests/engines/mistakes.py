"""Mistakes that a history may make, each planted in the plain one. The docstring of each says what it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec

from tests.engines.plain import Kept, PlainHistory
from twofold.history.boundary import Criterion, Selection
from twofold.history.record import Position, Recorded, Submission
from twofold.history.store import Appended, Conflict, Decision, Outcome
from twofold.testing.contracts.reference import Accepted, Reference, selects


def narrowed(selection: Selection, change: Any) -> Selection:
    return Selection(tuple(change(criterion) for criterion in selection.criteria))


class NoConditions(Reference):
    def moved(self, boundary: Selection, after: Position, before: Position) -> bool:
        return False


class FirstCriterionOnly(Reference):
    def moved(self, boundary: Selection, after: Position, before: Position) -> bool:
        return super().moved(Selection(boundary.criteria[:1]), after, before)


class FirstTagOnly(Reference):
    def moved(self, boundary: Selection, after: Position, before: Position) -> bool:
        return super().moved(narrowed(boundary, lambda c: Criterion(c.types, c.tags[:1])), after, before)


class TypesIgnored(Reference):
    def moved(self, boundary: Selection, after: Position, before: Position) -> bool:
        return super().moved(narrowed(boundary, lambda c: Criterion((), c.tags)), after, before)


class TagsOnly(Reference):
    def moved(self, boundary: Selection, after: Position, before: Position) -> bool:
        return super().moved(Selection(tuple(c for c in boundary.criteria if c.tags)), after, before)


class FirstTypeOnly(Reference):
    def moved(self, boundary: Selection, after: Position, before: Position) -> bool:
        return super().moved(narrowed(boundary, lambda c: Criterion(c.types[:1], c.tags)), after, before)


class AnyCase(Reference):
    def moved(self, boundary: Selection, after: Position, before: Position) -> bool:
        lower = narrowed(boundary, lambda c: Criterion(c.types, tuple(tag.lower() for tag in c.tags)))
        return any(selects(lower, e.type, [tag.lower() for tag in e.tags]) for e in self.events[after:before])


class TagPrefix(Reference):
    def moved(self, boundary: Selection, after: Position, before: Position) -> bool:
        return any(
            any(tag.startswith(c.tags[0]) for tag in e.tags) if c.tags else selects(Selection((c,)), e.type, e.tags)
            for c in boundary.criteria
            for e in self.events[after:before]
        )


class LastEventOnly(Reference):
    def moved(self, boundary: Selection, after: Position, before: Position) -> bool:
        return super().moved(boundary, max(after, before - 1), before)


class PositionCounts(Reference):
    def moved(self, boundary: Selection, after: Position, before: Position) -> bool:
        return super().moved(boundary, max(0, after - 1), before)


class OwnEventsCount(Reference):
    def answer(self, decision: Decision, *more: Any) -> Outcome:
        outcome = super().answer(decision, *more)
        own = len(decision.events) > 1 and self.rests_on(decision, decision)
        return Conflict(len(self.events)) if own and isinstance(outcome, Appended) else outcome


class RejectionsUnconditional(Reference):
    def moved(self, boundary: Selection, after: Position, before: Position) -> bool:
        return not self.rejecting and super().moved(boundary, after, before)

    def answer(self, decision: Decision, *more: Any) -> Outcome:
        self.rejecting = decision.rejection is not None
        return super().answer(decision, *more)


class AllSeen(Reference):
    def unseen(self, *_: Any) -> bool:
        return False


class OnePositionForAll(Reference):
    def answer(self, decision: Decision, decisions: Sequence[Decision], *more: Any) -> Outcome:
        first = msgspec.structs.replace(decision.condition, after=decisions[0].condition.after)
        return super().answer(msgspec.structs.replace(decision, condition=first), decisions, *more)


class NoneSeen(Reference):
    def unseen(self, decision: Decision, *more: Any) -> bool:
        blind = msgspec.structs.replace(decision.condition, seen=0)
        return super().unseen(msgspec.structs.replace(decision, condition=blind), *more)


class NoCascade(Reference):
    def unmade(self, *_: Any) -> bool:
        return False


class CascadeOfAll(Reference):
    def unmade(self, decision: Decision, decisions: Sequence[Decision], outcomes: Sequence[Outcome]) -> bool:
        return any(not isinstance(outcome, Appended) for outcome in outcomes[: decision.condition.seen])


class CascadeOfUnseen(Reference):
    def unmade(self, decision: Decision, *more: Any) -> bool:
        every = msgspec.structs.replace(decision.condition, seen=1_000)
        return super().unmade(msgspec.structs.replace(decision, condition=every), *more)


class CascadeWithoutDuplicates(Reference):
    def unmade(self, decision: Decision, decisions: Sequence[Decision], outcomes: Sequence[Outcome]) -> bool:
        only = [each if isinstance(each, Conflict) else Appended(0, 0) for each in outcomes]
        return super().unmade(decision, decisions, only)


class BatchInsteadOfHistory(Reference):
    def moved(self, boundary: Selection, after: Position, before: Position) -> bool:
        return not self.sees and super().moved(boundary, after, before)

    def answer(self, decision: Decision, *more: Any) -> Outcome:
        self.sees = decision.condition.seen > 0
        return super().answer(decision, *more)


class NoLedger(Reference):
    def earlier(self, submission: Submission) -> Accepted | None:
        return None


class LedgerBeforeTheBatch(Reference):
    def append(self, decisions: Sequence[Decision]) -> list[Outcome]:
        self.before = dict(self.accepted)
        return super().append(decisions)

    def earlier(self, submission: Submission) -> Accepted | None:
        return self.before.get(submission.scope)


class AlwaysTheSame(Reference):
    def earlier(self, submission: Submission) -> Accepted | None:
        known = super().earlier(submission)
        return known and Accepted(submission.type, submission.payload, known.position)


class TypeOfCommandIgnored(Reference):
    def earlier(self, submission: Submission) -> Accepted | None:
        known = super().earlier(submission)
        return known and msgspec.structs.replace(known, type=submission.type)


class PayloadsAsValues(Reference):
    def earlier(self, submission: Submission) -> Accepted | None:
        known = super().earlier(submission)
        if known is None or msgspec.json.decode(known.payload) != msgspec.json.decode(submission.payload):
            return known
        return msgspec.structs.replace(known, payload=submission.payload)


class ConflictBeforeRepeat(Reference):
    def earlier(self, submission: Submission) -> Accepted | None:
        return None if self.stale else super().earlier(submission)

    def answer(self, decision: Decision, decisions: Any, outcomes: Any, before: Position) -> Outcome:
        self.stale = self.moved(decision.condition.selection, decision.condition.after, before)
        return super().answer(decision, decisions, outcomes, before)


class RejectionsClaim(Reference):
    def store(self, decision: Decision) -> None:
        super().store(msgspec.structs.replace(decision, rejection=None))


class ConflictsClaim(Reference):
    def answer(self, decision: Decision, *more: Any) -> Outcome:
        outcome = super().answer(decision, *more)
        if isinstance(outcome, Conflict):
            super().store(msgspec.structs.replace(decision, events=()))
        return outcome


class EventsClaim(Reference):
    def store(self, decision: Decision) -> None:
        known = dict(self.accepted)
        super().store(decision)
        if not decision.events:
            self.accepted = known


class NewIdsClaimNothing(Reference):
    def store(self, decision: Decision) -> None:
        known = dict(self.accepted)
        super().store(decision)
        if decision.submission.is_first:
            self.accepted = known


class OnePrincipal(Reference):
    def append(self, decisions: Sequence[Decision]) -> list[Outcome]:
        replace = msgspec.structs.replace
        return super().append([replace(d, submission=replace(d.submission, principal="")) for d in decisions])


class OneTenant(Reference):
    def append(self, decisions: Sequence[Decision]) -> list[Outcome]:
        replace = msgspec.structs.replace
        return super().append([replace(d, submission=replace(d.submission, tenant="")) for d in decisions])


class ConflictsBurn(Reference):
    def answer(self, decision: Decision, *more: Any) -> Outcome:
        outcome = super().answer(decision, *more)
        if isinstance(outcome, Conflict):
            self.events += self.events[-1:]
        return outcome


class HalfADecision(Reference):
    def answer(self, decision: Decision, *more: Any) -> Outcome:
        outcome = super().answer(decision, *more)
        if isinstance(outcome, Conflict) and len(decision.events) > 1:
            super().store(msgspec.structs.replace(decision, events=decision.events[:1]))
        return outcome


class BackToFront(Reference):
    def store(self, decision: Decision) -> None:
        super().store(msgspec.structs.replace(decision, events=decision.events[::-1]))


class WholeBatchOrNothing(Reference):
    def append(self, decisions: Sequence[Decision]) -> list[Outcome]:
        events, accepted = list(self.events), dict(self.accepted)
        outcomes = super().append(decisions)
        if any(isinstance(outcome, Conflict) for outcome in outcomes):
            self.events, self.accepted = events, accepted
            return [Conflict(len(events)) for _ in decisions]
        return outcomes


class Racing(PlainHistory):
    """Checks first and stores later."""

    async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        events, accepted = list(self.reference.events), dict(self.reference.accepted)
        outcomes = self.reference.append(decisions)
        made = self.reference.events[len(events) :]
        claimed = {key: value for key, value in self.reference.accepted.items() if key not in accepted}
        self.reference.events[:], self.reference.accepted = events, accepted
        await asyncio.sleep(0)
        self.reference.events += made
        self.reference.accepted |= claimed
        await self.tell()
        return outcomes


class OneByOne(PlainHistory):
    """Can be cancelled between the decisions of a batch."""

    async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        outcomes: list[Outcome] = []
        for decision in decisions:
            outcomes += self.reference.append([decision])
            await asyncio.sleep(0)
        await self.tell()
        return outcomes


class EventByEvent(PlainHistory):
    """Can be cancelled between the events of a decision."""

    async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        outcomes = self.reference.append(decisions)
        made = self.reference.events[-1:]
        if made:
            self.reference.events.pop()
            await asyncio.sleep(0)
            self.reference.events += made
        await self.tell()
        return outcomes


class Silent(PlainHistory):
    async def tell(self) -> None: ...


class Deaf(PlainHistory):
    """Hears only of its own appends."""

    def __init__(self, kept: Kept) -> None:
        super().__init__(kept)
        self.kept = Kept(lambda: kept.reference)
        self.kept.id = kept.id


class Forgetful(PlainHistory):
    def __init__(self, kept: Kept) -> None:
        kept.reference.events[:] = kept.reference.events[:-1]
        super().__init__(kept)


class ForgetfulOfCommands(PlainHistory):
    def __init__(self, kept: Kept) -> None:
        kept.reference.accepted.clear()
        super().__init__(kept)


class NewIdEachTime(PlainHistory):
    @property
    def id(self) -> UUID:
        return uuid4()


class OneIdForAll(PlainHistory):
    @property
    def id(self) -> UUID:
        return UUID(int=1)


class Reading(PlainHistory):
    """Lets a mistake change what is selected, what is found, and how it is cut into batches."""

    async def read(
        self, selection: Selection, *, after: Position = 0, until: Position | None = None, limit: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        end = len(self.reference.events) if until is None else until
        found = [self.told(each) for each in self.found(selection, after, end, limit)]
        for batch in self.cut(found):
            yield batch

    def found(self, selection: Selection, after: Position, end: Position, limit: int | None) -> list[Recorded]:
        return self.reference.read(selection, after, end, limit)

    def cut(self, found: list[Recorded]) -> Sequence[Sequence[Recorded]]:
        return [found] if found else []
