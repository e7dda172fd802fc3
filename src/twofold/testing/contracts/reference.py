"""What a history has to answer, spelled out as plainly as can be: a list of events, and loops over all of it.

The suites compare engines with it. It shares no code with the engines, so that one mistake cannot hide another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from twofold.history.boundary import Selection
from twofold.history.ledger import LedgerEntry, LedgerSearch, Prunable, Result
from twofold.history.record import Position, Proposed, Recorded, Submission
from twofold.history.store import Appended, Conflict, Decision, Duplicate, Outcome


class Accepted(msgspec.Struct, frozen=True):
    """A command that claimed its id."""

    type: str
    payload: bytes
    position: Position


class Reference:
    """A history without storage; events carry no time."""

    def __init__(self) -> None:
        self.events: list[Recorded] = []
        self.accepted: dict[tuple[str, str, UUID], Accepted] = {}
        self.entries: list[LedgerEntry] = []

    def append(self, decisions: Sequence[Decision]) -> list[Outcome]:
        """Answer each decision in order, having stored those before it that stand."""
        before = len(self.events)
        outcomes: list[Outcome] = []
        for decision in decisions:
            outcome = self.answer(decision, decisions, outcomes, before)
            outcomes.append(outcome)
            if isinstance(outcome, Appended):
                self.store(decision)
        return outcomes

    def answer(
        self, decision: Decision, decisions: Sequence[Decision], outcomes: Sequence[Outcome], before: Position, /
    ) -> Outcome:
        """Answer one decision; `before` is the head before the batch."""
        known = self.earlier(decision.submission)
        if known is not None:
            same = (known.type, known.payload) == (decision.submission.type, decision.submission.payload)
            return Duplicate(known.position, same)
        head = len(self.events)
        boundary = decision.condition.selection
        if (
            self.moved(boundary, decision.condition.after, before)
            or self.unseen(decision, decisions, outcomes)
            or self.unmade(decision, decisions, outcomes)
        ):
            return Conflict(head)
        return Appended(head + 1 if decision.events else head, head + len(decision.events))

    def earlier(self, submission: Submission) -> Accepted | None:
        """Return the accepted command of the same id."""
        return self.accepted.get((submission.tenant, submission.principal, submission.command_id))

    def moved(self, boundary: Selection, after: Position, before: Position, /) -> bool:
        """Tell whether the history before the batch holds a selected event after a position."""
        return any(selects(boundary, event.type, event.tags) for event in self.events[after:before])

    def unseen(self, decision: Decision, decisions: Sequence[Decision], outcomes: Sequence[Outcome], /) -> bool:
        """Tell whether a decision before it in the batch, which it had not seen, made a selected event."""
        return any(
            isinstance(outcome, Appended) and place >= decision.condition.seen and self.rests_on(decision, earlier)
            for place, (earlier, outcome) in enumerate(zip(decisions, outcomes, strict=False))
        )

    def unmade(self, decision: Decision, decisions: Sequence[Decision], outcomes: Sequence[Outcome], /) -> bool:
        """Tell whether a decision before it in the batch, which it had seen, failed to make a selected event."""
        return any(
            not isinstance(outcome, Appended) and place < decision.condition.seen and self.rests_on(decision, earlier)
            for place, (earlier, outcome) in enumerate(zip(decisions, outcomes, strict=False))
        )

    def rests_on(self, decision: Decision, earlier: Decision) -> bool:
        """Tell whether a decision's boundary selects an event of an earlier decision."""
        return any(selects(decision.condition.selection, event.type, event.tags) for event in earlier.events)

    def store(self, decision: Decision) -> None:
        """Append the events of a decision that stands; its command claims its id unless it was rejected."""
        self.enter(decision)
        for proposed in decision.events:
            self.events.append(recorded(proposed, len(self.events) + 1, decision.submission))
        if decision.rejection is None:
            sent = decision.submission
            claimed = Accepted(sent.type, sent.payload, len(self.events))
            self.accepted[sent.tenant, sent.principal, sent.command_id] = claimed

    def enter(self, decision: Decision) -> None:
        """Write a decision into the ledger."""
        sent, rejection, before = decision.submission, decision.rejection, len(self.events)
        outcome: Result = "accepted" if rejection is None else "failed" if rejection.failed else "rejected"
        self.entries.append(
            LedgerEntry(
                entry=self.entries[-1].entry + 1 if self.entries else 1,
                command_id=sent.command_id,
                type=sent.type,
                payload=None if sent.only_key else sent.payload,
                fingerprint=hashlib.sha256(sent.type.encode() + b"\0" + sent.payload).digest(),
                tags=() if sent.only_key else sent.tags,
                principal=sent.principal,
                tenant=sent.tenant,
                outcome=outcome,
                code=None if rejection is None else rejection.code,
                reason=None if rejection is None or (sent.only_key and not rejection.failed) else rejection.reason,
                first=before + 1,
                last=before + len(decision.events),
                correlation_id=sent.correlation_id or sent.command_id,
                causation_id=sent.causation_id or sent.command_id,
                attempts=decision.attempts,
                elapsed=decision.elapsed,
                recorded_at=datetime.now(UTC),
            )
        )

    def ledger(self, search: LedgerSearch, after: int | None, newest: bool, limit: int) -> list[LedgerEntry]:
        """Return a page of the ledger."""
        found: list[LedgerEntry] = []
        for entry in sorted(self.entries, key=lambda each: each.entry, reverse=newest):
            beyond = after is None or (entry.entry < after if newest else entry.entry > after)
            if beyond and is_wanted(search, entry) and len(found) < limit:
                found.append(entry)
        return found

    def prune(self, what: Prunable, before: datetime, after: int, limit: int) -> int | None:
        """Remove something of the ledger, from one entry after another."""
        last: int | None = None
        for entry in [each for each in self.entries if each.entry > after and has(each, what)]:
            if entry.recorded_at >= before or limit == 0 or (what != "contents" and entry is self.entries[-1]):
                break
            self.remove(entry, what)
            last, limit = entry.entry, limit - 1
        return last

    def remove(self, entry: LedgerEntry, what: Prunable) -> None:
        """Remove an entry's contents, or the entry and with it the claim."""
        place = self.entries.index(entry)
        if what == "contents":
            reason = entry.reason if entry.outcome == "failed" else None
            self.entries[place] = msgspec.structs.replace(entry, payload=None, tags=(), reason=reason)
        else:
            del self.entries[place]
            if what == "claims":
                del self.accepted[entry.tenant, entry.principal, entry.command_id]

    def read(self, selection: Selection, after: Position, until: Position | None, limit: int | None) -> list[Recorded]:
        """Return the selected events with `after < position <= until`, `limit` at most."""
        end = len(self.events) if until is None else until
        found = [each for each in self.events[after:end] if selects(selection, each.type, each.tags)]
        return found if limit is None else found[:limit]


def selects(selection: Selection, type_: str, tags: Collection[str]) -> bool:
    """Tell whether any criterion has the type among its types, or none, and all of its tags among these."""
    for criterion in selection.criteria:
        has_type = len(criterion.types) == 0 or type_ in criterion.types
        if has_type and set(criterion.tags).issubset(tags):
            return True
    return False


def has(entry: LedgerEntry, what: Prunable) -> bool:
    """Tell whether there is something to be removed from an entry."""
    if what == "contents":
        return entry.payload is not None
    return (entry.outcome == "accepted") is (what == "claims")


def is_wanted(search: LedgerSearch, entry: LedgerEntry) -> bool:
    """Tell whether all that is asked for holds of an entry."""
    asked = (
        ("command_id", search.command_id),
        ("principal", search.principal),
        ("outcome", search.outcome),
        ("correlation_id", search.correlation_id),
        ("causation_id", search.causation_id),
        ("tenant", search.tenant),
    )
    if any(value is not None and getattr(entry, name) != value for name, value in asked):
        return False
    if (search.types and entry.type not in search.types) or not set(search.tags).issubset(entry.tags):
        return False
    if search.since is not None and entry.recorded_at < search.since:
        return False
    if search.until is not None and entry.recorded_at >= search.until:
        return False
    return search.position is None or search.position in range(entry.first, entry.last + 1)


def recorded(proposed: Proposed, position: Position, sent: Submission) -> Recorded:
    """Return an event as it must come back, without its time."""
    return Recorded(
        position=position,
        type=proposed.type,
        version=proposed.version,
        payload=proposed.payload,
        event_id=proposed.id,
        tag_text=msgspec.json.encode(proposed.tags).decode(),
        command_id=sent.command_id.bytes,
        correlation_id=(sent.correlation_id or sent.command_id).bytes,
        causation_id=(sent.causation_id or sent.command_id).bytes,
        principal=sent.principal,
        tenant=sent.tenant,
        recorded_at=0,
    )
