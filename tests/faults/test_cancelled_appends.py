"""The caller of an append is cancelled at any of its messages: when it has ended, all is decided (H7)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from tests.faults.clock import Clock
from tests.faults.cutting import UNREACHED, check_repeat, has_come, hasty, made, of_append, until_appended
from tests.faults.opening import open_history
from tests.faults.places import PostgresPlace
from tests.faults.proxy import Fault, Proxy
from twofold.engines.postgres.history import PostgresHistory
from twofold.history.store import Decision, Outcome

pytestmark = pytest.mark.anyio


class Undecided(AssertionError):
    """Something became of an append after its caller had ended."""


async def cancelled_at(number: int, direct: PostgresHistory, kind: type[PostgresHistory], clock: Clock) -> bool:
    """Cancel an append when so many of its messages have come; False where it has fewer.

    Raises:
        Undecided: something became of it after its caller had ended.
    """
    url = direct._server.address.url
    async with Proxy(url) as proxy:
        # In time the server ends what it has run in part; the driver's side of the deadline passes on the clock alone.
        history = await hasty(proxy.url, kind, 1.0)
        history._server.address = msgspec.structs.replace(history._server.address, deadline=UNREACHED)
        await until_appended(history)
        fault = proxy.fault = Fault("held", number, of_append)
        decision = made()
        appending = asyncio.create_task(history.append([decision]))
        if await has_come(fault, appending):
            appending.cancel()
            clock.forward(UNREACHED)
            await asyncio.wait([appending])
            await proxy.left()
        stored = await direct.find(decision.submission.scope)
        proxy.mend()
        await proxy.quiet()
        found = await direct.find(decision.submission.scope)
        if found != stored:
            raise Undecided(f"at {stored} when its caller had ended, at {found} later")
        await check_repeat(direct, decision, stored)
        await until_appended(history)
        await history.close()
    return fault.has_struck


async def at_every_message(direct: PostgresHistory, kind: type[PostgresHistory] = PostgresHistory) -> int:
    """Cancel an append at each of its messages; return how many there are."""
    number, clock = 1, Clock()
    while await cancelled_at(number, direct, kind, clock):
        number += 1
    return number - 1


@pytest.fixture
async def direct(database_place: PostgresPlace) -> AsyncIterator[PostgresHistory]:
    history = await open_history(database_place.url)
    assert isinstance(history, PostgresHistory)
    yield history
    await history.close()


async def test_an_append_whose_caller_is_cancelled_at_any_message_is_decided_when_it_ends(
    direct: PostgresHistory,
) -> None:
    assert await at_every_message(direct) >= 6


async def test_control_an_append_that_ends_with_its_caller_is_decided_afterwards(direct: PostgresHistory) -> None:
    class Unshielded(PostgresHistory):
        async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
            return await self._append(decisions)

    with pytest.raises(Undecided):
        await at_every_message(direct, Unshielded)
