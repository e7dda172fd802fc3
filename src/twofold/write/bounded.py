"""What may be kept in memory: so many values of so many bytes, the least recently used given up first."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_TRIES = 8


class Bounded(Generic[K, V]):
    """Values by key.

    Args:
        count: how many values at most.
        size: how many bytes at most, by the sizes that `put` is told.

    Attributes:
        bytes: the sum of the sizes.
    """

    def __init__(self, count: int, size: int) -> None:
        self.count = count
        self.size = size
        self.bytes = 0
        self._values: OrderedDict[K, V] = OrderedDict()
        self._sizes: dict[K, int] = {}
        self._held: Counter[K] = Counter()

    def __len__(self) -> int:
        return len(self._values)

    @property
    def values(self) -> Collection[V]:
        """What is kept, the least recently used first."""
        return self._values.values()

    def peek(self, key: K) -> V | None:
        """Return a value, without remembering that it was used."""
        return self._values.get(key)

    def get(self, key: K) -> V | None:
        """Return a value, and remember that it was used."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V, size: int) -> list[V]:
        """Keep a value, or tell the size that it has now; return what had to be given up, perhaps the value itself."""
        self._values[key] = value
        self.bytes += size - self._sizes.get(key, 0)
        self._sizes[key] = size
        given_up: list[V] = []
        tries = _TRIES
        while tries and self._values and (len(self._values) > self.count or self.bytes > self.size):
            oldest = next(iter(self._values))
            if oldest in self._held:
                self._values.move_to_end(oldest)
                tries -= 1
            else:
                given_up.append(self._values[oldest])
                self.remove(oldest)
        return given_up

    def remove(self, key: K) -> None:
        """Forget a value, if it is there."""
        if self._values.pop(key, None) is not None:
            self.bytes -= self._sizes.pop(key)

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
        self._sizes.clear()
        self.bytes = 0

    def hold(self, keys: Iterable[K]) -> None:
        """Do not give these up, from now on or once they are put; the limits may be exceeded by them."""
        self._held.update(keys)

    def release(self, keys: Collection[K]) -> None:
        """Undo one `hold`."""
        self._held.subtract(keys)
        for key in keys:
            if not self._held[key]:
                del self._held[key]
