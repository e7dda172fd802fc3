"""F15 for segments: of two nodes with a segment each, only the connection on which one stores its batches is cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import pytest

from tests.faults.clock import Clock
from tests.faults.messages import Message
from tests.faults.proxy import Act, Fault, Proxy
from tests.postgres.segments_rig import PAIR, AnyEpoch, AnyEpochAndCheckpoint, Gate, Gated, two
from tests.postgres.views_rig import rows
from twofold.engines.postgres.address import read_address

pytestmark = pytest.mark.anyio

_WAITS = """
    SELECT pid FROM pg_stat_activity
    WHERE application_name = 'twofold projector' AND datname = current_database() AND wait_event_type = 'Lock'
"""


def of_batch(message: Message) -> bool:
    """Tell whether a message belongs to the statement that stores a batch."""
    return "SET checkpoint" in message.statement


async def lose_lease_and_connection(url: str, kind: type[Gated]) -> None:
    """Let a batch wait while its connection is ended and its segment taken over; then it is stored, or not."""
    async with two(url, kind) as pair:
        stale = await pair.epoch(pair.mine)
        mine, others = pair.here.gates[pair.mine], pair.other.gates[pair.mine] = Gate(), Gate()
        await pair.bump()
        await mine.reached.wait()
        idle = list(pair.here._projector._idle)
        for connection in idle:
            await rows(url, f"SELECT pg_terminate_backend({connection.get_server_pid()}, 5000)")
        while not all(connection.is_closed() for connection in idle):
            await asyncio.sleep(0)
        await pair.end_lease()
        # The other has it, and has stored nothing yet: the checkpoint is as the one knows it.
        await others.reached.wait()
        assert await pair.epoch(pair.mine) == stale + 1
        told = len(pair.here.told)
        mine.opened.set()
        while len(pair.here.told) == told:
            await asyncio.sleep(0)
        assert pair.here.told[told] == (pair.mine, stale, False), "a batch was stored under a stale epoch"
        others.opened.set()
        await pair.caught_up()
        assert [each for each in pair.here.told[told:] if each[1] == stale] == [(pair.mine, stale, False)]
        await pair.check()


async def test_who_lost_the_connection_and_the_lease_of_a_segment_is_fenced_at_its_next_batch(
    initialised: Callable[[], str],
) -> None:
    await lose_lease_and_connection(initialised(), Gated)


async def test_control_a_node_that_ignores_the_epoch_of_its_segment_stores_what_is_stale(
    initialised: Callable[[], str],
) -> None:
    with pytest.raises(AssertionError, match="under a stale epoch"):
        await lose_lease_and_connection(initialised(), AnyEpoch)


async def test_a_segment_whose_connection_is_ended_in_the_middle_of_a_batch_goes_on_under_its_lease(
    initialised: Callable[[], str],
) -> None:
    url = initialised()
    async with two(url) as pair:
        epochs = [await pair.epoch(segment) for segment in range(2)]
        connection = await asyncpg.connect(url)
        async with connection.transaction():
            await connection.execute("SELECT FROM views.twofold_projections WHERE segment = $1 FOR UPDATE", pair.mine)
            await pair.bump()
            head = await pair.history.head()
            while (await pair.other.segments(PAIR))[1 - pair.mine].checkpoint != head:
                await asyncio.sleep(0.01)
            while not (waiting := await connection.fetch(_WAITS)):
                await asyncio.sleep(0.01)
            assert len(waiting) == 1
            await connection.fetch("SELECT pg_terminate_backend($1, 5000)", waiting[0]["pid"])
        await connection.close()
        await pair.caught_up()
        assert [await pair.epoch(segment) for segment in range(2)] == epochs
        await pair.check()


@pytest.mark.parametrize("act", ["reset", "torn", "half_closed"])
async def test_a_segment_whose_connection_is_cut_at_any_message_of_a_batch_goes_on(
    act: Act, initialised: Callable[[], str]
) -> None:
    url = initialised()
    async with Proxy(url) as proxy, two(url, through=proxy.url) as pair:
        epochs = [await pair.epoch(segment) for segment in range(2)]
        number, has_struck = 0, True
        while has_struck:
            number += 1
            fault = proxy.fault = Fault(act, number, of_batch)
            await pair.bump()
            await pair.caught_up()
            await pair.check()
            has_struck = fault.has_struck
        assert number > 7, "to bind, execute and sync, and four answers"
        assert [await pair.epoch(segment) for segment in range(2)] == epochs


async def come_late(url: str, kind: type[Gated]) -> None:
    """Hold a batch up on its way to the server until others have stored it, and more; then let it through."""
    async with Proxy(url) as proxy, two(url, kind, proxy.url) as pair:
        clock = Clock()
        fault = proxy.fault = Fault("held", 1, lambda message: of_batch(message) and message.kind == "B")
        await pair.bump()
        await fault.came.wait()
        clock.forward(read_address(url, {}).deadline)
        await proxy.left()
        await pair.end_lease()
        await pair.caught_up()
        await pair.bump()
        await pair.caught_up()
        # Who finds the segment set back by the late batch would fold what follows once more, and mend the rows.
        pair.here.gates[pair.mine], pair.other.gates[pair.mine] = Gate(), Gate()
        proxy.mend()
        await proxy.quiet()
        await pair.check()


async def test_a_batch_that_comes_after_its_segment_went_on_stores_nothing(initialised: Callable[[], str]) -> None:
    await come_late(initialised(), Gated)


async def test_control_a_late_batch_that_is_stored_all_the_same_spoils_the_rows(
    initialised: Callable[[], str],
) -> None:
    with pytest.raises(AssertionError, match="other rows"):
        await come_late(initialised(), AnyEpochAndCheckpoint)
