"""Pace: long work on the event loop, in slices of time, so that commands and queries go on beside it."""

from __future__ import annotations

import asyncio
from time import perf_counter

from twofold.traffic import traffic_here

_SLICE = 0.001
_SLICE_IN_TRAFFIC = 0.0001
_TURNS = 24
_LONGEST = 0.002
_IDLE = 0.00004
_LEAST = 1 / 3


class Pace:
    """Tells when it is time to let others have the event loop.

        pace.begin()
        for each in many:
            work(each)
            if pace.is_due():
                await pace.pause()

    Asked often, it costs little; time and not count decides, because a slow `evolve` may take as long as a thousand
    quick ones. Slices are of 1 ms, and of 0.1 ms while commands and queries are on their way.
    """

    def __init__(self) -> None:
        self._until = 0.0

    def begin(self) -> None:
        """Begin a slice, after waiting for something: little work is then done without a pause."""
        self._until = perf_counter() + (_SLICE_IN_TRAFFIC if traffic_here().is_dense() else _SLICE)

    def is_due(self) -> bool:
        """Whether the slice is used up."""
        return perf_counter() > self._until

    async def pause(self) -> None:
        """Let others have the event loop, for as many turns as they have work for, within 2 ms.

        A command takes some twenty turns of the loop until its effect is read; with one turn between two slices it
        would wait for each of them. While there is traffic, a turn without work is no sign that there is none. However
        long the turns of the others are, a quarter of the time is left for this.
        """
        is_dense = traffic_here().is_dense()
        began = now = perf_counter()
        for _ in range(_TURNS):
            before = now
            await asyncio.sleep(0)
            now = perf_counter()
            if now - began > _LONGEST or (not is_dense and now - before < _IDLE):
                break
        self._until = now + max(_SLICE_IN_TRAFFIC if is_dense else _SLICE, (now - began) * _LEAST)
