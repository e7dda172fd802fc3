"""Is a concurrent history linearizable? The search of Wing and Gong, with Lowe's memory of states seen.

J. M. Wing, C. Gong: "Testing and verifying concurrent objects", 1993. G. Lowe: "Testing for linearizability", 2017.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

S = TypeVar("S", bound=Hashable)


class Call(msgspec.Struct, frozen=True):
    """One operation as its caller saw it.

    Args:
        started: when it was called, by a clock that all callers share.
        ended: when it returned; infinity where that is not known, as of a caller that was killed.
        what: the operation with its arguments.
        answer: what it returned.
    """

    started: float
    ended: float
    what: Any
    answer: Any


class Object(Generic[S]):
    """What the operations do when they come one after another.

    Args:
        first: the state at the beginning.
        step: takes a state and a call; returns the state after it, or None where the answer is not possible then.
    """

    def __init__(self, first: S, step: Callable[[S, Call], S | None]) -> None:
        self.first, self.step = first, step


def is_linearizable(calls: Sequence[Call], of: Object[S]) -> bool:
    """Tell whether there is one order of the calls, true to time, in which every answer is right."""
    search = _Search(sorted(calls, key=lambda call: call.started), of)
    while not search.is_complete():
        if not search.advance() and not search.retreat():
            return False
    return True


class _Search(Generic[S]):
    def __init__(self, calls: Sequence[Call], of: Object[S]) -> None:
        self._calls, self._of = calls, of
        self._state = of.first
        self._left = list(range(len(calls)))
        self._path: list[tuple[int, S]] = []
        self._taken = 0
        self._seen: set[tuple[int, S]] = set()
        self._beyond = -1

    def is_complete(self) -> bool:
        return not self._left

    def advance(self) -> bool:
        """Take the first call that may come next; none that began after another had ended may."""
        earliest_end = float("inf")
        for place, index in enumerate(self._left):
            call = self._calls[index]
            if call.started > earliest_end:
                return False
            earliest_end = min(earliest_end, call.ended)
            if index <= self._beyond:
                continue
            after = self._of.step(self._state, call)
            if after is not None and (self._taken | 1 << index, after) not in self._seen:
                self._path.append((index, self._state))
                self._taken |= 1 << index
                self._seen.add((self._taken, after))
                self._state, self._beyond = after, -1
                del self._left[place]
                return True
        return False

    def retreat(self) -> bool:
        """Take the last choice back, to try what comes after it; False where there is none."""
        if not self._path:
            return False
        index, self._state = self._path.pop()
        self._taken ^= 1 << index
        self._beyond = index
        insort(self._left, index)
        return True
