"""Where the history stood at a moment, by the times that events were recorded at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from twofold.history.boundary import EVERYTHING
from twofold.history.record import Position
from twofold.history.store import History

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def position_at(history: History, moment: datetime) -> Position:
    """Return the position of the last event that was recorded at a moment or before; 0 where there is none.

    Times are those of the database's clock. Where that was set back, they do not grow with positions, and there may be
    several places at which the time passes the moment; then it is one of them, the same each time.
    """
    wanted = (moment - _EPOCH) // timedelta(microseconds=1)
    head = await history.head()
    found = 0
    # Steps of powers of two from the beginning: where they lead does not depend on how long the history is by now.
    for power in range(head.bit_length() - 1, -1, -1):
        there = found + (1 << power)
        if there <= head and await _time_at(history, there) <= wanted:
            found = there
    return found


async def _time_at(history: History, position: Position) -> int:
    async for batch in history.read(EVERYTHING, after=position - 1, until=position, limit=1):
        return batch[0].recorded_at
    raise LookupError(f"the history has no event at position {position}")
