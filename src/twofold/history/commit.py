"""How a batch of decisions is answered, one after another, inside one transaction.

Engines that decide in Python share this; it asks them two questions and tells them what to insert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from twofold.history.boundary import Selection
from twofold.history.ledger import Result
from twofold.history.record import Position, Submission
from twofold.history.store import Appended, Conflict, Decision, Duplicate, Outcome


class Earlier(msgspec.Struct, frozen=True, gc=False):
    """An accepted command that is in the ledger: its fingerprint, and what position it reached."""

    fingerprint: bytes
    position: Position


def settle(
    decisions: Sequence[Decision],
    head: Position,
    earlier: Callable[[Decision], Earlier | None],
    moved: Callable[[Selection, Position], bool],
) -> list[Outcome]:
    """Answer each decision, allocating dense positions from the head (H1, H3, H4, H5).

    Args:
        decisions: the batch, in the order of their positions.
        head: the last position before the batch.
        earlier: looks up a decision's command, if it was accepted, in the ledger as it was before the batch.
        moved: tells whether the history before the batch holds a selected event after a position.
    """
    outcomes: list[Outcome] = []
    accepted: dict[tuple[str, str, int], tuple[Submission, Position]] = {}
    failed: list[int] = []
    reached = head
    for index, decision in enumerate(decisions):
        submission = decision.submission
        before = key = None
        if not submission.is_first:
            key = submission.key
            first = accepted.get(key)
            before = earlier(decision) if first is None else Earlier(first[0].fingerprint, first[1])
        if before is not None:
            outcomes.append(Duplicate(before.position, before.fingerprint == submission.fingerprint))
            failed.append(index)
            continue
        condition = decision.condition
        as_seen = condition.after >= head and condition.seen == index and not failed
        if not as_seen and _rests_on_nothing(decision, index, decisions, outcomes, failed, head, moved):
            outcomes.append(Conflict(reached))
            failed.append(index)
            continue
        begin = reached + 1 if decision.events else reached
        reached += len(decision.events)
        outcomes.append(Appended(begin, reached))
        if decision.rejection is None and key is not None:
            accepted[key] = (submission, reached)
    return outcomes


def _rests_on_nothing(
    decision: Decision,
    index: int,
    decisions: Sequence[Decision],
    outcomes: Sequence[Outcome],
    failed: Sequence[int],
    head: Position,
    moved: Callable[[Selection, Position], bool],
) -> bool:
    condition = decision.condition
    if head > condition.after and moved(condition.selection, condition.after):
        return True
    if condition.seen == index and not failed:
        return False
    unseen = (n for n in range(condition.seen, index) if isinstance(outcomes[n], Appended))
    unmade = (n for n in failed if n < condition.seen)
    return any(_touches(condition.selection, decisions[n]) for them in (unseen, unmade) for n in them)


def _touches(selection: Selection, decision: Decision) -> bool:
    return any(selection.takes(event.type, event.tags) for event in decision.events)


def stored(decisions: Sequence[Decision], outcomes: Sequence[Outcome]) -> Iterator[tuple[Decision, Appended]]:
    """Yield the decisions that stand, with their positions: what an engine inserts."""
    for decision, outcome in zip(decisions, outcomes, strict=True):
        if isinstance(outcome, Appended):
            yield decision, outcome


class Told(msgspec.Struct, frozen=True, gc=False):
    """What the ledger keeps of a decision besides its keys."""

    outcome: Result
    payload: bytes | None
    tags: tuple[str, ...]
    code: str | None
    reason: str | None


def told(decision: Decision) -> Told:
    """Return what the ledger keeps of a decision, which is less where it keeps only keys."""
    sent, rejection = decision.submission, decision.rejection
    payload, tags = (None, ()) if sent.only_key else (sent.payload, sent.tags)
    if rejection is None:
        return Told("accepted", payload, tags, None, None)
    if rejection.failed:
        # Its reason is an incident, which tells nothing of the command.
        return Told("failed", payload, tags, rejection.code, rejection.reason or None)
    return Told("rejected", payload, tags, rejection.code, None if sent.only_key else rejection.reason)


def first_of(decision: Decision, place: Appended) -> Position:
    """Return the position of a decision's first event, or the one after its last where it has none."""
    return place.last - len(decision.events) + 1
