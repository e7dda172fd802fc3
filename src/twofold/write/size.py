"""About how much memory a write model takes."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from itertools import islice
from sys import getsizeof
from typing import Any

import msgspec

_SAMPLE = 64
_SHARED = (type(None), bool, Enum, type)


def size_of(value: Any, sample: int = _SAMPLE) -> int:
    """Estimate how many bytes a value takes, with all that is inside it.

    Of a long container only the first parts are measured, fewer the deeper it lies, and taken for the others: it costs
    microseconds, whatever the size. What several values share is counted with each of them.
    """
    if isinstance(value, _SHARED):
        return 0
    return int(getsizeof(value) + sum(_size_of_all(parts, sample) for parts in _parts_of(value)))


def _size_of_all(parts: Collection[Any], sample: int) -> float:
    measured = [size_of(part, max(1, sample // 8)) for part in islice(parts, sample)]
    return sum(measured) * len(parts) / len(measured) if measured else 0


def _parts_of(value: Any) -> tuple[Collection[Any], ...]:
    match value:
        case str() | bytes() | int() | float():
            return ()
        case list() | tuple() | set() | frozenset():
            return (value,)
        case dict():
            return value.keys(), value.values()
        case msgspec.Struct():
            return tuple((getattr(value, name),) for name in value.__struct_fields__)
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ()) if name != "__weakref__"]
    inside = tuple((getattr(value, name),) for name in slots if hasattr(value, name))
    return (*inside, (vars(value),)) if hasattr(value, "__dict__") else inside
