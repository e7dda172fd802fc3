"""What an engine's test module tells the suites: how to open the engine, and what it declares that it cannot do."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

import pytest

from twofold.history.store import History
from twofold.read.store import ViewStore

Ability: TypeAlias = Literal["reopen", "share", "connect", "lease", "transact", "work", "find", "sql", "search"]
ABILITIES: dict[Ability, str] = {
    "work": "run SQL of a read model's own, in the transaction of its batch",
    "reopen": "be closed and opened again with all that it held",
    "share": "be opened twice at one place at the same time",
    "connect": "be written to through a raw connection of its database",
    "lease": "keep other nodes from projecting while one holds the lease",
    "find": "find rows by any of their fields and in any order, beyond the key's",
    "sql": "answer SQL text",
    "search": "search for words",
    "transact": "keep tables of the application's own, written in the transaction of its events",
}
"""What an engine may declare that it cannot do. The suites test the rest; nothing is left out silently."""


@runtime_checkable
class _Closing(Protocol):
    async def close(self) -> None: ...


Store = TypeVar("Store", bound=_Closing)


class Engine(Generic[Store]):
    """How the suites open an engine.

    Args:
        name: what the engine is called in messages.
        open: opens, plainly or asynchronously, what is at a place; twice the same place is twice the same content.
        place: returns a new place at which there is nothing yet.
        cannot: abilities that the engine does not have.
        write_raw: tries to run a statement on the connection that queries are read with; see `ViewStoreContract`.
    """

    def __init__(
        self,
        name: str,
        open: Callable[[Any], Store | Awaitable[Store]],
        *,
        place: Callable[[], Any] = lambda: None,
        cannot: frozenset[Ability] | set[Ability] = frozenset(),
        write_raw: Callable[[Store, str], object] | None = None,
    ) -> None:
        unknown = set(cannot) - set(ABILITIES)
        if unknown:
            raise ValueError(f"{name} declares unknown abilities {sorted(unknown)}; expected some of {list(ABILITIES)}")
        self.name = name
        self.place = place
        self.cannot = frozenset(cannot)
        self.write_raw = write_raw
        self._open = open

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, cannot={sorted(self.cannot)})"

    async def at(self, place: Any) -> Store:
        """Open what is at a place; the caller closes it."""
        opened = self._open(place)
        return await opened if inspect.isawaitable(opened) else opened

    @asynccontextmanager
    async def opened(self, place: Any) -> AsyncIterator[Store]:
        """Open what is at a place, and close it at the end of the block."""
        store = await self.at(place)
        try:
            yield store
        finally:
            await store.close()

    def needs(self, ability: Ability) -> None:
        """Skip the running test, saying so, where the engine declares that it cannot do this."""
        if ability in self.cannot:
            pytest.skip(f"{self.name} declares that it cannot {ABILITIES[ability]}")


HistoryEngine: TypeAlias = Engine[History]
ViewEngine: TypeAlias = Engine[ViewStore]
