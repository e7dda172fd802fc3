"""F21 for segments: a crash between any two statements of their projections leaves what a rebuild continues to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

from tests.faults.messages import Message
from tests.faults.proxy import Fault, Proxy
from tests.read.rig import append, projectors_of, rows_in, table_of
from tests.read.test_crash import Dial, InBatches, Ticked, replace
from twofold.engines.memory import MemoryHistory
from twofold.engines.postgres.address import read_address
from twofold.engines.postgres.server import Server
from twofold.engines.postgres.views import PostgresViews
from twofold.errors import StoreError
from twofold.read.store import Advance, ViewStore
from twofold.read.table import Table

pytestmark = pytest.mark.anyio

SECONDS = (1, 2, 13, 4, 5, 6)
"""Of clock a and clock b in turns; the third event, and those of the same clock after it, are parked."""
WANTED = [("a", 1, 1, [1]), ("b", 3, 12, [2, 4, 6])], [3, 5]
NEVER = 10_000


class CheckpointFirst(PostgresViews):
    """A planted bug: the checkpoint is moved in a transaction of its own, before the rows."""

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        first = replace(advance, rows=(), parked=(), live=False)
        return await super().apply(table, first) and await super().apply(
            table, replace(advance, expected=advance.reached)
        )


class OneCheckpoint(PostgresViews):
    """A planted bug: a batch of one segment moves the checkpoints of all that stand there."""

    def _advance(self, table: Table[Any], advance: Advance) -> tuple[Any, ...]:
        text, *values = super()._advance(table, advance)
        return (text.replace("AND segment = $3 AND", "AND $3::integer IS NOT NULL AND"), *values)


class AfterWrites:
    """Takes the statements before which something may have been written; a crash after a read is one before it."""

    def __init__(self) -> None:
        self._wrote = True

    def __call__(self, message: Message) -> bool:
        """Tell whether a statement is to run, as text or with values, and the one before it was not a read."""
        if message.way != "to_server" or message.kind not in ("Q", "B"):
            return False
        wrote, self._wrote = self._wrote, not message.statement.lstrip().startswith("SELECT")
        return wrote


@asynccontextmanager
async def projecting_at(url: str, kind: type[PostgresViews] = PostgresViews) -> AsyncIterator[PostgresViews]:
    # What is told to other nodes would come between the statements, here or there.
    store = kind(None, Server(read_address(f"{url}?notify=off", {}), "projector"))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def ticking() -> InBatches:
    history = InBatches()
    await append(history, *(Ticked("ab"[n % 2], seconds) for n, seconds in enumerate(SECONDS)))
    return history


async def project(history: MemoryHistory, store: ViewStore, holder: str) -> None:
    """Bring each segment to the middle, then to the end; nothing runs beside anything else, so that it repeats."""
    projectors = projectors_of(Dial, history, store, holder)
    for projector in projectors:
        await projector.prepare()
    for until in (3, 6):
        for projector in projectors:
            await projector.catch_up(until)


async def crashed(url: str, history: MemoryHistory, number: int, kind: type[PostgresViews]) -> bool:
    """Project until a statement, which does not reach the server any more; False if there are not so many."""
    async with Proxy(url) as proxy, projecting_at(proxy.url, kind) as store:
        fault = proxy.fault = Fault("reset", number, AfterWrites())
        projecting = asyncio.create_task(project(history, store, "crashed"))
        crashing = asyncio.create_task(fault.came.wait())
        await asyncio.wait([projecting, crashing], return_when=asyncio.FIRST_COMPLETED)
        for task in (projecting, crashing):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, StoreError):
            await projecting
    return fault.has_struck


async def taken_up(url: str, history: MemoryHistory) -> tuple[list[tuple[Any, ...]], Sequence[int]]:
    """Let another node go on; return the rows, and the positions of the parked events."""
    table = table_of(Dial)
    async with projecting_at(url) as store:
        # Nobody has to wait for the leases of who crashed.
        await store._projector.call("UPDATE views.twofold_projections SET lease_until = clock_timestamp()")
        await project(history, store, "another")
        assert await store.checkpoint(table) == 6
        instances = [table.instance(row) for row in await rows_in(store, table)]
        clocks = [(each.clock, each.ticks, each.seconds, each.positions) for each in instances]
        return clocks, [each.position for each in await store.parked(table)]


async def crash_everywhere(emptied: Callable[[], str], kind: type[PostgresViews], first: int = 1) -> int:
    """Crash before each statement, from the first of that number on; return how many there are."""
    history = await ticking()
    for number in count(first):
        url = await asyncio.to_thread(emptied)
        has_struck = await crashed(url, history, number, kind)
        found = await taken_up(url, history)
        assert found == WANTED, f"other rows after a crash at statement {number}: {found}"
        if not has_struck:
            return number - 1
    raise AssertionError


async def test_a_crash_before_any_statement_leaves_what_a_rebuild_continues_to(emptied: Callable[[], str]) -> None:
    assert await crash_everywhere(emptied, PostgresViews) > 20


async def test_control_checkpoints_that_are_moved_first_lose_events_in_a_crash(emptied: Callable[[], str]) -> None:
    with pytest.raises(AssertionError, match="other rows"):
        # What makes the table and takes the first lease comes before that.
        await crash_everywhere(emptied, CheckpointFirst, first=10)


async def test_control_one_checkpoint_for_all_segments_loses_events_without_a_crash(emptied: Callable[[], str]) -> None:
    with pytest.raises(AssertionError, match="other rows"):
        await crash_everywhere(emptied, OneCheckpoint, first=NEVER)
