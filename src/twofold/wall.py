"""The wall between the sides, for type checkers and for declarations.

`Protocol`s can ask for what a type has, not for what it lacks. So each side's class takes away, for type
checkers alone, one method that every other object has: a `View` is no `WriteSide`, a `WriteModel` no `ReadSide`,
and everything else (contexts, dependencies) is both. At run time nothing is taken away; there `__side__` tells.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, get_args


class WriteSide(Protocol):
    """What a command handler may ask for: anything but a `View`."""

    def __sizeof__(self) -> int: ...


class ReadSide(Protocol):
    """What a query handler may ask for: anything but a `WriteModel`."""

    def __dir__(self) -> Iterable[str]: ...


def side_of(annotation: object) -> str | None:
    """Tell which side an annotation belongs to: `"write"`, `"read"`, or None for neither.

    Looks through generics, so that `View[Profile]` and `list[Account]` are found too.
    """
    found = getattr(annotation, "__side__", None)
    if found is not None:
        return str(found)
    return next((side for part in get_args(annotation) if (side := side_of(part))), None)
