"""The ledger as `history.read_ledger` takes what is asked for, and answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from twofold.history.ledger import LedgerEntry, LedgerSearch, Result
from twofold.history.record import Position


def asked(search: LedgerSearch, after: int | None, newest: bool, limit: int) -> list[Any]:
    """Return the parameters of `history.read_ledger`: see its definition."""
    return [
        search.tenant,
        list(search.types) or None,
        search.command_id,
        search.principal,
        list(search.tags) or None,
        search.outcome,
        search.since,
        search.until,
        search.correlation_id,
        search.causation_id,
        search.position,
        after,
        newest,
        limit,
    ]


def entry_of(
    entry: int, command_id: UUID, type_: str, payload: str | None, fingerprint: bytes, tags: str, principal: str,
    tenant: str, outcome: Result, code: str | None, reason: str | None, first: Position, last: Position,
    correlation_id: UUID, causation_id: UUID, attempts: int, elapsed: int, recorded_at: datetime,
) -> LedgerEntry:  # fmt: skip
    """Return a row as an entry."""
    return LedgerEntry(
        entry=entry,
        command_id=UUID(bytes=command_id.bytes),
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
        correlation_id=UUID(bytes=correlation_id.bytes),
        causation_id=UUID(bytes=causation_id.bytes),
        attempts=attempts,
        elapsed=elapsed,
        recorded_at=recorded_at.astimezone(UTC),
    )
