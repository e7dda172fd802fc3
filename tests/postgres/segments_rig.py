"""Two nodes that share a read model of two segments in one database; the connections of one can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from tests.postgres.views_rig import opened, rows
from tests.read.rig import append, rows_in, table_of
from tests.read.sharing_rig import Bumped, Counter, Member, there
from twofold.engines.memory import MemoryHistory
from twofold.engines.postgres.views import PostgresViews
from twofold.history.boundary import EVERYTHING
from twofold.read.store import Advance
from twofold.read.table import Table

LONG, SHORT = 10.0, 3.0
PATIENCE = 120.0


class Pair(Counter, key="counter", segments=2): ...


PAIR: Table[Any] = table_of(Pair)


class Gate:
    """Where a batch waits.

    Attributes:
        reached: set while one waits.
        opened: lets it go on.
    """

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()


class Gated(PostgresViews):
    """Lets batches of a segment wait before they are stored, and tells what became of each.

    Attributes:
        gates: by segment.
        told: of each batch the segment, the epoch that it was folded under, and whether it was stored.
    """

    def __init__(self, *servers: Any) -> None:
        super().__init__(*servers)
        self.gates: dict[int, Gate] = {}
        self.told: list[tuple[int, int, bool]] = []

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        gate = self.gates.get(advance.segment)
        if gate is not None:
            gate.reached.set()
            await gate.opened.wait()
        stored = await super().apply(table, advance)
        self.told.append((advance.segment, advance.epoch, stored))
        return stored


class AnyEpoch(Gated):
    """A planted bug: a batch is stored whatever the epoch of its segment is by now."""

    def _advance(self, table: Table[Any], advance: Advance) -> tuple[Any, ...]:
        text, *values = super()._advance(table, advance)
        return (text.replace("AND epoch = $6", "AND $6::bigint IS NOT NULL"), *values)


class AnyEpochAndCheckpoint(AnyEpoch):
    """A planted bug: and wherever the segment's checkpoint is by now."""

    def _advance(self, table: Table[Any], advance: Advance) -> tuple[Any, ...]:
        text, *values = super()._advance(table, advance)
        return (text.replace("AND checkpoint = $4", "AND $4::bigint IS NOT NULL"), *values)


class Two:
    """A node whose connections are to be cut, and another one that has the other segment.

    Attributes:
        history: of both.
        here, other: their stores.
        mine: the segment of the one.
    """

    def __init__(self, url: str, here: Gated, other: Gated) -> None:
        self.history = MemoryHistory()
        self.here, self.other = here, other
        self.mine = 0
        self._url = url
        # The one does not lose its lease but where a test takes it, and never takes what the other lets go.
        self.members = [
            Member("one", self.history, here, LONG, [Pair]),
            Member("other", self.history, other, SHORT, [Pair]),
        ]

    async def shared(self) -> None:
        """Return when each has a segment and all is projected."""
        while {None, *await self.holders()} != {None, "one", "other"}:
            await asyncio.sleep(0.01)
        self.mine = (await self.holders()).index("one")
        await self.caught_up()

    async def holders(self) -> list[str | None]:
        """Return who has which segment."""
        return [each.holder for each in await self.other.segments(PAIR)]

    async def bump(self) -> None:
        """Append events of either segment."""
        await append(self.history, *(Bumped(f"counter-{n}") for n in range(6)))

    async def caught_up(self) -> None:
        """Return when all is projected."""
        head = await self.history.head()
        while await self.other.checkpoint(PAIR) != head:
            await asyncio.sleep(0.01)

    async def epoch(self, segment: int) -> int:
        """Return the epoch of a segment as it is stored."""
        standing = await self.other.standing(PAIR, segment)
        assert standing is not None
        return standing.epoch

    async def end_lease(self) -> None:
        """Let the one's lease end now, by the database's clock, as if it had long been away; tell the other."""
        await rows(self._url, "DELETE FROM views.twofold_nodes WHERE name = 'one'")
        await rows(
            self._url,
            "WITH ended AS (UPDATE views.twofold_projections SET lease_until = clock_timestamp(), lease = '0'"
            f" WHERE segment = {self.mine} RETURNING 1) SELECT pg_notify('twofold_views', '') FROM ended",
        )

    async def check(self) -> None:
        """Check the rows against a count of one's own."""
        await check_rows(self.other, PAIR, self.history)


async def check_rows(store: PostgresViews, table: Table[Any], history: MemoryHistory) -> None:
    """Check the rows of a read model that counts bumps, and notes their positions, against a count of one's own."""
    places: dict[str, list[int]] = {}
    async for batch in history.read(EVERYTHING):
        for recorded in batch:
            places.setdefault(msgspec.json.decode(recorded.payload)["counter"], []).append(recorded.position)
    instances = [table.instance(row) for row in await rows_in(store, table)]
    found = [(each.counter, each.bumps, each.positions) for each in instances]
    wanted = [(name, len(at), at) for name, at in sorted(places.items())]
    assert found == wanted, f"other rows: {found}, counted are {wanted}"


@asynccontextmanager
async def two(url: str, kind: type[Gated] = Gated, through: str = "") -> AsyncIterator[Two]:
    """Run both; the one connects through another URL if one is given."""
    async with opened(through or url, kind) as here, opened(url, Gated) as other, asyncio.timeout(PATIENCE):
        assert isinstance(here, Gated)
        assert isinstance(other, Gated)
        pair = Two(url, here, other)
        await pair.bump()
        async with there(*reversed(pair.members)):
            await pair.shared()
            yield pair
