"""Folded write models, kept so that the next command folds only what is new.

All entries stand at one position of the history, plus the events of decisions that are not durable yet, in their
order. Entries that rest on what did not happen are dropped: dropping is always right.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from operator import is_
from typing import Any

import msgspec

from twofold.history.record import Position
from twofold.message import Event, Metadata
from twofold.model import WriteModel, fold_of
from twofold.write.handler import Boundary

_TRIES = 8
_GROWING = frozenset((list, dict, set))


class Entry:
    """One write model in the cache.

    Attributes:
        boundary: what it is folded from.
        model: the folded state.
        position: while it is not in the cache, or is behind: the position up to which it is folded.
        behind: True where events must be read before it may be used. Models that take metadata are, as soon as
            an event that is not durable yet belongs to them: that event has no position and no time.
        revision: counts the events folded.
    """

    __slots__ = ("behind", "boundary", "model", "position", "revision", "takes_metadata")

    def __init__(self, boundary: Boundary) -> None:
        self.boundary = boundary
        self.model: WriteModel = boundary.model()
        self.position: Position = 0
        self.behind = True
        self.revision = 0
        self.takes_metadata = fold_of(boundary.model).takes_metadata

    def fold(self, event: Event, metadata: Metadata | None = None) -> None:
        """Evolve the model with one event."""
        self.revision += 1
        evolve = self.model.evolve  # type: ignore[attr-defined]
        if self.takes_metadata:
            evolve(event, metadata)
        else:
            evolve(event)


class State:
    """A model's fields as they are now, to tell later whether anything but `evolve` changed them.

    Told by identity, and by size for what grows in place: cheap enough for every command. What is changed deep inside
    is not seen.
    """

    __slots__ = ("_fields", "_model", "_sizes")

    def __init__(self, model: WriteModel) -> None:
        self._model = model
        self._fields = msgspec.structs.astuple(model)
        self._sizes = _sizes_of(self._fields)

    def has_changed(self) -> bool:
        """Tell whether the model is not as it was."""
        fields = msgspec.structs.astuple(self._model)
        return not all(map(is_, fields, self._fields)) or _sizes_of(fields) != self._sizes


def _sizes_of(fields: tuple[Any, ...]) -> list[int]:
    return [len(field) for field in fields if type(field) in _GROWING]


class Cache:
    """Entries by boundary, the least recently used evicted first.

    Args:
        limit: how many entries at most.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._entries: OrderedDict[Boundary, Entry] = OrderedDict()
        self._by_tag: defaultdict[str, list[Entry]] = defaultdict(list)
        self._folds: dict[type[WriteModel], frozenset[str]] = {}
        self._held: Counter[Boundary] = Counter()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, boundary: Boundary) -> Entry | None:
        """Return the entry of a boundary, and remember that it was used."""
        entry = self._entries.get(boundary)
        if entry is not None:
            self._entries.move_to_end(boundary)
        return entry

    def put(self, entry: Entry) -> None:
        """Keep an entry that stands where all others stand."""
        if self._entries.get(entry.boundary) is entry:
            return
        self._entries[entry.boundary] = entry
        self._by_tag[entry.boundary.tag].append(entry)
        model = entry.boundary.model
        if model not in self._folds:
            self._folds[model] = frozenset(event.message_name for event in fold_of(model).events)
        self._evict()

    def hold(self, boundaries: Sequence[Boundary]) -> None:
        """Do not evict these, from now on or once they are put; the limit may be exceeded by them."""
        self._held.update(boundaries)

    def release(self, boundaries: Sequence[Boundary]) -> None:
        """Undo one `hold`."""
        self._held.subtract(boundaries)
        for boundary in boundaries:
            if not self._held[boundary]:
                del self._held[boundary]

    def _evict(self) -> None:
        for _ in range(_TRIES):
            if len(self._entries) <= self._limit:
                return
            entry = next(iter(self._entries.values()))
            if entry.boundary in self._held:
                self._entries.move_to_end(entry.boundary)
            else:
                self.drop(entry)

    def touched(self, type_: str, tags: Iterable[str]) -> Iterator[Entry]:
        """Yield the entries that an event of this type with these tags belongs to."""
        for tag in tags:
            for entry in tuple(self._by_tag.get(tag, ())):
                if type_ in self._folds[entry.boundary.model]:
                    yield entry

    def drop(self, entry: Entry) -> None:
        """Forget an entry. May be called twice."""
        if self._entries.get(entry.boundary) is entry:
            del self._entries[entry.boundary]
            among = self._by_tag[entry.boundary.tag]
            among.remove(entry)
            if not among:
                del self._by_tag[entry.boundary.tag]

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._by_tag.clear()
