"""Beginnings: the first events of boundaries that nobody has read yet, of many boundaries in one read."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter

import msgspec

from twofold.history.boundary import Criterion, Mark, Selection, marks_of
from twofold.history.record import Position, Recorded
from twofold.history.store import History

_TOGETHER = 100
_MOST = 2000


class Beginning(msgspec.Struct, frozen=True):
    """The first events of a boundary, and up to which position that is all of them."""

    events: Sequence[Recorded]
    position: Position


class Wanted(msgspec.Struct, frozen=True, eq=False):
    """A boundary that somebody waits for."""

    criterion: Criterion
    limit: int
    beginning: asyncio.Future[Beginning]


class Beginnings:
    """Reads the beginning of each boundary that is wanted.

    Alone it is read at once. Whoever comes while something is being read waits for that, and all who wait are then read
    together: on a server, one read of a hundred boundaries takes little longer than one of one.

    Args:
        history: the events.
        position: returns the position up to which to read.
    """

    def __init__(self, history: History, position: Callable[[], Position]) -> None:
        self._history = history
        self._position = position
        self._is_reading = False
        self._waiting: list[Wanted] = []
        # Fewer where they are long.
        self._together_now = _TOGETHER
        self._task: asyncio.Task[None] | None = None

    async def read(self, criterion: Criterion, limit: int) -> Beginning:
        """Return the beginning of a boundary, so many events at most; its criterion names types.

        Raises:
            StoreError: the history cannot be read.
        """
        if self._is_reading:
            wanted = Wanted(criterion, limit, asyncio.get_running_loop().create_future())
            self._waiting.append(wanted)
            return await wanted.beginning
        self._is_reading = True
        try:
            return await self._alone(criterion, limit)
        finally:
            self._go_on()

    def _go_on(self) -> None:
        together, self._waiting = self._waiting[: self._together_now], self._waiting[self._together_now :]
        self._is_reading = bool(together)
        if together:
            self._task = asyncio.create_task(self._answer(together), name="twofold-read-beginnings")

    async def _answer(self, together: Sequence[Wanted]) -> None:
        try:
            await self._read([wanted for wanted in together if not wanted.beginning.done()])
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            for wanted in together:
                if not wanted.beginning.done():
                    wanted.beginning.set_exception(error)
        finally:
            for wanted in together:
                # Only where this was cancelled.
                wanted.beginning.cancel()
            self._go_on()

    async def _read(self, together: Sequence[Wanted]) -> None:
        if len(together) < 2:
            for wanted in together:
                _tell(wanted, await self._alone(wanted.criterion, wanted.limit))
            self._together_now = max(self._together_now, 2)
            return
        until = self._position()
        events = await self._first(tuple(dict.fromkeys(wanted.criterion for wanted in together)), until, _MOST)
        if len(events) == _MOST:
            # How far each has been read is not known.
            self._together_now = half = (len(together) + 1) // 2
            for part in (together[:half], together[half:]):
                await self._read(part)
            return
        if len(together) == self._together_now:
            self._together_now = min(self._together_now + self._together_now // 4 + 1, _TOGETHER)
        filed: defaultdict[Mark, list[Recorded]] = defaultdict(list)
        for recorded in events:
            for mark in marks_of(recorded.type, recorded.tags):
                filed[mark].append(recorded)
        for wanted in together:
            _tell(wanted, _begun(_own(wanted.criterion, filed), until, wanted.limit))

    async def _alone(self, criterion: Criterion, limit: int) -> Beginning:
        until = self._position()
        return _begun(await self._first((criterion,), until, limit), until, limit)

    async def _first(self, criteria: tuple[Criterion, ...], until: Position, limit: int) -> list[Recorded]:
        if not until:
            return []
        batches = self._history.read(Selection(criteria), until=until, limit=limit)
        return [recorded async for batch in batches for recorded in batch]


def _begun(events: Sequence[Recorded], until: Position, limit: int) -> Beginning:
    if len(events) < limit:
        return Beginning(events, until)
    return Beginning(events[:limit], events[limit - 1].position)


def _own(criterion: Criterion, filed: Mapping[Mark, Sequence[Recorded]]) -> list[Recorded]:
    """Return the events of a criterion in their order."""
    found = [recorded for mark in criterion.places[0] for recorded in filed.get(mark, ())]
    if len(criterion.tags) > 1:
        found = [recorded for recorded in found if criterion.takes(recorded.type, recorded.tags)]
    return sorted(found, key=attrgetter("position"))


def _tell(wanted: Wanted, beginning: Beginning) -> None:
    if not wanted.beginning.done():
        wanted.beginning.set_result(beginning)
