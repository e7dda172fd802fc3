"""Where fault tests keep histories and read models: folders or databases, and how to look at them from outside."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from tests.faults.stored import Stored, rows_of, stored_in
from tests.faults.stored_postgres import rows_of_database, stored_in_database
from twofold.testing import PostgresServer, postgres


class Place(Protocol):
    """One history with its read models.

    Attributes:
        url: opens it.
    """

    url: str

    def stored(self) -> Stored:
        """Return what it holds, as whoever was killed left it."""
        ...

    def rows(self, model: str = "statement") -> list[tuple[Any, ...]]:
        """Return the rows of a read model as other SQL tools see them under its live name, in order."""
        ...


class Places(Protocol):
    """Makes places; what an engine needs to run the fault tests.

    Attributes:
        kills: how many rounds of kill -9 a test has time for: where there are leases, each one is waited for.
    """

    kills: int

    def new(self) -> Place:
        """Return a place at which there is nothing yet."""
        ...

    def clear(self) -> None:
        """Delete all that were made."""
        ...


class SqlitePlace:
    """A folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}"

    def stored(self) -> Stored:
        """Look at a copy, so that the files stay as they are."""
        with tempfile.TemporaryDirectory(dir=self.folder.parent) as copy:
            for file in self.folder.glob("history.db*"):
                shutil.copy(file, copy)
            return stored_in(Path(copy))

    def rows(self, model: str = "statement") -> list[tuple[Any, ...]]:
        """Read the live name in `views.db`."""
        return rows_of(self.folder, model)


class SqlitePlaces:
    """Folders within a folder."""

    kills = 8

    def __init__(self) -> None:
        self._folders: list[str] = []

    def new(self) -> SqlitePlace:
        """Return a place within a new folder."""
        self._folders.append(tempfile.mkdtemp())
        return SqlitePlace(Path(self._folders[-1]) / "data")

    def clear(self) -> None:
        """Delete the folders."""
        for folder in self._folders:
            shutil.rmtree(folder)
        self._folders.clear()


class PostgresPlace:
    """A database.

    Args:
        url: opens it as a superuser.
        through: opens it for nodes, where they are to come another way.
    """

    def __init__(self, url: str, through: str = "") -> None:
        self.direct = url
        self.url = through or url

    def stored(self) -> Stored:
        """Look at the tables."""
        return stored_in_database(self.direct)

    def rows(self, model: str = "statement") -> list[tuple[Any, ...]]:
        """Read the live name in the schema `views`."""
        return rows_of_database(self.direct, model)


class PostgresPlaces:
    """Databases of a server."""

    kills = 4

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._made: list[str] = []

    def new(self) -> PostgresPlace:
        """Return a new database."""
        self._made.append(self._server.database())
        return PostgresPlace(self._made[-1])

    def clear(self) -> None:
        """Drop the databases."""
        for url in self._made:
            self._server.drop(url)
        self._made.clear()


@contextmanager
def places_of(engine: str) -> Iterator[Places]:
    """Make places of an engine; for the long scripts."""
    with postgres() as server:
        makers: dict[str, Callable[[], Places]] = {"sqlite": SqlitePlaces, "postgres": lambda: PostgresPlaces(server)}
        yield makers[engine]()
