"""`duckdb:///FOLDER`: a file as storage of a node's read models."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Literal, TypeAlias

from twofold.engines.duckdb.views import FILE, DuckDbViews
from twofold.errors import InvalidAddress

Kind: TypeAlias = Literal["history", "views"]
_PREFIX = "duckdb:///"


class DuckDbStorage:
    """A folder with `views.duckdb`. Until it is opened, nothing is touched or made.

    Args:
        url: `duckdb:///FOLDER`, of a relative path; `duckdb:////FOLDER` of an absolute one.

    Raises:
        InvalidAddress: the URL is not understood.
    """

    def __init__(self, url: str) -> None:
        if not url.startswith(_PREFIX) or len(url) == len(_PREFIX) or not url.isprintable():
            problem = "expected duckdb:///FOLDER (a relative path; duckdb:////FOLDER for an absolute one)"
            raise InvalidAddress(address=ascii(url)[1:-1], problem=problem)
        self.shown = url
        self._folder = Path(os.path.expanduser(url.removeprefix(_PREFIX)))

    async def history(self, roles: Collection[str]) -> None:
        """Refuse: a history is read and written by many at once, event by event.

        Raises:
            InvalidAddress: always.
        """
        problem = "it keeps read models, no history; give it as views=, beside a history on SQLite or PostgreSQL"
        raise InvalidAddress(address=self.shown, problem=problem)

    async def snapshots(self) -> None:
        """Return nothing: snapshots are kept beside a history."""

    async def views(self, roles: Collection[str]) -> DuckDbViews:
        """Open `views.duckdb`."""
        return DuckDbViews(self._folder)

    async def stored(self) -> frozenset[Kind]:
        """Return whether there is the file."""
        return frozenset(("views",)) if (self._folder / FILE).is_file() else frozenset()
