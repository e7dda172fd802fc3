"""The projection loop, once and for all: read a batch, fold it into rows, store rows and checkpoint together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from twofold.errors import HistoryMismatch, StoreError, TooManyParked, TwofoldError
from twofold.history.codec import Codec
from twofold.history.record import Position, Recorded
from twofold.history.store import History
from twofold.read.batching import Batching
from twofold.read.folding import Folding
from twofold.read.freshness import Freshness
from twofold.read.rate import Rate
from twofold.read.share import Segment
from twofold.read.sharing import Sharing
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
    rows: Mapping[Key, Row | None]
    events: int


class Projector:
    """Keeps one segment of a read model up to date, or stands by while another node does.

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
        segment: which of the table's segments.
        sharing: tells which segments are this node's; without it the node takes whatever it can have.
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
        segment: int = 0,
        sharing: Sharing | None = None,
    ) -> None:
        self.table = table
        self.segment = segment
        self.problem: str | None = None
        self._history = history
        self._store = store
        self._freshness = freshness
        self._holder = holder
        self._seconds = lease
        self._batch = batch
        self._sharing = sharing
        self._place = Segment(table.versioned_name, segment)
        self._folding = Batching(table, store, codec) if table.is_batch else Folding(table, store, codec, segment)
        self._selection = table.selection
        self._lease: Lease | None = None
        self._renewal = 0.0
        self._seen = 0
        self._checkpoint: Position = 0
        self._ready = False
        self._live = False
        self._storing: Storing | None = None
        self._last = 0
        self._last_time = float("-inf")
        self._hurries = 0
        self._rate: Rate | None = None

    async def prepare(self) -> None:
        """Make the table if there is none, and see where it stands.

        Raises:
            HistoryMismatch: the table was made from another history, or from a longer one.
            StoreError: the store cannot be used.
        """
        await self._take_up()

    async def catch_up(self, until: Position | None = None) -> None:
        """Bring the read model to the head as it is now, or no further than to a position, once. Raises what stops it.

        It has not come so far where another one has stored a batch in between.
        """
        await self._lead()
        head = await self._history.head()
        if until is None:
            await self._project(head)
        elif until > self._checkpoint or not self._ready:
            await self._project(max(self._checkpoint, min(until, head)))

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
            await self._store.release(self.table, self._holder, self.segment)

    async def _lead(self) -> None:
        """Return as the one that projects: with a lease that lasts a while yet, and from where the table stands."""
        while True:
            now = asyncio.get_running_loop().time()
            if not self._is_mine():
                await self._stand_aside()
                continue
            if self._lease is not None and now < self._renewal:
                return
            lease = await self._store.claim(self.table, self._holder, self._seconds, self.segment)
            if not lease.mine:
                await self._stand_by(lease)
                continue
            is_news = self._lease is None or self._lease.epoch != lease.epoch
            self._lease, self._renewal = lease, now + lease.seconds / 3
            if is_news:
                try:
                    await self._take_up()
                except BaseException:
                    # Another try is to begin here again.
                    self._lease = None
                    raise
                self._freshness.projects(self.table, self.segment, here=True)
                self._tell()

    def _is_mine(self) -> bool:
        """Whether this node is to project the segment, or to go on with it."""
        if self._sharing is None:
            return True
        if self._lease is None:
            return self._sharing.may_claim(self._place)
        return not self._sharing.is_to_leave(self._place)

    async def _stand_aside(self) -> None:
        """Give the segment away if this node has it, and wait until it may be this node's again."""
        assert self._sharing is not None
        seen = self._sharing.moved.calls
        self.problem = None
        self._freshness.projects(self.table, self.segment, here=False)
        await self.release()
        await self._sharing.moved.since(seen)

    async def _stand_by(self, lease: Lease) -> None:
        """Wait until the lease may have become free, by its end or by a release."""
        self._lease, self.problem = None, None
        self._freshness.projects(self.table, self.segment, here=False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(max(lease.seconds, 0.01), self._seconds / 5)):
                # Most hints are of batches only; a claim for each of them would be one too many.
                await asyncio.sleep(self._seconds / 20)
                seen = self._seen
                while self._seen == seen:
                    self._seen = await self._store.changed(seen)

    async def _take_up(self) -> None:
        await self._store.prepare(self.table, self._history.id)
        standing = await self._store.standing(self.table, self.segment)
        assert standing is not None
        self._checkpoint, self._ready, self._live = standing.checkpoint, standing.ready, standing.live
        head = await self._history.head()
        if self._checkpoint > head:
            raise HistoryMismatch(
                model=self.table.name,
                problem=f"it was projected up to position {self._checkpoint}, the history ends at {head}",
            )
        await self._folding.take_up()
        self._tell()

    def _tell(self) -> None:
        if self._live:
            self._freshness.moved(self.table, self._checkpoint, self.segment)

    async def _follow(self) -> None:
        """Bring the read model to the head as it is now, or wait until there is more."""
        await self._lead()
        hurries = self._freshness.hurries
        head = await self._history.head()
        if head > self._checkpoint or not self._ready:
            self._hurries = hurries
            await self._project(head)
            return
        self.problem = None
        if not self._live:
            await self._wait_for_the_others()
            return
        time = asyncio.get_running_loop().time
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(None if self._renewal == float("inf") else self._renewal):
                await self._history.changed(self._checkpoint)
        # Under load this makes one batch of many commits; whoever waits for the read model ends it at once.
        linger = _LINGER_BUSY if self._last >= _BUSY else _LINGER
        await self._freshness.linger(self.table, self._last_time + linger - time(), self._hurries)

    async def _wait_for_the_others(self) -> None:
        """Look again when some other segment, too, may have caught up: the last one makes the table live."""
        self._seen = await self._store.changed(self._seen)
        standing = await self._store.standing(self.table, self.segment)
        self._live = standing is not None and standing.live
        self._tell()

    async def _project(self, head: Position) -> None:
        batch: Sequence[Recorded] = ()
        pages = self._history.read(self._selection, after=self._checkpoint, until=head)
        try:
            async with contextlib.aclosing(_gathered(pages, self._batch)) as batches:
                async for following in batches:
                    if batch and not await self._advance(batch, batch[-1].position, head):
                        return
                    if not self._is_mine():
                        await self._settle()
                        return
                    batch = following
            # A caught-up read model stands at the head, whether or not the last events are any of its own.
            await self._advance(batch, head, head, live=not self._ready)
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
        if self._folding.parked > self.table.model.model_max_parked:
            raise TooManyParked(model=self.table.name, limit=self.table.model.model_max_parked)
        assert self._lease is not None
        rows, deleted = _told_apart(folded.rows)
        advance = Advance(
            self._checkpoint, reached, rows, folded.parked, live, self._lease.epoch, head, deleted, self.segment,
            folded.work, self._rate_after(len(batch)),
        )  # fmt: skip
        task = asyncio.create_task(self._store.apply(self.table, advance), name=f"twofold-store-{self.table.live_name}")
        self._storing = Storing(task, advance, folded.rows, len(batch))
        return True

    def _rate_after(self, events: int) -> float:
        now = asyncio.get_running_loop().time()
        if self._rate is None:
            # What the first batch took is not known; from then on there is something to compare with.
            self._rate, events = Rate(now), 0
        return self._rate.after(events, now)

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
        assert self._lease is not None
        self._renewal = time + self._lease.seconds / 3
        if storing.advance.live:
            self._ready = True
            standing = await self._store.standing(self.table, self.segment)
            self._live = standing is not None and standing.live
        self._tell()
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


def _told_apart(rows: Mapping[Key, Row | None]) -> tuple[Sequence[Row], Sequence[Key]]:
    """Return the rows to store and the keys whose rows to delete."""
    kept = [row for row in rows.values() if row is not None]
    return kept, [] if len(kept) == len(rows) else [key for key, row in rows.items() if row is None]


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
