"""Rebuilding a read model: beside the live one, compared with it, exchanged in one step; and back again (R5)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec

from twofold.errors import CannotRebuild, CannotVerify, NotBuilt, StoreBusy, StoreError
from twofold.history.codec import Codec
from twofold.history.record import Position
from twofold.history.store import History
from twofold.read.comparison import Compared, Comparison
from twofold.read.filling import Filling, Told
from twofold.read.store import ViewStore
from twofold.read.table import Table

_TRIES = 500
_BUSY_TRIES = 5
_PAUSE = 0.002


class Rebuilt(msgspec.Struct, frozen=True):
    """What is live after a rebuild, and how it differs from what was live before.

    `differing`, `missing` and `surplus` count the rows that were so before. Rows of keys that were parked are not
    counted: these are `mended` where they are parked no more. What was not compared is None: after an undo all of it,
    and of a read model with SQL of its own the rows, if it moves all the time.
    """

    model: str
    position: Position
    rows: int
    parked: int
    mended: int | None = None
    differing: int | None = None
    missing: int | None = None
    surplus: int | None = None


class Rebuild:
    """Rebuilds one read model while the live one is projected and queried, here or anywhere else.

    Args:
        table: the live table.
        history: the events.
        store: where the table is.
        codec: the application's events.
        holder: the name under which the leases on the spare are held, unlike that of anybody else.
        told: how far it has come.
    """

    def __init__(
        self,
        table: Table[Any],
        history: History,
        store: ViewStore,
        codec: Codec,
        holder: str,
        told: Told | None = None,
    ) -> None:
        self._table = table
        self._history = history
        self._store = store
        self._codec = codec
        self._holder = holder
        self._filling = Filling(table.spare, history, store, codec, holder, told)

    async def run(self, *, force: bool = False) -> Rebuilt:
        """Build the spare from position 0, compare it with what is live, and exchange the two.

        Whatever ends it before that, the live one is as it was. What was live before stays as the spare, for `undo`,
        until the next rebuild begins.

        Args:
            force: exchange them even if more keys are parked in the new one.

        Raises:
            NotBuilt: the read model is not live yet.
            CannotRebuild: another rebuild is at work, more keys would be parked than before, or the live one was ahead
                at each of many tries.
            TooManyParked: more keys would be parked than the read model allows.
            StoreError: the storage failed at several tries.
        """
        await self._refuse_unless_live()
        await self._refuse_beside_another()
        await self._store.begin_spare(self._table, self._history.id)
        try:
            compared = await self._compared()
            await self._filling.fill(await self._history.head())
            before = set(await self._store.parked_keys(self._table))
            after = set(await self._store.parked_keys(self._table.spare))
            if len(after) > len(before) and not force:
                raise self._refusal(
                    f"{len(after)} keys would be parked, {len(before)} are now; mend what fails, or force it"
                )
            await self._exchange()
        except BaseException:
            await self._clean_up()
            raise
        await self._filling.release()
        return await self._rebuilt(compared, len(before - after))

    async def undo(self) -> Rebuilt:
        """Bring what was live before the last rebuild up to date, and exchange the two again.

        Whatever ends it before that, the live one is as it was, and it may be undone later.

        Raises:
            CannotRebuild: there is nothing to go back to; and see `run`.
            NotBuilt, TooManyParked, StoreError: see `run`.
        """
        await self._refuse_unless_live()
        await self._refuse_beside_another()
        spare = self._table.spare.version
        if not any(each.version == spare and each.was_live for each in await self._store.versions(self._table)):
            raise self._refusal("there is nothing to go back to: no rebuild has ended since the last one was begun")
        try:
            await self._exchange()
        finally:
            await self._filling.release()
        return await self._rebuilt(None, None)

    async def _compared(self) -> Compared | None:
        spare, fill = self._table.spare, self._filling.fill
        comparison = Comparison(self._table, self._store, spare, self._store, fill, self._history, self._codec)
        try:
            return await comparison.run()
        except CannotVerify:
            # It has SQL of its own and never stands still; that is no reason not to build it anew.
            return None

    async def _exchange(self) -> None:
        """Catch up with a head that moves, and exchange in a moment in which the live one is not ahead."""
        busy = 0
        for _ in range(_TRIES):
            await self._filling.fill(await self._history.head())
            try:
                if await self._store.exchange(self._table):
                    return
            except StoreBusy:
                # Somebody reads one of the two for long. What was built is not thrown away for that at once.
                busy += 1
                if busy == _BUSY_TRIES:
                    raise
            await self._refuse_unless_live()
            await self._filling.refuse_if_taken()
            await asyncio.sleep(_PAUSE)
        raise self._refusal(f"the live one was ahead at each of {_TRIES} tries; try again when less is written")

    async def _refuse_unless_live(self) -> None:
        if await self._store.checkpoint(self._table) is None:
            raise NotBuilt(model=self._table.name, doing="rebuild")

    async def _refuse_beside_another(self) -> None:
        for segment in await self._store.segments(self._table.spare):
            if segment.holder not in (None, self._holder):
                raise self._refusal(f"{segment.holder} is rebuilding it")

    async def _clean_up(self) -> None:
        """Leave an empty spare, if it is still this rebuild's. What a killed one leaves, the next one begins anew."""
        with contextlib.suppress(StoreError):
            if await self._filling.is_own():
                await self._store.begin_spare(self._table, self._history.id)
            await self._filling.release()

    async def _rebuilt(self, compared: Compared | None, mended: int | None) -> Rebuilt:
        status = await self._store.status(self._table)
        found = Rebuilt(self._table.name, status.checkpoint, status.rows, status.parked, mended)
        if compared is None:
            return found
        return msgspec.structs.replace(
            found,
            differing=compared.count("differing"),
            missing=compared.count("missing"),
            surplus=compared.count("surplus"),
        )

    def _refusal(self, problem: str) -> CannotRebuild:
        return CannotRebuild(model=self._table.name, problem=problem)
