"""Where fault tests keep histories and read models: folders or databases, and how to look at them from outside."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, Protocol

from tests.faults.stored import Stored, rows_of, stored_in


class Place(Protocol):
    """One history with its read models.

    Attributes:
        url: opens it.
    """

    url: str

    def stored(self) -> Stored:
        """Return what it holds, as whoever was killed left it."""
        ...

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the rows of the statements as other SQL tools see them under their live name, in order."""
        ...


class Places(Protocol):
    """Makes places; what an engine needs to run the fault tests."""

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

    def rows(self) -> list[tuple[Any, ...]]:
        """Read the live name in `views.db`."""
        return rows_of(self.folder)


class SqlitePlaces:
    """Folders within a folder."""

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
