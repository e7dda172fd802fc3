"""Verification: the history folded once more, into a shadow, and every row of the live read model compared with it."""

from __future__ import annotations

from typing import Any

from twofold.errors import CannotVerify, NotBuilt
from twofold.history.codec import Codec
from twofold.history.store import History
from twofold.read.comparison import Compared, Comparison
from twofold.read.filling import Filling, Told
from twofold.read.store import ViewStore
from twofold.read.table import Table


class Verification:
    """Verifies one read model; nothing of it is changed.

    Args:
        table: the live table.
        history: the events.
        store: where the table is.
        codec: the application's events.
        shadow: an empty view store, which is thrown away afterwards.
        told: how far the shadow has come.
    """

    def __init__(
        self,
        table: Table[Any],
        history: History,
        store: ViewStore,
        codec: Codec,
        shadow: ViewStore,
        told: Told | None = None,
    ) -> None:
        self._table = table
        self._history = history
        self._store = store
        self._shadow = shadow
        self._filling = Filling(table, history, shadow, codec, "verification", told)
        self._comparison = Comparison(table, store, table, shadow, self._filling.fill, history, codec)

    async def run(self) -> Compared:
        """Compare every row.

        Raises:
            NotBuilt: the read model is not live.
            CannotVerify: it has SQL of its own, which the shadow cannot run; or moves all the time.
            TooManyParked: the history, as the code is now, parks more keys than the read model allows.
            StoreError: a store or the history cannot be read.
        """
        spoken, known = (store.dialect(self._table) for store in (self._store, self._shadow))
        if self._table.is_batch and spoken != known:
            problem = (
                f"its SQL is that of {spoken}, the shadow's is that of {known}; rebuild it instead, which compares too"
            )
            raise CannotVerify(model=self._table.name, problem=problem)
        if await self._store.checkpoint(self._table) is None:
            raise NotBuilt(model=self._table.name, doing="verify")
        await self._shadow.prepare(self._table, self._history.id)
        return await self._comparison.run()
