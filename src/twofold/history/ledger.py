"""The ledger: every command that was decided, who sent it, when, what came of it and why."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

from twofold.history.record import Position

Result: TypeAlias = Literal["accepted", "rejected", "failed"]
Prunable: TypeAlias = Literal["contents", "refusals", "claims"]
"""What may be removed from the ledger: payloads, tags and reasons; entries of rejected and failed commands; entries of
accepted ones, whose ids are forgotten with them."""
RESULTS: tuple[Result, ...] = ("accepted", "rejected", "failed")


class LedgerEntry(msgspec.Struct, frozen=True):
    """One decided command.

    Attributes:
        entry: its place in the ledger; later ones are greater, and none is used twice.
        payload: the command's exact JSON, None where the ledger keeps only keys. `tags` are empty then.
        fingerprint: the SHA-256 of the type's name, a zero byte, and the payload.
        outcome: a `failed` command's handler raised what it should not, or other processes won every retry.
        code: of a command that was not accepted: the handler's own, or the error's.
        reason: for people; of a handler that failed, the incident under which the log has the error.
        first: the position of its first event; `last + 1` if it has none.
        last: the position that its events reached; the head at that moment if it has none.
        correlation_id: what it belongs to; its own id unless the sender said.
        causation_id: what caused it; its own id unless the sender said.
        attempts: how often it was decided.
        elapsed: microseconds from its sending to the append, which the commit's own time follows.
        recorded_at: by the database's clock, in UTC.
    """

    entry: int
    command_id: UUID
    type: str
    payload: bytes | None
    fingerprint: bytes
    tags: tuple[str, ...]
    principal: str
    tenant: str
    outcome: Result
    code: str | None
    reason: str | None
    first: Position
    last: Position
    correlation_id: UUID
    causation_id: UUID
    attempts: int
    elapsed: int
    recorded_at: datetime


class LedgerSearch(msgspec.Struct, frozen=True):
    """Which entries are wanted: those for which everything given holds.

    Args:
        types: commands of any of these types.
        command_id: the command of this id, each time that it was decided.
        principal: sent by this principal.
        tags: whose own fields carry all of these tags.
        outcome: with this outcome.
        since: recorded at this time or later.
        until: recorded before this time.
        correlation_id: that belong to this.
        causation_id: that were caused by this command or event; a command without a cause has its own id.
        position: the command that appended the event at this position.
        tenant: of this tenant.
    """

    types: tuple[str, ...] = ()
    command_id: UUID | None = None
    principal: str | None = None
    tags: tuple[str, ...] = ()
    outcome: Result | None = None
    since: datetime | None = None
    until: datetime | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    position: Position | None = None
    tenant: str = ""

    def takes(self, entry: LedgerEntry) -> bool:
        """Tell whether an entry is wanted."""
        return (
            entry.tenant == self.tenant
            and (not self.types or entry.type in self.types)
            and self.command_id in (None, entry.command_id)
            and self.principal in (None, entry.principal)
            and all(tag in entry.tags for tag in self.tags)
            and self.outcome in (None, entry.outcome)
            and (self.since is None or self.since <= entry.recorded_at)
            and (self.until is None or entry.recorded_at < self.until)
            and self.correlation_id in (None, entry.correlation_id)
            and self.causation_id in (None, entry.causation_id)
            and (self.position is None or entry.first <= self.position <= entry.last)
        )


EVERY_ENTRY = LedgerSearch()


def emptied(entry: LedgerEntry) -> LedgerEntry:
    """Return an entry of which only the key is kept."""
    reason = entry.reason if entry.outcome == "failed" else None
    return msgspec.structs.replace(entry, payload=None, tags=(), reason=reason)
