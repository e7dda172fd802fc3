"""A node among others: which segments it may take, and which it is to give away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from twofold.errors import StoreError
from twofold.history.signal import Signal
from twofold.read.share import Attendance, Segment, shares
from twofold.read.store import SharedViewStore, ViewStore
from twofold.read.stores import store_of
from twofold.read.table import Table

_log = logging.getLogger("twofold.read")


class Sharing:
    """Tells the other nodes that this one is there, and shares the segments out with them.

    Whatever it tells, a segment is projected under its lease alone: two nodes that see things differently for a moment
    lose some time by it, and nothing else.

    Args:
        store: where the nodes know of each other.
        node: this node's name.
        tables: what it can project, by versioned names.
        seconds: how long it is taken to be there after it last said so.

    Attributes:
        moved: is called whenever the store was looked at.
        problem: why it cannot be looked at, if so.
    """

    def __init__(self, store: SharedViewStore, node: str, tables: Collection[str], seconds: float) -> None:
        self.moved = Signal()
        self.problem: str | None = None
        self._store = store
        self._node = node
        self._tables = frozenset(tables)
        self._seconds = seconds
        self._again = 0.0
        self._until = 0.0
        self._seen = 0
        self._free: frozenset[Segment] = frozenset()
        self._free_since: dict[Segment, float] = {}
        self._superfluous: frozenset[Segment] = frozenset()
        self._leaving: frozenset[Segment] = frozenset()

    def may_claim(self, segment: Segment) -> bool:
        """Whether a segment is this node's to project, and no other node's yet."""
        return segment in self._free

    def is_to_leave(self, segment: Segment) -> bool:
        """Whether a segment of this node's is to be another one's. Two looks have told so, one after the other."""
        return segment in self._leaving

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await self._wait()

    async def look(self) -> None:
        """Say that this node is there, if it is time to, and see who else is. What fails is told in `problem`."""
        now = asyncio.get_running_loop().time()
        try:
            if now >= self._again:
                await self._store.attend(self._node, self._tables, self._seconds)
                self._again = now + self._seconds / 3
            self._take_in(await self._store.attendance(self._node))
            self.problem = None
        except Exception as error:  # noqa: BLE001 - without it the projections would stand by for ever, and say nothing
            # Nobody can claim what cannot be looked at; whoever has a lease goes on under it.
            if self.problem is None:
                _log.error("%s cannot see who else projects", self._node, exc_info=not isinstance(error, StoreError))
            self.problem = str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
        self.moved.notify()

    async def leave(self) -> None:
        """Let the others share among them what this node has. Not while it runs."""
        with contextlib.suppress(StoreError):
            await self._store.leave(self._node)

    def _take_in(self, attendance: Attendance) -> None:
        mine = {segment for segment, node in shares(attendance).items() if node == self._node}
        held = {segment for segment, holder in attendance.held.items() if holder == self._node}
        free = {segment for segment in mine if attendance.held[segment] in (None, self._node)}
        self._free = frozenset(free | self._overdue(attendance))
        superfluous = frozenset(held - mine)
        self._leaving, self._superfluous = superfluous & self._superfluous, superfluous
        self._until = asyncio.get_running_loop().time() + attendance.seconds

    def _overdue(self, attendance: Attendance) -> set[Segment]:
        """Return what has been free for so long that whoever is to have it cannot take it: that one hangs, or fails."""
        now = asyncio.get_running_loop().time()
        nobodys = {each for each, holder in attendance.held.items() if holder is None and each.table in self._tables}
        self._free_since = {each: self._free_since.get(each, now) for each in nobodys}
        return {each for each, since in self._free_since.items() if now - since > self._seconds}

    async def _wait(self) -> None:
        """Wait until something may have changed: a lease ran out or was released, or a node came."""
        now = asyncio.get_running_loop().time()
        left = max(min(self._again, self._until) - now, 0.001)
        # Most hints are of batches only; a look for each of them would be one too many.
        await asyncio.sleep(min(left, self._seconds / 20))
        if self.problem is not None or self._superfluous != self._leaving:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(min(self._again, self._until)):
                seen = self._seen
                while self._seen == seen:
                    self._seen = await self._store.changed(seen)


def sharings_of(
    store: ViewStore, tables: Iterable[Table[Any]], node: str, seconds: float
) -> Mapping[Table[Any], Sharing]:
    """Return a node's part in the sharing of each table, one for each store; none where everybody projects all."""
    kept: dict[ViewStore, list[Table[Any]]] = {}
    for table in tables:
        kept.setdefault(store_of(store, table), []).append(table)
    return {
        table: sharing
        for each, here in kept.items()
        if isinstance(each, SharedViewStore)
        for sharing in [Sharing(each, node, [table.versioned_name for table in here], seconds)]
        for table in here
    }
