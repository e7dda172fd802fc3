"""Verification: the history folded once more, into a shadow, and every row of the live read model compared with it."""

from __future__ import annotations

import contextlib
from typing import Any

from twofold.errors import CannotVerify, NotBuilt, StoreError
from twofold.history.codec import Codec
from twofold.history.store import History
from twofold.read.comparison import Compared, Comparison
from twofold.read.filling import Filling, Told
from twofold.read.store import Standing, ViewStore
from twofold.read.table import Table


class Verification:
    """Verifies one read model; nothing of it is changed.

    The shadow is in a store of its own, so that the live one's is only read. But SQL of a read model's own runs only
    where it was written for: if that is not there, the shadow is a further table beside the live one. Nobody queries
    it, a rebuild and what is kept to undo one are left alone, and it is dropped at the end. What one that was killed
    has left, the next one drops.

    Args:
        table: the live table.
        history: the events.
        store: where the table is.
        codec: the application's events.
        shadow: an empty view store, which is thrown away afterwards.
        holder: the name under which leases on a shadow beside the table are held, unlike that of anybody else.
        told: how far the shadow has come.
    """

    def __init__(
        self,
        table: Table[Any],
        history: History,
        store: ViewStore,
        codec: Codec,
        shadow: ViewStore,
        holder: str,
        told: Told | None = None,
    ) -> None:
        self._table = table
        self._history = history
        self._store = store
        self._shadow = shadow
        self._holder = holder
        self._is_beside = table.is_batch and store.dialect(table) != shadow.dialect(table)
        copy, place = (table.shadow, store) if self._is_beside else (table, shadow)
        self._filling = Filling(copy, history, place, codec, holder, told)
        self._comparison = Comparison(table, store, copy, place, self._filling.fill, history, codec)

    async def run(self) -> Compared:
        """Compare every row.

        Raises:
            NotBuilt: the read model is not live.
            CannotVerify: it has SQL of its own, and moves all the time, or is being verified by somebody else.
            TooManyParked: the history, as the code is now, parks more keys than the read model allows.
            StoreError: a store or the history cannot be read.
        """
        if await self._store.checkpoint(self._table) is None:
            raise NotBuilt(model=self._table.name, doing="verify")
        if self._is_beside:
            return await self._run_beside()
        await self._shadow.prepare(self._table, self._history.id)
        return await self._comparison.run()

    async def _run_beside(self) -> Compared:
        for segment in await self._store.segments(self._table.shadow):
            if segment.holder not in (None, self._holder):
                raise self._refusal(f"{segment.holder} is verifying it")
        await self._store.begin_shadow(self._table, self._history.id)
        begun = await self._store.standing(self._table.shadow)
        try:
            compared = await self._comparison.run()
            await self._filling.refuse_if_taken()
        except Exception as error:
            if await self._is_own(begun):
                raise
            # What was compared, or failed, may be another one's.
            raise self._refusal("another verification of it was begun meanwhile") from error
        else:
            return compared
        finally:
            with contextlib.suppress(StoreError):
                if await self._is_own(begun):
                    await self._store.drop_shadow(self._table)

    async def _is_own(self, begun: Standing | None) -> bool:
        """Tell whether nobody else has begun the shadow anew, whether or not it has been filled since."""
        return await self._filling.is_own() or await self._store.standing(self._table.shadow) == begun

    def _refusal(self, problem: str) -> CannotVerify:
        return CannotVerify(model=self._table.name, problem=problem)
