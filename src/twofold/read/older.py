"""Older versions of read models: they answer while a new one is built, where their rows can be read as its."""

from __future__ import annotations

from typing import Any

from twofold.read.store import ViewStore
from twofold.read.table import Table


class Older:
    """Finds the version that is live while another one is being built.

    Args:
        store: where the read models are.
    """

    def __init__(self, store: ViewStore) -> None:
        self._store = store
        self._known: dict[Table[Any], Table[Any]] = {}

    async def of(self, table: Table[Any]) -> Table[Any] | None:
        """Return the live table of another version whose columns and key are this one's; None if there is none."""
        known = self._known.get(table)
        if known is not None and await self._store.checkpoint(known) is not None:
            return known
        for each in await self._store.versions(table):
            if each.live and each.shape == table.shape and each.version != table.version:
                self._known[table] = table.of_version(each.version)
                return self._known[table]
        return None
