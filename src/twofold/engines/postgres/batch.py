"""A batch of decisions as `history.append` takes it, and its answer as outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from twofold.history.boundary import Criterion
from twofold.history.commit import told
from twofold.history.record import Position, Submission
from twofold.history.store import Appended, Conflict, Decision, Duplicate, Outcome

T = TypeVar("T")
_encoder = msgspec.json.Encoder()
# As append.sql has it: ASCII's record separator, as between the texts of RFC 7464.
_PARTING = "\x1e"
_NOTHING = "null"


def parameters(attempt: UUID, decisions: Sequence[Decision]) -> list[Any]:
    """Return the parameters of `append.sql`, which are those of `history.append`: see its definition.

    The driver takes its time for every element of a list, and the server for reading it. So numbers and ids are given
    as the text of a list, and JSON texts as one text, parted by what no JSON holds.
    """
    sent = [decision.submission for decision in decisions]
    conditions = [decision.condition for decision in decisions]
    kept = [told(decision) for decision in decisions]
    events = [event for decision in decisions for event in decision.events]
    tags = [(number, tag) for number, event in enumerate(events, 1) for tag in event.tags]
    criteria = [
        (n, criterion) for n, condition in enumerate(conditions, 1) for criterion in condition.selection.criteria
    ]
    criterion_types, criterion_tags = sides(each for _, each in criteria)
    return [
        attempt,
        _list([each.command_id for each in sent]),
        [each.type for each in sent],
        _PARTING.encode().join([each.payload for each in sent]).decode(),
        _PARTING.join([_json(each.tags) for each in kept]),
        _unless([each.tenant for each in sent], ""),
        _unless([each.principal for each in sent], ""),
        _unless([each.outcome for each in kept], "accepted"),
        _unless([each.code for each in kept], None),
        _unless([each.reason for each in kept], None),
        _unless([each.correlation_id for each in sent], None),
        _unless([each.causation_id for each in sent], None),
        _unless([each.attempts for each in decisions], 1),
        _list([each.elapsed for each in decisions]),
        _unless([each.is_first for each in sent], True),
        _unless([each.only_key for each in sent], False),
        _list([each.after for each in conditions]),
        _list([each.seen for each in conditions]),
        _list([len(each.events) for each in decisions]),
        _list([number for number, decision in enumerate(decisions, 1) for _ in decision.events]),
        [each.type for each in events],
        _list([each.version for each in events]),
        _PARTING.encode().join([each.payload for each in events]).decode(),
        _list([each.id.hex() for each in events]),
        _PARTING.join([_json(each.tags) for each in events]),
        _list([number for number, _ in tags]),
        [tag for _, tag in tags],
        _list([number for number, _ in criteria]),
        _PARTING.join([each or _NOTHING for each in criterion_types]),
        _PARTING.join([each or _NOTHING for each in criterion_tags]),
    ]


def _list(values: Sequence[int | str | UUID]) -> str:
    """Return numbers or ids as PostgreSQL reads a list: JSON but for the brackets."""
    return f"{{{_encoder.encode(values)[1:-1].decode()}}}"


def _unless(values: list[T], usual: T) -> list[T] | None:
    """Return values, or nothing where all are as usual: the driver takes its time for every list."""
    return None if values.count(usual) == len(values) else values


def sides(criteria: Iterable[Criterion]) -> tuple[list[str | None], list[str | None]]:
    """Return the types and the tags of criteria as the functions of the history take them."""
    every = list(criteria)
    return [_json(each.types) if each.types else None for each in every], [
        _json(each.tags) if each.tags else None for each in every
    ]


def outcomes(
    decisions: Sequence[Decision], head: Position, kinds: str | None, places: Sequence[Position]
) -> list[Outcome]:
    """Return what `history.append` answered, one outcome for each decision."""
    if kinds is None:
        return _all_appended(decisions, head)
    return [_outcome_of(kind, place, decision) for kind, place, decision in zip(kinds, places, decisions, strict=True)]


def fingerprint(submission: Submission) -> bytes:
    """Return what the ledger keeps to tell whether a repeated command is the same."""
    return sha256(submission.type.encode() + b"\x00" + submission.payload).digest()


def _all_appended(decisions: Sequence[Decision], head: Position) -> list[Outcome]:
    answers: list[Outcome] = []
    for decision in decisions:
        last = head + len(decision.events)
        answers.append(Appended(min(head + 1, last), last))
        head = last
    return answers


def _outcome_of(kind: str, place: Position, decision: Decision) -> Outcome:
    match kind:
        case "a":
            return Appended(place - max(len(decision.events) - 1, 0), place)
        case "c":
            return Conflict(place)
    return Duplicate(place, kind == "d")


@lru_cache(maxsize=4096)
def _json(texts: tuple[str, ...]) -> str:
    # The same tags come with the command, its boundary and its event.
    return _encoder.encode(texts).decode()
