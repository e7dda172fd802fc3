"""Mistakes that a history may make when it is read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from tests.engines.mistakes import Reading
from twofold.history.boundary import Criterion, Selection
from twofold.history.record import Position, Recorded


class AfterCounts(Reading):
    def found(self, selection: Selection, after: Position, end: Position, limit: int | None) -> list[Recorded]:
        return super().found(selection, max(0, after - 1), end, limit)


class UntilDoesNotCount(Reading):
    def found(self, selection: Selection, after: Position, end: Position, limit: int | None) -> list[Recorded]:
        return super().found(selection, after, max(0, end - 1), limit)


class NoLimit(Reading):
    def found(self, selection: Selection, after: Position, end: Position, limit: int | None) -> list[Recorded]:
        return super().found(selection, after, end, None)


class LimitForEachCriterion(Reading):
    def found(self, selection: Selection, after: Position, end: Position, limit: int | None) -> list[Recorded]:
        each = [
            super(LimitForEachCriterion, self).found(Selection((c,)), after, end, limit) for c in selection.criteria
        ]
        return sorted({r.position: r for them in each for r in them}.values(), key=lambda r: r.position)


class CriterionAfterCriterion(Reading):
    def found(self, selection: Selection, after: Position, end: Position, limit: int | None) -> list[Recorded]:
        found = {
            each.position: each
            for criterion in selection.criteria
            for each in self.reference.read(Selection((criterion,)), after, end, None)
        }
        return list(found.values())[:limit]


class TwiceWhereCriteriaOverlap(Reading):
    def found(self, selection: Selection, after: Position, end: Position, limit: int | None) -> list[Recorded]:
        found = [
            each
            for criterion in selection.criteria
            for each in self.reference.read(Selection((criterion,)), after, end, None)
        ]
        return sorted(found, key=lambda each: each.position)[:limit]


class AnyTag(Reading):
    def found(self, selection: Selection, after: Position, end: Position, limit: int | None) -> list[Recorded]:
        loose = [Criterion(c.types, (tag,)) for c in selection.criteria for tag in c.tags]
        bare = [c for c in selection.criteria if not c.tags]
        return super().found(Selection((*loose, *bare)), after, end, limit)


class NoTypes(Reading):
    def found(self, selection: Selection, after: Position, end: Position, limit: int | None) -> list[Recorded]:
        bare = Selection(tuple(Criterion((), c.tags) if c.tags else c for c in selection.criteria))
        return super().found(bare, after, end, limit)


class NothingIsEverything(Reading):
    def found(self, selection: Selection, after: Position, end: Position, limit: int | None) -> list[Recorded]:
        return super().found(selection if selection.criteria else Selection((Criterion(),)), after, end, limit)


class OnePage(Reading):
    def cut(self, found: list[Recorded]) -> Sequence[Sequence[Recorded]]:
        return [found[:1000]] if found else []


class LosesAtTheBorder(Reading):
    def cut(self, found: list[Recorded]) -> Sequence[Sequence[Recorded]]:
        return [found[start : start + 999] for start in range(0, len(found), 1000)]


class TwiceAtTheBorder(Reading):
    def cut(self, found: list[Recorded]) -> Sequence[Sequence[Recorded]]:
        return [found[start : start + 1001] for start in range(0, len(found), 1000)]


class EmptyBatches(Reading):
    def cut(self, found: list[Recorded]) -> Sequence[Sequence[Recorded]]:
        return [found]


class MovingEnd(Reading):
    async def read(
        self, selection: Selection, *, after: Position = 0, until: Position | None = None, limit: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        left = limit
        while left is None or left > 0:
            end = len(self.reference.events) if until is None else until
            found = self.found(selection, after, end, left)[:1000]
            if not found:
                return
            yield [self.told(each) for each in found]
            after, left = found[-1].position, None if left is None else left - len(found)


class PayloadMadeAnew(Reading):
    def told(self, recorded: Recorded) -> Recorded:
        try:
            payload = msgspec.json.encode(msgspec.json.decode(recorded.payload))
        except msgspec.MsgspecError:
            payload = recorded.payload
        return msgspec.structs.replace(super().told(recorded), payload=payload)


class TagsSorted(Reading):
    def told(self, recorded: Recorded) -> Recorded:
        text = msgspec.json.encode(sorted(recorded.tags)).decode()
        return msgspec.structs.replace(super().told(recorded), tag_text=text)


class VersionOne(Reading):
    def told(self, recorded: Recorded) -> Recorded:
        return msgspec.structs.replace(super().told(recorded), version=1)


class NewEventIds(Reading):
    def told(self, recorded: Recorded) -> Recorded:
        return msgspec.structs.replace(super().told(recorded), event_id=UUID(int=1).bytes)


class NoCorrelation(Reading):
    def told(self, recorded: Recorded) -> Recorded:
        return msgspec.structs.replace(super().told(recorded), correlation_id=bytes(16))


class CorrelationAlwaysTheCommand(Reading):
    def told(self, recorded: Recorded) -> Recorded:
        return msgspec.structs.replace(super().told(recorded), correlation_id=recorded.command_id)


class CausationAlwaysTheCommand(Reading):
    def told(self, recorded: Recorded) -> Recorded:
        return msgspec.structs.replace(super().told(recorded), causation_id=recorded.command_id)


class NoPrincipal(Reading):
    def told(self, recorded: Recorded) -> Recorded:
        return msgspec.structs.replace(super().told(recorded), principal="")


class TimeInMilliseconds(Reading):
    def told(self, recorded: Recorded) -> Recorded:
        return msgspec.structs.replace(recorded, recorded_at=int(datetime.now(UTC).timestamp() * 1_000))


class TimeInAnotherZone(Reading):
    def told(self, recorded: Recorded) -> Recorded:
        there = super().told(recorded)
        return msgspec.structs.replace(there, recorded_at=there.recorded_at + 3_600_000_000)
