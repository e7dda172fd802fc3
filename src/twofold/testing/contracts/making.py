"""Words for the suites: decisions, selections, and reading all of a selection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec

from twofold.history.boundary import EVERYTHING, Condition, Criterion, Selection
from twofold.history.ledger import LedgerEntry
from twofold.history.record import Position, Proposed, Recorded, Submission
from twofold.history.store import Appended, Decision, History, Outcome, Rejection

NOTHING = Selection()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REJECTED = Rejection("refused", "it was refused")
FAILED = Rejection("handler_failed", "0199d3c2-7d5e-7000-8000-000000000001", failed=True)


def event(type_: str = "Happened", *tags: str, payload: bytes = b"{}") -> Proposed:
    """Return an event to be appended."""
    return Proposed(uuid4().bytes, type_, 1, tags, payload)


def one(*tags: str, types: Iterable[str] = ()) -> Criterion:
    """Return the criterion that takes events with all of these tags, of any of these types."""
    return Criterion(tuple(types), tags)


def on(*criteria: Criterion | str, types: Iterable[str] = ()) -> Selection:
    """Return a selection; a text stands for the criterion of that tag, `types` for one of those types."""
    found = [one(each) if isinstance(each, str) else each for each in criteria]
    return Selection((*found, Criterion(tuple(types)))) if types else Selection(tuple(found))


def command(
    command_id: UUID | None = None,
    *,
    type_: str = "Do",
    payload: bytes = b"{}",
    principal: str = "",
    tenant: str = "",
    tags: tuple[str, ...] = (),
    correlation_id: UUID | None = None,
    causation_id: UUID | None = None,
    only_key: bool = False,
) -> Submission:
    """Return a command as the ledger keeps it, under a new id if none is given."""
    return Submission(
        command_id or uuid4(),
        type_,
        payload,
        principal,
        tenant,
        correlation_id,
        causation_id,
        tags=tags,
        only_key=only_key,
    )


def decided(
    *events: Proposed,
    on: Selection = NOTHING,
    after: Position = 0,
    seen: int = 0,
    by: Submission | None = None,
    rejection: Rejection | None = None,
    attempts: int = 1,
    elapsed: int = 0,
) -> Decision:
    """Return a decision that rests on a selection folded up to a position."""
    return Decision(by or command(), Condition(on, after, seen), events, rejection, attempts, elapsed)


async def append(history: History, *decisions: Decision) -> Sequence[Outcome]:
    """Append decisions in one batch, and return an outcome for each."""
    outcomes = await history.append(decisions)
    assert len(outcomes) == len(decisions), "expected one outcome for each decision"
    return outcomes


async def append_one(history: History, decision: Decision) -> Outcome:
    """Append one decision alone."""
    return (await append(history, decision))[0]


async def fill(history: History, *events: Proposed) -> None:
    """Append events, each decided by a command of its own, in one batch."""
    outcomes = await append(history, *[decided(each) for each in events])
    assert all(isinstance(outcome, Appended) for outcome in outcomes)


async def read(
    history: History,
    selection: Selection = EVERYTHING,
    *,
    after: Position = 0,
    until: Position | None = None,
    limit: int | None = None,
) -> list[Recorded]:
    """Return all events that a reading yields, having checked that no batch is empty."""
    found: list[Recorded] = []
    async for batch in history.read(selection, after=after, until=until, limit=limit):
        assert batch, "a batch must not be empty"
        found.extend(batch)
    return found


async def positions(
    history: History,
    selection: Selection = EVERYTHING,
    *,
    after: Position = 0,
    until: Position | None = None,
    limit: int | None = None,
) -> list[Position]:
    """Return the positions of all events that a reading yields."""
    return [each.position for each in await read(history, selection, after=after, until=until, limit=limit)]


def apart_from_time(recorded: Recorded) -> Recorded:
    """Return a record without its time, to be compared with another engine's."""
    return msgspec.structs.replace(recorded, recorded_at=0)


def timeless(entries: Iterable[LedgerEntry]) -> list[LedgerEntry]:
    """Return entries of the ledger without their times, to be compared with another engine's."""
    return [msgspec.structs.replace(entry, recorded_at=EPOCH) for entry in entries]
