"""Pace: long work on the event loop, in slices of time, so that commands and queries go on beside it."""

from __future__ import annotations

import asyncio
from time import perf_counter

_SLICE = 0.001
_TURNS = 10
_IDLE = 0.00004


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
        """Whether 1 ms has passed since the last pause."""
        return perf_counter() > self._until

    async def pause(self) -> None:
        """Let others have the event loop, for as many turns as they have work for, up to ten.

        A command takes several turns of the loop; with one turn between two slices it would wait for each of them.
        """
        now = perf_counter()
        for _ in range(_TURNS):
            before = now
            await asyncio.sleep(0)
            now = perf_counter()
            if now - before < _IDLE:
                break
        self._until = now + _SLICE
