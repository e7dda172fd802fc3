"""From a command to what it caused, and to what caused it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from twofold.history.boundary import EVERYTHING
from twofold.history.ledger import LedgerEntry, LedgerSearch
from twofold.history.record import Recorded
from twofold.history.store import History

_MOST = 1_000


class Causation(msgspec.Struct, frozen=True):
    """A command, the events that it appended, and the commands that it or they caused."""

    command: LedgerEntry
    events: tuple[Recorded, ...]
    caused: tuple[Causation, ...] = ()


async def causation_of(history: History, command_id: UUID) -> Causation | None:
    """Return the chain that a command is part of, from its first known cause on; None where there is no such command.

    A cause is a command's id, or an event's. The command of an event is looked for among those that are correlated with
    what it caused. At most 1,000 commands are told.

    Raises:
        StoreError: the history cannot be read.
    """
    start = await _command(history, command_id)
    if start is None:
        return None
    first = await _first_cause(history, start)
    return await _grown(history, first, {first.entry})


async def _command(history: History, command_id: UUID) -> LedgerEntry | None:
    """Return a command's accepted entry, or its newest one where it was never accepted."""
    search = LedgerSearch(command_id=command_id)
    accepted = await history.ledger(msgspec.structs.replace(search, outcome="accepted"), limit=1)
    found = accepted or await history.ledger(search, limit=1)
    return found[0] if found else None


async def _first_cause(history: History, entry: LedgerEntry) -> LedgerEntry:
    seen = {entry.entry}
    while entry.causation_id != entry.command_id:
        cause = await _command(history, entry.causation_id) or await _author(history, entry)
        if cause is None or cause.entry in seen:
            break
        seen.add(cause.entry)
        entry = cause
    return entry


async def _author(history: History, caused: LedgerEntry) -> LedgerEntry | None:
    """Return the correlated command one of whose events is the cause of another."""
    search = LedgerSearch(correlation_id=caused.correlation_id, outcome="accepted")
    for entry in await history.ledger(search, newest=False, limit=_MOST):
        if any(event.id == caused.causation_id for event in await _events(history, entry)):
            return entry
    return None


async def _events(history: History, entry: LedgerEntry) -> tuple[Recorded, ...]:
    if entry.first > entry.last:
        return ()
    batches = history.read(EVERYTHING, after=entry.first - 1, until=entry.last)
    return tuple([event async for batch in batches for event in batch])


async def _grown(history: History, entry: LedgerEntry, seen: set[int]) -> Causation:
    events = await _events(history, entry)
    caused: list[Causation] = []
    for cause in (entry.command_id, *(event.id for event in events)) if entry.outcome == "accepted" else ():
        for each in await _caused_by(history, cause):
            if each.entry not in seen and each.command_id != entry.command_id and len(seen) < _MOST:
                seen.add(each.entry)
                caused.append(await _grown(history, each, seen))
    return Causation(entry, events, tuple(caused))


async def _caused_by(history: History, cause: UUID) -> Sequence[LedgerEntry]:
    return await history.ledger(LedgerSearch(causation_id=cause), newest=False, limit=_MOST)
