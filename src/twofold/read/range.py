"""A range of values, where a view is asked for more than equality."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import msgspec

Operator: TypeAlias = Literal[">=", ">", "<=", "<"]


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Values between bounds, given for a field of `View.find`: `find(opened=Range(at_least=monday, below=sunday))`.

    A row whose field is None is in no range. Values are compared as `order_by` orders them.

    Args:
        at_least: the smallest value; None for no such bound.
        above: what is smaller than every value.
        below: what is larger than every value.
        at_most: the largest value.
    """

    at_least: Any = None
    above: Any = None
    below: Any = None
    at_most: Any = None

    def bounds(self) -> Iterator[tuple[Operator, Any]]:
        """Yield the bounds that are given."""
        named: tuple[tuple[Operator, Any], ...] = (
            (">=", self.at_least), (">", self.above), ("<", self.below), ("<=", self.at_most),
        )  # fmt: skip
        for operator, bound in named:
            if bound is not None:
                yield operator, bound
