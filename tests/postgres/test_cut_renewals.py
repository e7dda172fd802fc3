"""F15 for leases: the connection on which one renews its lease is cut, and the holder keeps the lease or loses it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.faults.messages import Message
from tests.faults.proxy import Act, Fault, Proxy
from tests.postgres.segments_rig import Gated, check_rows
from tests.postgres.views_rig import opened, rows
from tests.read.rig import append, codec_of, table_of
from tests.read.sharing_rig import Bumped, Counter
from twofold.engines.memory import MemoryHistory
from twofold.errors import OutcomeUnknown
from twofold.read.freshness import Freshness
from twofold.read.projector import Projector
from twofold.read.store import Lease
from twofold.read.table import Table

pytestmark = pytest.mark.anyio

PATIENCE = 120.0
# Who stands by looks again after a fifth of it.
SHORT, LONG = 0.4, 600.0
# Who tells news in the background would take a connection, and give it back, at any moment.
CALM = f"?notify=off&deadline={PATIENCE}"


class Tally(Counter, key="counter"): ...


TALLY: Table[Any] = table_of(Tally)


class Renewing(Gated):
    """Tells also what came of each claim.

    Attributes:
        leases: as they were answered.
    """

    def __init__(self, *servers: Any) -> None:
        super().__init__(*servers)
        self.leases: list[Lease] = []

    async def claim(self, table: Table[Any], holder: str, seconds: float, segment: int = 0) -> Lease:
        lease = await self._claim(table, holder, seconds, segment)
        self.leases.append(lease)
        return lease

    async def _claim(self, table: Table[Any], holder: str, seconds: float, segment: int) -> Lease:
        return await super().claim(table, holder, seconds, segment)


class AnyHolder(Renewing):
    """A planted bug: a claim without an answer is taken as granted, under the epoch that is stored by then."""

    async def _claim(self, table: Table[Any], holder: str, seconds: float, segment: int) -> Lease:
        try:
            return await super()._claim(table, holder, seconds, segment)
        except OutcomeUnknown:
            standing = await self.standing(table, segment)
            assert standing is not None
            return Lease(epoch=standing.epoch, holder=holder, mine=True, seconds=seconds)


class Holder:
    """Has the lease, and renews it through a proxy; another one would take over.

    Attributes:
        store: the holder's.
    """

    def __init__(self, url: str, proxy: Proxy, store: Renewing, others: Renewing, lease: float) -> None:
        self.store = store
        self._url, self._proxy, self._others = url, proxy, others
        self._history = MemoryHistory()
        self._one, self._other = (
            Projector(TALLY, self._history, each, codec_of(Tally), Freshness(each), holder=name, lease=lease)
            for name, each in (("one", store), ("other", others))
        )

    async def begin(self) -> None:
        """Take the lease."""
        await self.bump()
        await self._one.prepare()
        await self._one.catch_up()
        await self.check()

    async def bump(self) -> None:
        await append(self._history, *(Bumped(f"counter-{n}") for n in range(3)))

    async def epoch(self) -> int:
        """Return the lease's epoch as it is stored."""
        standing = await self._others.standing(TALLY)
        assert standing is not None
        return standing.epoch

    def renew(self, act: Act, number: int) -> tuple[Fault, asyncio.Task[None]]:
        """Begin to renew the lease, on a new connection, and to go on under it; one message of the renewal is cut."""
        fault = self._proxy.fault = Fault(act, number, of_claim)
        self.store._projector.forget()
        self._one._renewal = 0.0
        return fault, asyncio.create_task(self._one.catch_up())

    async def keep(self, act: Act, number: int) -> bool:
        """Let a renewal be cut and tried again; False where it has fewer messages."""
        epoch = await self.epoch()
        await self.bump()
        fault, renewal = self.renew(act, number)
        await asyncio.wait([renewal])
        assert isinstance(renewal.exception(), OutcomeUnknown) is fault.has_struck, renewal.exception()
        await self._one.catch_up()
        assert await self.epoch() == epoch
        await self.check()
        return fault.has_struck

    async def lose(self, act: Act, number: int) -> bool:
        """Let a renewal be cut, and another one take over before anything else comes through; False as of `keep`."""
        stale = await self.epoch()
        fault, renewal = self.renew(act, number)
        struck = asyncio.create_task(fault.came.wait())
        await asyncio.wait([renewal, struck], return_when=asyncio.FIRST_COMPLETED)
        if not fault.has_struck:
            struck.cancel()
            return False
        self._proxy.open.clear()
        await self.bump()
        await self.end_lease()
        await self._other.catch_up()
        assert await self.epoch() == stale + 1
        self._proxy.mend()
        with contextlib.suppress(OutcomeUnknown):
            await renewal
        await self._stand_by()
        await self.check()
        return True

    async def _stand_by(self) -> None:
        """See that the holder stores nothing while the other one has the lease, and goes on when it is free."""
        await self.bump()
        told, asked = len(self.store.told), len(self.store.leases)
        waiting = asyncio.create_task(self._one.catch_up())
        while len(self.store.told) == told and len(self.store.leases) == asked:
            await asyncio.sleep(0)
        stored = [each for each in self.store.told[told:] if each[2]]
        assert not stored, f"two work under one lease: {stored}"
        await self._other.catch_up()
        await self._other.release()
        await waiting

    async def end_lease(self) -> None:
        """Let the lease end now, by the database's clock."""
        await rows(self._url, "UPDATE views.twofold_projections SET lease_until = clock_timestamp() RETURNING 1")

    async def check(self) -> None:
        """Check the rows against a count of one's own."""
        await check_rows(self._others, TALLY, self._history)


def of_claim(message: Message) -> bool:
    """Tell whether a message belongs to the statement that takes a lease or renews it."""
    return "make_interval(secs => $5)" in message.statement


@asynccontextmanager
async def holding(url: str, kind: type[Renewing] = Renewing, lease: float = SHORT) -> AsyncIterator[Holder]:
    async with (
        Proxy(url) as proxy,
        opened(f"{proxy.url}{CALM}", kind) as store,
        opened(f"{url}{CALM}", Renewing) as others,
        asyncio.timeout(PATIENCE),
    ):
        assert isinstance(store, Renewing)
        assert isinstance(others, Renewing)
        holder = Holder(url, proxy, store, others, lease)
        await holder.begin()
        yield holder


@pytest.mark.parametrize("act", ["reset", "torn", "half_closed"])
async def test_who_is_cut_at_any_message_of_a_renewal_goes_on_under_the_lease(
    act: Act, initialised: Callable[[], str]
) -> None:
    async with holding(initialised()) as holder:
        number = 1
        while await holder.keep(act, number):
            number += 1
        assert number > 10, "to prepare, bind, execute and sync, and their answers"


async def test_who_is_cut_at_any_message_of_a_renewal_and_is_late_has_lost_the_lease(
    initialised: Callable[[], str],
) -> None:
    async with holding(initialised()) as holder:
        number = 1
        while await holder.lose("reset", number):
            number += 1
        assert number > 10, "to prepare, bind, execute and sync, and their answers"


async def test_control_who_takes_a_renewal_without_an_answer_as_granted_works_under_the_lease_of_another(
    initialised: Callable[[], str],
) -> None:
    # So long that it does not find out by another renewal that it has lost the lease.
    async with holding(initialised(), AnyHolder, LONG) as holder:
        with pytest.raises(AssertionError, match="two work under one lease"):
            await holder.lose("reset", 1)
