"""Reads back, from the engine's own open connections, the settings that durability rests on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import apsw
import msgspec

from bench.result import check

_PATIENCE = 10.0


class Settings(msgspec.Struct, frozen=True):
    """What a connection that writes the history was found to be set to."""

    synchronous: int
    journal_mode: str
    wal_autocheckpoint: int
    cache_size: int
    page_size: int

    def apply(self, connection: apsw.Connection) -> None:
        """Set a connection to a new file to the same, and check that it took them."""
        connection.pragma("page_size", self.page_size)
        connection.pragma("journal_mode", self.journal_mode)
        for name in ("synchronous", "wal_autocheckpoint", "cache_size"):
            connection.pragma(name, getattr(self, name))
        check(settings_of(connection) == self, f"the floor's connection has other settings: {settings_of(connection)}")


def settings_of(connection: apsw.Connection) -> Settings:
    """Return the settings of a connection as SQLite tells them."""
    return Settings(**{name: connection.pragma(name) for name in Settings.__struct_fields__})


class Witness:
    """Knows every connection that this process opened to write a history while it watched."""

    def __init__(self) -> None:
        self._writing: list[apsw.Connection] = []

    def history_settings(self) -> Settings:
        """Return the settings of the connection that writes history.db, which must be durable.

        Raises:
            WrongResult: no connection writes it, or one is not in WAL mode with synchronous FULL.
        """
        found = [read for connection in self._writing if (read := _settings_when_idle(connection)) is not None]
        check(bool(found), "the engine has no open connection that writes history.db")
        for settings in found:
            check(settings.synchronous == 2, f"PRAGMA synchronous is {settings.synchronous}, not 2 (FULL)")
            check(settings.journal_mode == "wal", f"PRAGMA journal_mode is {settings.journal_mode}, not wal")
        return found[0]

    @contextmanager
    def watching(self) -> Iterator[Witness]:
        """Note the connections that are opened in this block."""
        apsw.connection_hooks.append(self._note)
        try:
            yield self
        finally:
            apsw.connection_hooks.remove(self._note)
            self._writing.clear()

    def _note(self, connection: apsw.Connection) -> None:
        if connection.filename.endswith("history.db") and not connection.readonly("main"):
            self._writing.append(connection)


def _settings_when_idle(connection: apsw.Connection) -> Settings | None:
    """Return a connection's settings; None if it is closed. A thread of the engine may be busy with it for a while."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return settings_of(connection)
        except apsw.ConnectionClosedError:
            return None
        except apsw.ThreadingViolationError:
            check(time.monotonic() < deadline, "the connection that writes history.db is never idle")
            time.sleep(0.001)
