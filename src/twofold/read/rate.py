"""How fast a projection is."""

from __future__ import annotations

from math import exp

LATELY = 10.0


class Rate:
    """Events a second: an average in which what is 10 seconds ago counts a third of what is now.

    Args:
        now: the time in seconds, by whatever clock.
    """

    def __init__(self, now: float) -> None:
        self._last = now
        self._rate = 0.0

    def after(self, events: int, now: float) -> float:
        """Return the rate after so many events since the last call."""
        seconds = max(now - self._last, 1e-6)
        kept = exp(-seconds / LATELY)
        self._rate = self._rate * kept + events / seconds * (1 - kept)
        self._last = now
        return self._rate
