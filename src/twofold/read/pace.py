"""Pace: long work on the event loop, in slices of time, so that commands and queries go on beside it."""

from __future__ import annotations

import asyncio
from time import perf_counter

_SLICE = 0.002


class Pace:
    """Tells when it is time to let others have the event loop.

        for each in many:
            work(each)
            if pace.is_due():
                await pace.pause()

    Asked often, it costs little; time and not count decides, because a slow `evolve` may take as long as a thousand
    quick ones.
    """

    def __init__(self) -> None:
        self._until = 0.0

    def is_due(self) -> bool:
        """Whether 2 ms have passed since the last pause."""
        return perf_counter() > self._until

    async def pause(self) -> None:
        """Let others have the event loop."""
        await asyncio.sleep(0)
        self._until = perf_counter() + _SLICE
