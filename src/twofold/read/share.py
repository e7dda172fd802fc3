"""Who is to project what: segments spread evenly over the nodes that are there, with as few moves as that takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import msgspec


class Segment(NamedTuple):
    """A segment of a read model's table, by the table's versioned name; a table in one piece is its segment 0."""

    table: str
    number: int


class Attendance(msgspec.Struct, frozen=True):
    """Which nodes project, and which of them holds what, as a store knows it at one moment.

    Args:
        nodes: by the name of each node, the tables that it can project.
        held: every segment that there is a checkpoint of, with the holder of its lease; None where nobody has one.
        seconds: after how many of them, at the earliest, something of that runs out; for ever where nothing does.
    """

    nodes: Mapping[str, Collection[str]]
    held: Mapping[Segment, str | None]
    seconds: float = float("inf")


def shares(attendance: Attendance) -> Mapping[Segment, str]:
    """Return which node each segment is to be projected by; without those that only a node that is gone still holds.

    Every node that sees the same comes to the same. Where all can project all, no two nodes' numbers of segments differ
    by more than one, neither altogether nor (where swaps within that can help) of any one table. What is spread like
    that already stays as it is: whoever holds a segment is asked to give it away only for the sake of balance.
    """
    spread = _Spread(attendance)
    for segment, holder in sorted(attendance.held.items(), key=lambda each: each[0]):
        able = spread.able(segment.table)
        if holder in able:
            spread.give(segment, holder)
        elif holder is None and able:
            spread.give(segment, min(able, key=lambda node, table=segment.table: spread.order(node, table)))  # type: ignore[misc]
    while spread.improve():
        pass
    return spread.holders


class _Spread:
    """Segments in the hands of nodes. Each improvement lowers a sum of squares of their numbers, so that it ends."""

    def __init__(self, attendance: Attendance) -> None:
        self.holders: dict[Segment, str] = {}
        self._nodes = {name: frozenset(tables) for name, tables in sorted(attendance.nodes.items())}
        self._all: Counter[str] = Counter()
        self._of_table: Counter[tuple[str, str]] = Counter()

    def able(self, table: str) -> list[str]:
        return [name for name, tables in self._nodes.items() if table in tables]

    def order(self, node: str, table: str) -> tuple[int, int, str]:
        return self._all[node], self._of_table[node, table], node

    def give(self, segment: Segment, node: str) -> None:
        before = self.holders.get(segment)
        if before is not None:
            self._all[before] -= 1
            self._of_table[before, segment.table] -= 1
        self.holders[segment] = node
        self._all[node] += 1
        self._of_table[node, segment.table] += 1

    def improve(self) -> bool:
        """Move one segment, or exchange two, if that makes it more even; False if nothing does."""
        return any(self._relieve(segment, holder) for segment, holder in self._by_burden()) or any(
            self._exchange(segment, holder) for segment, holder in self._by_burden()
        )

    def _by_burden(self) -> list[tuple[Segment, str]]:
        def burden(each: tuple[Segment, str]) -> tuple[int, int, Segment]:
            segment, node = each
            return -self._all[node], -self._of_table[node, segment.table], segment

        return sorted(self.holders.items(), key=burden)

    def _relieve(self, segment: Segment, holder: str) -> bool:
        """Move a segment to who has two less than its holder; or one less, and two less of its table."""
        table = segment.table
        for node in sorted(self.able(table), key=lambda node: self.order(node, table)):
            less = self._all[holder] - self._all[node]
            if less > 1 or (less == 1 and self._of_table[holder, table] - self._of_table[node, table] > 1):
                self.give(segment, node)
                return True
        return False

    def _exchange(self, segment: Segment, holder: str) -> bool:
        """Exchange a segment with who has two less of its table, for one of a table of which that node has more."""
        table = segment.table
        for node in self.able(table):
            if self._of_table[holder, table] - self._of_table[node, table] > 1:
                other = next(self._spare(node, holder), None)
                if other is not None:
                    self.give(segment, node)
                    self.give(other, holder)
                    return True
        return False

    def _spare(self, node: str, taker: str) -> Iterator[Segment]:
        return (
            segment
            for segment, holder in sorted(self.holders.items())
            if holder == node
            and segment.table in self._nodes[taker]
            and self._of_table[node, segment.table] > self._of_table[taker, segment.table]
        )
