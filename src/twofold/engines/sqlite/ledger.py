"""The ledger as SQL: a page of wanted entries, newest or oldest first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from twofold.engines.sqlite.statements import statement
from twofold.history.ledger import LedgerEntry, LedgerSearch, Result
from twofold.history.record import Position

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# A text is looked for before JSON is parsed, which costs far more.
_TAG = "instr(tags, ?) > 0 AND EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)"
_COMMAND = "tenant = ? AND command_id = ?"
_POSITION = """first <= ? AND position >= ? AND iif(outcome = 'accepted', 1, NULL) = 1
AND (tenant, command_id, principal) = (SELECT tenant, command_id, principal FROM events WHERE position = ?)"""
_CORRELATION = f"(correlation_id = ? OR (correlation_id IS NULL AND {_COMMAND}))"
_CAUSATION = f"(causation_id = ? OR (causation_id IS NULL AND {_COMMAND}))"


def page(search: LedgerSearch, after: int | None, newest: bool, limit: int) -> tuple[str, list[Any]]:
    """Return the statement, with its values, that reads a page."""
    wanted = list(_wanted(search))
    if after is not None:
        wanted.append(("entry < ?" if newest else "entry > ?", [after]))
    conditions = " AND ".join(condition for condition, _ in wanted)
    text = statement("ledger").format(wanted=conditions, order="DESC" if newest else "ASC")
    return text, [*(value for _, values in wanted for value in values), limit]


def _wanted(search: LedgerSearch) -> Iterator[tuple[str, list[Any]]]:
    # Without the sign, an index that begins with the tenant would be read whole, and sorted.
    yield "+tenant = ?", [search.tenant]
    if search.types:
        yield "type IN (SELECT value FROM json_each(?))", [msgspec.json.encode(search.types).decode()]
    if search.command_id is not None:
        yield _COMMAND, [search.tenant, search.command_id.bytes]
    if search.principal is not None:
        yield "principal = ?", [search.principal]
    for tag in search.tags:
        yield _TAG, [msgspec.json.encode(tag).decode(), tag]
    if search.outcome is not None:
        yield "outcome = ?", [search.outcome]
    if search.since is not None:
        yield "recorded_at >= ?", [microseconds(search.since)]
    if search.until is not None:
        yield "recorded_at < ?", [microseconds(search.until)]
    for condition, id_ in ((_CORRELATION, search.correlation_id), (_CAUSATION, search.causation_id)):
        if id_ is not None:
            yield condition, [id_.bytes, search.tenant, id_.bytes]
    if search.position is not None:
        yield _POSITION, [search.position] * 3


def microseconds(time: datetime) -> int:
    """Return a time as the database keeps it."""
    return (time - _EPOCH) // _MICROSECOND


def entry_of(
    entry: int, command_id: bytes, type_: str, payload: str | None, fingerprint: bytes, tags: str, principal: str,
    tenant: str, outcome: Result, code: str | None, reason: str | None, first: Position, last: Position,
    correlation_id: bytes, causation_id: bytes, attempts: int, elapsed: int, recorded_at: int,
) -> LedgerEntry:  # fmt: skip
    """Return a row as an entry."""
    return LedgerEntry(
        entry=entry,
        command_id=UUID(bytes=command_id),
        type=type_,
        payload=None if payload is None else payload.encode(),
        fingerprint=fingerprint,
        tags=msgspec.json.decode(tags, type=tuple[str, ...]),
        principal=principal,
        tenant=tenant,
        outcome=outcome,
        code=code,
        reason=reason,
        first=first,
        last=last,
        correlation_id=UUID(bytes=correlation_id),
        causation_id=UUID(bytes=causation_id),
        attempts=attempts,
        elapsed=elapsed,
        recorded_at=_EPOCH + recorded_at * _MICROSECOND,
    )
