"""Which events a decision rests on, or a reader wants: a selection by types and tags (https://dcb.events)."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import TypeAlias

import msgspec

from twofold.history.record import Position

Mark: TypeAlias = tuple[str, str]
"""What an index files under: a type of events with a tag, or with no tag in particular."""


@lru_cache(maxsize=4096)
def marks_of(type_: str, tags: tuple[str, ...]) -> tuple[Mark, ...]:
    """Return the marks that an event of this type with these tags is filed under."""
    return tuple([(type_, tag) for tag in ("", *tags)])


class Criterion(msgspec.Struct, frozen=True, gc=False):
    """Events of any of these types that carry all of these tags. An empty part selects by the other alone."""

    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def takes(self, type_: str, tags: Collection[str]) -> bool:
        """Tell whether an event of this type with these tags is selected."""
        return (not self.types or type_ in self.types) and all(tag in tags for tag in self.tags)

    @property
    def places(self) -> tuple[tuple[Mark, ...], ...]:
        """Where to look for its events: for each tag the marks under which all of them are filed, and others too.

        It must name types; without tags there is one place.
        """
        return tuple([tuple([(type_, tag) for type_ in self.types]) for tag in self.tags or ("",)])


class Selection(msgspec.Struct, frozen=True, gc=False):
    """Events that any of the criteria takes; without criteria, no event at all."""

    criteria: tuple[Criterion, ...] = ()

    def takes(self, type_: str, tags: Collection[str]) -> bool:
        """Tell whether an event of this type with these tags is selected."""
        return any(criterion.takes(type_, tags) for criterion in self.criteria)


EVERYTHING = Selection((Criterion(),))
"""The whole history."""


class Condition(msgspec.Struct, frozen=True, gc=False):
    """What must still hold at the append: no selected event after the position the models were folded to.

    Args:
        selection: the boundary of the decision.
        after: the position up to which its events had been folded.
        seen: how many of the decisions before it in the same append it had seen as well, before they were durable.
            It rests on those of them whose events it selects: they must be appended for it to be.
    """

    selection: Selection
    after: Position = 0
    seen: int = 0
