"""A history in memory, gone with the process."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from uuid import UUID

import msgspec

from twofold.clock import new_uuid, now
from twofold.history.boundary import Criterion, Selection
from twofold.history.commit import Earlier, first_of, settle, stored, told
from twofold.history.ledger import EVERY_ENTRY, LedgerEntry, LedgerSearch, Prunable, emptied
from twofold.history.record import Position, Recorded
from twofold.history.signal import Signal
from twofold.history.store import Appended, Decision, Outcome

_BATCH = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class MemoryHistory:
    """Implements `twofold.history.store.History`; what it does is what every engine must do.

    Args:
        now: the clock that tells when events are recorded.
    """

    def __init__(self, now: Callable[[], datetime] = now) -> None:
        self.id = new_uuid()
        self._now = now
        self._events: list[Recorded] = []
        self._tagged: defaultdict[str, list[Position]] = defaultdict(list)
        self._typed: defaultdict[str, list[Position]] = defaultdict(list)
        self._ledger: list[LedgerEntry] = []
        self._entries = 0
        self._accepted: dict[tuple[str, str, UUID], Earlier] = {}
        self._moved = Signal()

    async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        """Store the decisions that stand; see `History.append`."""
        outcomes = settle(decisions, len(self._events), self._earlier, self._has_after)
        for decision, place in stored(decisions, outcomes):
            self._store(decision, place)
        self._moved.notify()
        return outcomes

    async def read(
        self, selection: Selection, *, after: Position = 0, until: Position | None = None, limit: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        """Yield the selected events in batches; see `History.read`."""
        end = len(self._events) if until is None else until
        left = limit if limit is not None else end
        while after < end and left > 0:
            found = self._positions(selection, after, end)[: min(_BATCH, left)]
            if not found:
                return
            yield [self._events[position - 1] for position in found]
            after, left = found[-1], left - len(found)

    async def head(self) -> Position:
        """Return the last position."""
        return len(self._events)

    async def changed(self, after: Position) -> None:
        """Return when the head is beyond `after`."""
        while len(self._events) <= after:
            await self._moved.wait()

    async def find(self, scope: tuple[str, str, UUID]) -> Position | None:
        """Return the position that an accepted command reached."""
        earlier = self._accepted.get(scope)
        return None if earlier is None else earlier.position

    async def ledger(
        self, search: LedgerSearch = EVERY_ENTRY, *, after: int | None = None, newest: bool = True, limit: int = 100
    ) -> Sequence[LedgerEntry]:
        """Return a page of the ledger; see `History.ledger`."""
        entries: Iterable[LedgerEntry] = reversed(self._ledger) if newest else self._ledger
        if after is not None:
            entries = (each for each in entries if (each.entry < after if newest else each.entry > after))
        return list(islice(filter(search.takes, entries), limit))

    async def prune(self, what: Prunable, before: datetime, *, after: int = 0, limit: int = 500) -> int | None:
        """Remove something of the ledger; see `History.prune`."""
        held = [each for each in self._ledger if each.entry > after and _holds(each, what)]
        aged = list(takewhile(lambda each: each.recorded_at < before, held))[:limit]
        if what != "contents" and aged and aged[-1].entry == self._entries:
            aged.pop()
        for each in aged:
            place = bisect_left(self._ledger, each.entry, key=lambda entry: entry.entry)
            if what == "contents":
                self._ledger[place] = emptied(each)
                continue
            del self._ledger[place]
            if what == "claims":
                del self._accepted[each.tenant, each.principal, each.command_id]
        return aged[-1].entry if aged else None

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _earlier(self, decision: Decision) -> Earlier | None:
        return self._accepted.get(decision.submission.scope)

    def _has_after(self, selection: Selection, after: Position) -> bool:
        return bool(self._positions(selection, after, len(self._events)))

    def _positions(self, selection: Selection, after: Position, until: Position) -> Sequence[Position]:
        found: set[Position] = set()
        for criterion in selection.criteria:
            found.update(self._taken_by(criterion, after, until))
        return sorted(found)

    def _taken_by(self, criterion: Criterion, after: Position, until: Position) -> Sequence[Position]:
        if criterion.tags:
            among = [self._tagged[criterion.tags[0]]]
        elif criterion.types:
            among = [self._typed[type_] for type_ in criterion.types]
        else:
            return range(after + 1, min(until, len(self._events)) + 1)
        candidates = (p for them in among for p in them[bisect_right(them, after) : bisect_right(them, until)])
        return [p for p in candidates if criterion.takes(self._events[p - 1].type, self._events[p - 1].tags)]

    def _store(self, decision: Decision, place: Appended) -> None:
        submission = decision.submission
        command_id = submission.command_id.bytes
        recorded_at = (self._now() - _EPOCH) // _MICROSECOND
        for position, event in enumerate(decision.events, place.first):
            self._events.append(
                Recorded(
                    position=position,
                    type=event.type,
                    version=event.version,
                    payload=event.payload,
                    event_id=event.id,
                    tag_text=msgspec.json.encode(event.tags).decode(),
                    command_id=command_id,
                    correlation_id=(submission.correlation_id or submission.command_id).bytes,
                    causation_id=(submission.causation_id or submission.command_id).bytes,
                    principal=submission.principal,
                    tenant=submission.tenant,
                    recorded_at=recorded_at,
                )
            )
            self._typed[event.type].append(position)
            for tag in event.tags:
                self._tagged[tag].append(position)
        kept = told(decision)
        self._entries += 1
        self._ledger.append(
            LedgerEntry(
                entry=self._entries,
                command_id=submission.command_id,
                type=submission.type,
                payload=kept.payload,
                fingerprint=submission.fingerprint,
                tags=kept.tags,
                principal=submission.principal,
                tenant=submission.tenant,
                outcome=kept.outcome,
                code=kept.code,
                reason=kept.reason,
                first=first_of(decision, place),
                last=place.last,
                correlation_id=submission.correlation_id or submission.command_id,
                causation_id=submission.causation_id or submission.command_id,
                attempts=decision.attempts,
                elapsed=decision.elapsed,
                recorded_at=_EPOCH + recorded_at * _MICROSECOND,
            )
        )
        if decision.rejection is None:
            self._accepted[submission.scope] = Earlier(submission.fingerprint, place.last)


def _holds(entry: LedgerEntry, what: Prunable) -> bool:
    if what == "contents":
        return entry.payload is not None
    return (entry.outcome == "accepted") == (what == "claims")
