"""About how much memory a write model takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime
from enum import Enum
from itertools import islice
from sys import getsizeof
from typing import Any

import msgspec

_SAMPLE = 64
_SHARED = (bool, Enum, type)
_SIMPLE = frozenset((str, bytes, int, float, date, datetime))
_CONTAINERS = frozenset((list, tuple, set, frozenset))


def size_of(value: Any, sample: int = _SAMPLE) -> int:
    """Estimate how many bytes a value takes, with all that is inside it.

    Of a long container only the first parts are measured, fewer the deeper it lies, and taken for the others: it costs
    microseconds, whatever the size. What several values share is counted with each of them.
    """
    kind = type(value)
    if kind in _SIMPLE:
        return getsizeof(value)
    if value is None or isinstance(value, _SHARED):
        return 0
    if kind in _CONTAINERS:
        return getsizeof(value) + _size_of_all(value, sample)
    if kind is dict:
        return getsizeof(value) + _size_of_all(value.keys(), sample) + _size_of_all(value.values(), sample)
    return getsizeof(value) + sum([size_of(part, sample) for part in _parts_of(value)])


def _size_of_all(parts: Collection[Any], sample: int) -> int:
    measured = [size_of(part, max(1, sample // 8)) for part in islice(parts, sample)]
    return sum(measured) * len(parts) // len(measured) if measured else 0


def _parts_of(value: Any) -> Iterable[Any]:
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.astuple(value)
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ()) if name != "__weakref__"]
    inside = [getattr(value, name) for name in slots if hasattr(value, name)]
    return [*inside, vars(value)] if hasattr(value, "__dict__") else inside
