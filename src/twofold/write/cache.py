"""Folded write models, kept so that the next command folds only what is new.

All entries stand at one position of the history, plus the events of decisions that are not durable yet, in their
order. Entries that rest on what did not happen are dropped: dropping is always right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from operator import is_
from typing import Any

import msgspec

from twofold.history.boundary import Mark, marks_of
from twofold.history.record import Position
from twofold.message import Event, Metadata
from twofold.model import WriteModel, fold_of
from twofold.write.bounded import Bounded
from twofold.write.handler import Boundary
from twofold.write.size import size_of

CACHE_MODELS = 10_000
CACHE_BYTES = 64 * 2**20
_OVERHEAD = 1_000
_LONG = 200
_GROWING = frozenset((list, dict, set))


class Entry:
    """One write model in the cache.

    Attributes:
        boundary: what it is folded from.
        criterion: the same, as the history selects it.
        place: the marks under which the cache has it.
        model: the folded state.
        position: while it is not in the cache, or is behind: the position up to which it is folded.
        behind: True where events must be read before it may be used. Models that take metadata are, as soon as
            an event that is not durable yet belongs to them: that event has no position and no time.
        revision: counts the events folded.
        due: at this revision the boundary counts as long, and a snapshot of the model is to be taken.
    """

    __slots__ = (
        "behind", "boundary", "criterion", "due", "model", "place", "position", "revision", "takes_metadata",
        "unmeasured",
    )  # fmt: skip

    def __init__(self, boundary: Boundary) -> None:
        self.boundary = boundary
        self.criterion = boundary.criterion
        self.place: tuple[Mark, ...] = ()
        self.model: WriteModel = boundary.model()
        self.position: Position = 0
        self.behind = True
        self.revision = 0
        self.unmeasured = 0
        self.due = _LONG
        self.takes_metadata = fold_of(boundary.model).takes_metadata

    def fold(self, event: Event, metadata: Metadata | None = None) -> None:
        """Evolve the model with one event."""
        self.revision += 1
        self.unmeasured += 1
        evolve = self.model.evolve  # type: ignore[attr-defined]
        if self.takes_metadata:
            evolve(event, metadata)
        else:
            evolve(event)

    def measure(self) -> int:
        """Estimate how many bytes the entry takes."""
        self.unmeasured = 0
        return _OVERHEAD + size_of(self.model)


class State:
    """A model's fields as they are now, to tell later whether anything but `evolve` changed them.

    Told by identity, and by size for what grows in place: cheap enough for every command. What is changed deep inside
    is not seen.
    """

    __slots__ = ("_fields", "_model", "_sizes")

    def __init__(self, model: WriteModel) -> None:
        self._model = model
        self._fields = msgspec.structs.astuple(model)
        self._sizes = [] if _GROWING.isdisjoint(map(type, self._fields)) else _sizes_of(self._fields)

    def has_changed(self) -> bool:
        """Tell whether the model is not as it was."""
        fields = msgspec.structs.astuple(self._model)
        return not all(map(is_, fields, self._fields)) or bool(self._sizes and _sizes_of(fields) != self._sizes)


def _sizes_of(fields: tuple[Any, ...]) -> list[int]:
    return [len(field) for field in fields if type(field) in _GROWING]


class Cache:
    """Entries by boundary, the least recently used evicted first.

    Args:
        models: how many entries at most.
        size: how many bytes at most, by estimate.

    Attributes:
        hits: how often a command found a model ready.
        misses: how often one had to be read from the history, whole or in part.
        evictions: how many entries had to go, for others.
    """

    def __init__(self, models: int = CACHE_MODELS, size: int = CACHE_BYTES) -> None:
        self.kept: Bounded[Boundary, Entry] = Bounded(models, size)
        self.hits = self.misses = self.evictions = 0
        self._by_mark: defaultdict[Mark, dict[Entry, None]] = defaultdict(dict)

    def __len__(self) -> int:
        return len(self.kept)

    @property
    def entries(self) -> Collection[Entry]:
        """All entries, the least recently used first."""
        return self.kept.values

    def get(self, boundary: Boundary) -> Entry | None:
        """Return the entry of a boundary, and remember that it was used."""
        return self.kept.get(boundary)

    def put(self, entry: Entry) -> None:
        """Keep an entry that stands where all others stand."""
        if self.kept.peek(entry.boundary) is not entry:
            # An event looks under all its tags, so one of several is enough: the one that fewest others are under.
            entry.place = min(entry.criterion.places, key=self._crowd)
            for mark in entry.place:
                self._by_mark[mark][entry] = None
        self._weigh(entry)

    def fold(self, entry: Entry, event: Event, metadata: Metadata | None = None) -> None:
        """Evolve a model that is kept, and measure it again whenever its size may be another by a quarter."""
        entry.fold(event, metadata)
        if 4 * entry.unmeasured >= entry.revision and self.kept.peek(entry.boundary) is entry:
            self._weigh(entry)

    def hold(self, boundaries: Sequence[Boundary]) -> None:
        """Do not evict these, from now on or once they are put; the limits may be exceeded by them."""
        self.kept.hold(boundaries)

    def release(self, boundaries: Sequence[Boundary]) -> None:
        """Undo one `hold`."""
        self.kept.release(boundaries)

    def touched(self, type_: str, tags: tuple[str, ...]) -> list[Entry]:
        """Return the entries that an event of this type with these tags belongs to."""
        return [
            entry
            for mark in marks_of(type_, tags)
            for entry in self._by_mark.get(mark, ())
            if len(entry.criterion.tags) < 2 or entry.criterion.takes(type_, tags)
        ]

    def drop(self, entry: Entry) -> None:
        """Forget an entry. May be called twice."""
        if self.kept.peek(entry.boundary) is entry:
            self.kept.remove(entry.boundary)
            self._unfile(entry)

    def clear(self) -> None:
        """Forget everything."""
        self.kept.clear()
        self._by_mark.clear()

    def _weigh(self, entry: Entry) -> None:
        for evicted in self.kept.put(entry.boundary, entry, entry.measure()):
            self.evictions += 1
            self._unfile(evicted)

    def _unfile(self, entry: Entry) -> None:
        for mark in entry.place:
            among = self._by_mark[mark]
            del among[entry]
            if not among:
                del self._by_mark[mark]

    def _crowd(self, place: Iterable[Mark]) -> int:
        return sum(len(self._by_mark.get(mark, ())) for mark in place)
