"""How many commands are on their way at once, and whether more may come."""

from __future__ import annotations

from types import TracebackType

from twofold.errors import NodeClosed, Overloaded
from twofold.history.signal import Signal


class Admission:
    """The way in: `with admission:` surrounds a command from its arrival to its answer.

    Whatever a command waits for meanwhile (its models, an async handler, the commit) it counts: memory and delay are
    bounded however many come.

    Args:
        limit: how many commands may be inside at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._inside = 0
        self._left = Signal()
        self.is_closed = False

    def __enter__(self) -> None:
        """Let a command in.

        Raises:
            NodeClosed: no more are taken.
            Overloaded: as many as may be are inside.
        """
        if self.is_closed:
            raise NodeClosed()
        if self._inside >= self._limit:
            raise Overloaded(waiting=self._inside, limit=self._limit)
        self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inside -= 1
        if self.is_closed:
            self._left.notify()

    def close(self) -> None:
        """Let no more in."""
        self.is_closed = True

    async def emptied(self) -> None:
        """Return when nobody is inside any more."""
        while self._inside:
            await self._left.wait()
