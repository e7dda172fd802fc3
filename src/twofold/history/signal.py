"""A wake-up call for those who wait until something has moved."""

from __future__ import annotations

import asyncio
import contextlib


class Signal:
    """Waiters are woken all at once; whoever comes after that waits for the next call.

    Attributes:
        calls: how often there was one.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._waiters: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Wake everyone who waits now."""
        self.calls += 1
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, timeout: float | None = None) -> None:
        """Return at the next call, or after `timeout` seconds."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await waiter
        finally:
            self._waiters.discard(waiter)

    async def since(self, seen: int, timeout: float | None = None) -> int:
        """Return how often there was a call, as soon as that is not `seen`, or after `timeout` seconds."""
        if self.calls == seen:
            await self.wait(timeout)
        return self.calls
