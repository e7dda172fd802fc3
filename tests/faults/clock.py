"""The time of an event loop, which can be put forward: a deadline passes when a test wants it to, and not before."""

from __future__ import annotations

import asyncio


class Clock:
    """Takes the place of the running event loop's clock, until that loop ends."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._before = loop.time
        self._ahead = 0.0
        loop.time = self._time  # type: ignore[method-assign]

    def forward(self, seconds: float) -> None:
        """Let so much time pass at once, for all that waits on the loop."""
        self._ahead += seconds

    def _time(self) -> float:
        return self._before() + self._ahead
