"""Traffic: the commands and queries that are on their way on an event loop, which long work there gives way to."""

from __future__ import annotations

import asyncio
from time import perf_counter
from types import TracebackType
from weakref import WeakKeyDictionary

_AFTERWARDS = 0.05


class Traffic:
    """Counts who is on the way; to be entered for as long as a command or a query takes.

    with traffic:
        await answer()
    """

    def __init__(self) -> None:
        self._count = 0
        self._last = 0.0

    def __enter__(self) -> None:
        self._count += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._count -= 1
        self._last = perf_counter()

    def is_dense(self) -> bool:
        """Whether somebody is on the way, or was within the last 50 ms, so that the next one may be near."""
        return self._count > 0 or perf_counter() < self._last + _AFTERWARDS


_everywhere: WeakKeyDictionary[asyncio.AbstractEventLoop, Traffic] = WeakKeyDictionary()


def traffic_here() -> Traffic:
    """Return the traffic of the running event loop: nodes that share a loop are in one another's way."""
    loop = asyncio.get_running_loop()
    try:
        return _everywhere[loop]
    except KeyError:
        return _everywhere.setdefault(loop, Traffic())
