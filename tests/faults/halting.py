"""View stores that stop their process (SIGSTOP) at one place in a batch, once SIGUSR1 has asked for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

import apsw
import msgspec

from tests.faults.saying import say
from twofold.engines.postgres.address import SCHEMES, read_address
from twofold.engines.postgres.server import Server
from twofold.engines.postgres.views import PostgresViews
from twofold.engines.sqlite import SqliteViews
from twofold.read.store import Advance, ViewStore
from twofold.read.table import Table

Where: TypeAlias = Literal["before", "inside", "after", "unfenced"]
"""Before the transaction of a batch, before its COMMIT (SQLite only), or after it. `unfenced` is a planted bug: before
it, and then the batch is stored wherever the checkpoint and the epoch of its segment are by then."""


class Halt:
    """Stops this process.

    Args:
        where: at which place.
        in_segments: only in batches of read models that have several.
    """

    def __init__(self, where: Where, *, in_segments: bool) -> None:
        self.fenced = where != "unfenced"
        self._place = where if self.fenced else "before"
        self._least = 2 if in_segments else 1
        self._wanted = False
        signal.signal(signal.SIGUSR1, self._want)

    def at(self, place: Where, table: Table[Any], advance: Advance) -> bool:
        """Stop if this is the place, and there are rows to store; tell whether it was."""
        if not self._wanted or place != self._place or table.segments < self._least or not advance.rows:
            return False
        self._wanted = False
        self.now(place)
        return True

    def now(self, told: str) -> None:
        """Say something, and stop."""
        say(told)
        os.kill(os.getpid(), signal.SIGSTOP)

    def _want(self, *_: object) -> None:
        self._wanted = True


async def apply_halting(
    store: ViewStore,
    halt: Halt,
    apply: Callable[[Table[Any], Advance], Awaitable[bool]],
    table: Table[Any],
    advance: Advance,
) -> bool:
    """Apply a batch and stop around it; if it is let go on before that, tell what became of it, and stop again."""
    halted = halt.at("before", table, advance)
    stored = await apply(table, advance)
    while halted and not stored and not halt.fenced:
        stored = await apply(table, await here_and_now(store, table, advance))
    if halted:
        halt.now("stored" if stored else "refused")
    elif stored:
        halt.at("after", table, advance)
    return stored


class HaltingSqlite(SqliteViews):
    """Stops before, inside or after a batch."""

    def __init__(self, folder: Path, halt: Halt) -> None:
        super().__init__(folder)
        self._halt = halt

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        return await apply_halting(self, self._halt, super().apply, table, advance)

    async def _apply(self, connection: apsw.Connection, table: Table[Any], advance: Advance) -> bool:
        stored = await super()._apply(connection, table, advance)
        if stored:
            self._halt.at("inside", table, advance)
        return stored


class HaltingPostgres(PostgresViews):
    """Stops before or after a batch."""

    def __init__(self, url: str, halt: Halt) -> None:
        super().__init__(None, Server(read_address(url, {}), "projector"))
        self._halt = halt

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        return await apply_halting(self, self._halt, super().apply, table, advance)


async def here_and_now(store: ViewStore, table: Table[Any], advance: Advance) -> Advance:
    """Return a batch as if it had been folded from where its segment is by now."""
    found = await store.standing(table, advance.segment)
    assert found is not None
    return msgspec.structs.replace(advance, expected=found.checkpoint, epoch=found.epoch)


async def open_halting(url: str, where: Where, *, in_segments: bool) -> ViewStore:
    """Open the read models at a URL by a store that stops."""
    halt = Halt(where, in_segments=in_segments)
    if not url.startswith(SCHEMES):
        return HaltingSqlite(Path(url.removeprefix("sqlite:///")), halt)
    views = HaltingPostgres(url, halt)
    await views.open()
    return views
