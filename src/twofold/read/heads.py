"""How far the history had come a while ago: what `max_lag` is measured by."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Awaitable, Callable

from twofold.history.record import Position

_KEPT = 64


class Heads:
    """Remembers when this process has looked where the history ends, and what it saw.

    Args:
        look: returns the position at which the history ends.
    """

    def __init__(self, look: Callable[[], Awaitable[Position]]) -> None:
        self._look = look
        self._seen: deque[tuple[float, Position]] = deque(maxlen=_KEPT)
        self._looking = asyncio.Lock()

    async def within(self, seconds: float) -> Position:
        """Return a position at or behind that of every event that is older than so many seconds.

        It is where the history ended at some moment within these seconds, by this process's own clock: the earliest
        such moment that is remembered, or else now.

        Raises:
            StoreError: the history cannot be read.
        """
        time = asyncio.get_running_loop().time
        since = time() - seconds
        known = self._known(since)
        if known is not None:
            return known
        # One look serves all who came before it began.
        async with self._looking:
            known = self._known(since)
            if known is None:
                moment = time()
                known = await self._look()
                self._seen.append((moment, known))
            return known

    def _known(self, since: float) -> Position | None:
        place = bisect_right(self._seen, since, key=lambda seen: seen[0])
        return self._seen[place][1] if place < len(self._seen) else None
