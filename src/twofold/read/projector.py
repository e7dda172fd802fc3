"""The projection loop, once and for all: read a batch, fold it into rows, store rows and checkpoint together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from twofold.errors import HistoryMismatch, StoreError, TwofoldError
from twofold.history.boundary import Criterion, Selection
from twofold.history.codec import Codec
from twofold.history.record import Position, Recorded
from twofold.history.store import History
from twofold.read.folding import Folding
from twofold.read.freshness import Freshness
from twofold.read.store import Advance, Lease, ViewStore
from twofold.read.table import Key, Row, Table

LEASE = 5.0
BATCH = 5_000
_LINGER = 0.005
_LINGER_BUSY = 0.02
_BUSY = 16
_PAUSES = (0.05, 0.2, 1.0, 5.0)
_log = logging.getLogger("twofold.read")


class Storing(msgspec.Struct, frozen=True):
    """A batch on its way to the store."""

    task: asyncio.Task[bool]
    advance: Advance
    rows: Mapping[Key, Row]
    events: int


class Projector:
    """Keeps one read model up to date, or stands by while another node does.

    Each batch is folded while the one before is being stored.

    Args:
        table: the read model's table.
        history: the events.
        store: where the rows are kept.
        codec: the application's events.
        freshness: is told how far the read model has come.
        holder: this node's name, unlike that of any other; leases are held under it.
        lease: for how many seconds a lease is taken; so long after its node died, another takes over.
        batch: how many events are folded and stored together, at least, while there are so many.
    """

    def __init__(
        self,
        table: Table[Any],
        history: History,
        store: ViewStore,
        codec: Codec,
        freshness: Freshness,
        *,
        holder: str = "this process",
        lease: float = LEASE,
        batch: int = BATCH,
    ) -> None:
        self.table = table
        self.problem: str | None = None
        self._history = history
        self._store = store
        self._freshness = freshness
        self._holder = holder
        self._seconds = lease
        self._batch = batch
        self._folding = Folding(table, store, codec)
        self._selection = Selection((Criterion(types=table.event_names),))
        self._lease: Lease | None = None
        self._renewal = 0.0
        self._seen = 0
        self._checkpoint: Position = 0
        self._live = False
        self._storing: Storing | None = None
        self._last = 0
        self._last_time = 0.0

    async def prepare(self) -> None:
        """Make the table if there is none, and see where it stands.

        Raises:
            HistoryMismatch: the table was made from another history, or from a longer one.
            StoreError: the store cannot be used.
        """
        await self._take_up()

    async def catch_up(self) -> None:
        """Bring the read model to the head as it is now, once. Raises what stops it."""
        await self._lead()
        await self._project(await self._history.head())

    async def run(self) -> None:
        """Project until cancelled. What cannot go on is told in `problem`, logged, and tried again."""
        failures = 0
        while True:
            try:
                await self._follow()
                failures, self.problem = 0, None
            except Exception as error:  # noqa: BLE001 - a projection that ends silently would be the worst of all
                self.problem = f"{type(error).__name__}: {error}" if not isinstance(error, TwofoldError) else str(error)
                pause = _PAUSES[min(failures, len(_PAUSES) - 1)]
                failures += 1
                _log.error(
                    "projection of %s stopped at position %d, next try in %g s", self.table.name, self._checkpoint,
                    pause, exc_info=not isinstance(error, StoreError),
                )  # fmt: skip
                await asyncio.sleep(pause)

    async def release(self) -> None:
        """Let another node take over at once. Not while it runs."""
        self._lease = None
        with contextlib.suppress(StoreError):
            await self._store.release(self.table, self._holder)

    async def _lead(self) -> None:
        """Return as the one that projects: with a lease that lasts a while yet, and from where the table stands."""
        while True:
            now = asyncio.get_running_loop().time()
            if self._lease is not None and now < self._renewal:
                return
            lease = await self._store.claim(self.table, self._holder, self._seconds)
            if not lease.mine:
                await self._stand_by(lease)
                continue
            is_news = self._lease is None or self._lease.epoch != lease.epoch
            self._lease, self._renewal = lease, now + lease.seconds / 3
            if is_news:
                await self._take_up()
                self._freshness.projects(self.table, here=True)

    async def _stand_by(self, lease: Lease) -> None:
        """Wait until the lease may have become free, by its end or by a release."""
        self._lease, self.problem = None, None
        self._freshness.projects(self.table, here=False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(max(lease.seconds, 0.01), self._seconds / 5)):
                # Most hints are of batches only; a claim for each of them would be one too many.
                await asyncio.sleep(self._seconds / 20)
                seen = self._seen
                while self._seen == seen:
                    self._seen = await self._store.changed(seen)

    async def _take_up(self) -> None:
        self._checkpoint = await self._store.prepare(self.table, self._history.id)
        head = await self._history.head()
        if self._checkpoint > head:
            raise HistoryMismatch(
                model=self.table.name,
                problem=f"it was projected up to position {self._checkpoint}, the history ends at {head}",
            )
        await self._folding.take_up()
        self._live = await self._store.checkpoint(self.table) is not None
        if self._live:
            self._freshness.moved(self.table, self._checkpoint)

    async def _follow(self) -> None:
        """Bring the read model to the head as it is now, or wait until there is more."""
        await self._lead()
        head = await self._history.head()
        if head > self._checkpoint or not self._live:
            await self._project(head)
            return
        self.problem = None
        time = asyncio.get_running_loop().time
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(None if self._renewal == float("inf") else self._renewal):
                await self._history.changed(self._checkpoint)
        # Under load this makes one batch of many commits; whoever waits for the read model ends it at once.
        linger = _LINGER_BUSY if self._last >= _BUSY else _LINGER
        await self._freshness.linger(self.table, self._last_time + linger - time())

    async def _project(self, head: Position) -> None:
        batch: Sequence[Recorded] = ()
        pages = self._history.read(self._selection, after=self._checkpoint, until=head)
        try:
            async with contextlib.aclosing(_gathered(pages, self._batch)) as batches:
                async for following in batches:
                    if batch and not await self._advance(batch, batch[-1].position, head):
                        return
                    batch = following
            # A caught-up read model stands at the head, whether or not the last events are any of its own.
            await self._advance(batch, head, head, live=not self._live)
            await self._settle()
        except BaseException:
            await self._abandon()
            raise

    async def _advance(
        self, batch: Sequence[Recorded], reached: Position, head: Position, *, live: bool = False
    ) -> bool:
        """Fold a batch and have it stored after the one before; False if that one was not stored."""
        folded = await self._folding.fold(batch, {} if self._storing is None else self._storing.rows)
        if not await self._settle():
            return False
        assert self._lease is not None
        advance = Advance(
            self._checkpoint, reached, list(folded.rows.values()), folded.parked, live, self._lease.epoch, head
        )
        task = asyncio.create_task(self._store.apply(self.table, advance), name=f"twofold-store-{self.table.live_name}")
        self._storing = Storing(task, advance, folded.rows, len(batch))
        return True

    async def _settle(self) -> bool:
        """Wait for the batch on its way; False if it was not stored, because another node projects by now."""
        storing = self._storing
        if storing is None:
            return True
        stored = await storing.task
        self._storing = None
        if not stored:
            self._folding.forget()
            self._lease = None
            return False
        time = asyncio.get_running_loop().time()
        self._checkpoint, self._last, self._last_time = storing.advance.reached, storing.events, time
        self._live = self._live or storing.advance.live
        assert self._lease is not None
        self._renewal = time + self._lease.seconds / 3
        if self._live:
            self._freshness.moved(self.table, self._checkpoint)
        return True

    async def _abandon(self) -> None:
        """Forget what was folded, but not before the batch on its way has ended one way or the other."""
        storing, self._storing = self._storing, None
        self._folding.forget()
        # What was parked in it may not be stored.
        self._lease = None
        if storing is not None:
            storing.task.cancel()
            await asyncio.wait([storing.task])
            if not storing.task.cancelled():
                storing.task.exception()


async def _gathered(pages: AsyncIterator[Sequence[Recorded]], wanted: int) -> AsyncGenerator[Sequence[Recorded], None]:
    """Yield larger batches, so that a row that many events touch is stored once for all of them.

    The next one is read while the one before is worked on.
    """
    batch = await _some(pages, wanted)
    while batch:
        ahead = asyncio.create_task(_some(pages, wanted), name="twofold-read-ahead")
        try:
            yield batch
            batch = await ahead
        finally:
            ahead.cancel()


async def _some(pages: AsyncIterator[Sequence[Recorded]], wanted: int) -> Sequence[Recorded]:
    some: list[Recorded] = []
    async for page in pages:
        some.extend(page)
        if len(some) >= wanted:
            break
    return some
