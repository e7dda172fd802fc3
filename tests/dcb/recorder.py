"""The store of events that https://dcb.events/specification/ asks for: a thin adapter over a history."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import NamedTuple, TypeAlias
from uuid import uuid4

from twofold.history.boundary import EVERYTHING, Condition, Criterion, Selection
from twofold.history.record import Position, Proposed, Recorded, Submission
from twofold.history.store import Appended, Decision, History

Query: TypeAlias = tuple[Criterion, ...]
"""Events that any of its items takes; without items, all events."""

ALL: Query = ()


class Written(NamedTuple):
    """An event of the recorder's."""

    type: str
    data: bytes
    tags: tuple[str, ...] = ()


class ConditionFailed(Exception):
    """An event that the condition's query takes was appended after its position."""


class Recorder:
    """Reads and appends, as the specification words it, on a history."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def read(
        self, query: Query = ALL, *, after: Position = 0, limit: int | None = None
    ) -> list[tuple[Position, Written]]:
        """Return the events that a query takes, in order."""
        batches = self._history.read(_selection(query), after=after, limit=limit)
        return [_read(event) async for batch in batches for event in batch]

    async def append(self, *events: Written, unless: Query | None = None, after: Position = 0) -> Position:
        """Append all or none, and return the position of the last.

        Raises:
            ConditionFailed: `unless` takes an event that is stored behind `after`.
        """
        selection = Selection() if unless is None else _selection(unless)
        proposed = tuple(Proposed(uuid4().bytes, each.type, 1, each.tags, each.data) for each in events)
        decision = Decision(Submission(uuid4(), "Append", b"{}"), Condition(selection, after), proposed)
        [outcome] = await self._history.append([decision])
        if not isinstance(outcome, Appended):
            raise ConditionFailed(outcome)
        return outcome.last

    async def subscribe(
        self, query: Query = ALL, *, after: Position = 0
    ) -> AsyncGenerator[tuple[Position, Written], None]:
        """Yield the events that a query takes, those to come as well."""
        while True:
            # Asked before reading, so that what comes meanwhile is not waited past.
            head = await self._history.head()
            for position, event in await self.read(query, after=after):
                after = position
                yield position, event
            await self._history.changed(head)


def _selection(query: Query) -> Selection:
    return Selection(query) if query else EVERYTHING


def _read(event: Recorded) -> tuple[Position, Written]:
    return event.position, Written(event.type, event.payload, event.tags)
