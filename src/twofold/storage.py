"""Storage addresses: what a URL names, and the one place that knows which engine that is."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from twofold.engines.memory import MemoryHistory, MemoryViews
from twofold.engines.sqlite import SqliteHistory, SqliteSnapshots, SqliteViews
from twofold.errors import InvalidAddress, MissingExtra
from twofold.history.store import History
from twofold.read.store import ViewStore
from twofold.write.store import SnapshotStore

if TYPE_CHECKING:
    from twofold.engines.postgres.storage import PostgresStorage

Role: TypeAlias = Literal["write", "read", "project", "http"]
Kind: TypeAlias = Literal["history", "views"]
SIDES: tuple[Role, ...] = ("write", "read", "project")
ROLES: tuple[Role, ...] = (*SIDES, "http")
_EXPECTED = (
    "expected sqlite:///FOLDER (a relative path; sqlite:////FOLDER for an absolute one), "
    "postgresql://USER@HOST/DATABASE or memory:"
)
_EXPECTED_VIEWS = "for read models alone also valkey://HOST or duckdb:///FOLDER"


class Storage(Protocol):
    """A place for a history and for read models. Until something of it is opened, nothing is touched or made."""

    @property
    def shown(self) -> str:
        """The address as it may be shown to anybody, without secrets."""
        ...

    async def history(self, roles: Collection[Role]) -> History | None:
        """Open the history as a node with these roles needs it; None where its rights do not reach there.

        Raises:
            StoreError: it cannot be opened.
        """
        ...

    async def snapshots(self) -> SnapshotStore | None:
        """Open where a writing node keeps snapshots of long boundaries; None where only its memory keeps them."""
        ...

    async def views(self, roles: Collection[Role]) -> ViewStore:
        """Open the read models as a node with these roles needs them.

        Raises:
            StoreError: they cannot be opened.
        """
        ...

    async def stored(self) -> frozenset[Kind]:
        """Return what is kept there already; nothing is made."""
        ...


class MemoryStorage:
    """`memory:`, which lives and ends with a node."""

    shown = "memory:"

    async def history(self, roles: Collection[Role]) -> History:
        """Return a new history."""
        return MemoryHistory()

    async def snapshots(self) -> None:
        """Return nothing: there is no time without the node."""

    async def views(self, roles: Collection[Role]) -> ViewStore:
        """Return a new view store."""
        return MemoryViews()

    async def stored(self) -> frozenset[Kind]:
        """Return nothing: each node has a memory of its own."""
        return frozenset()


class SqliteStorage:
    """`sqlite:///FOLDER`: two or three files in a folder. They know no rights, so every node may read the history."""

    def __init__(self, url: str) -> None:
        self.shown = url
        self._folder = _folder(url)

    async def history(self, roles: Collection[Role]) -> History:
        """Open `history.db`."""
        return SqliteHistory(self._folder)

    async def snapshots(self) -> SnapshotStore:
        """Return what reads and makes `snapshots.db` when there is need."""
        return SqliteSnapshots(self._folder)

    async def views(self, roles: Collection[Role]) -> ViewStore:
        """Open `views.db`."""
        return SqliteViews(self._folder)

    async def stored(self) -> frozenset[Kind]:
        """Return which of the two files there are."""
        kinds: tuple[Kind, ...] = ("history", "views")
        return frozenset(kind for kind in kinds if (self._folder / f"{kind}.db").is_file())


def storage_at(url: str) -> Storage:
    """Return what a URL names; nothing is opened.

    Raises:
        InvalidAddress: the URL names no engine.
        MissingExtra: the engine's packages are not installed.
    """
    match url.partition(":"):
        case ("memory", _, ""):
            return MemoryStorage()
        case ("sqlite", _, _):
            return SqliteStorage(url)
        case ("postgresql" | "postgres", _, _):
            return _postgres(url)
        case ("valkey" | "valkeys" | "valkey+unix" | "redis" | "rediss" | "redis+unix", _, _):
            return _valkey(url)
        case ("duckdb", _, _):
            return _duckdb(url)
    raise InvalidAddress(address=_without_secrets(url), problem=f"{_EXPECTED}; {_EXPECTED_VIEWS}; found another scheme")


@asynccontextmanager
async def shadow_views() -> AsyncIterator[ViewStore]:
    """Give an empty view store that is gone at the end of the block; what it holds is on the disk, not in memory."""
    with TemporaryDirectory(prefix="twofold-shadow-") as folder:
        views = SqliteViews(Path(folder))
        try:
            yield views
        finally:
            await views.close()


def database_at(url: str) -> PostgresStorage:
    """Return the database that a URL names, to make it ready for nodes; nothing is opened.

    Raises:
        InvalidAddress: it names none: files and memory need no making ready.
        MissingExtra: the driver is not installed.
    """
    storage = storage_at(url)
    if not url.startswith(("postgresql:", "postgres:")):
        problem = "expected postgresql://…; other storage is made when it is first opened"
        raise InvalidAddress(address=storage.shown, problem=problem)
    return _postgres(url)


def _postgres(url: str) -> PostgresStorage:
    try:
        from twofold.engines.postgres.storage import PostgresStorage
    except ModuleNotFoundError as error:
        raise MissingExtra(feature="PostgreSQL", extra="postgres") from error
    return PostgresStorage(url)


def _valkey(url: str) -> Storage:
    try:
        from twofold.engines.valkey.storage import ValkeyStorage
    except ModuleNotFoundError as error:
        raise MissingExtra(feature="Valkey", extra="valkey") from error
    return ValkeyStorage(url)


def _duckdb(url: str) -> Storage:
    try:
        from twofold.engines.duckdb.storage import DuckDbStorage
    except ModuleNotFoundError as error:
        raise MissingExtra(feature="DuckDB", extra="duckdb") from error
    return DuckDbStorage(url)


def _folder(url: str) -> Path:
    prefix = "sqlite:///"
    if not url.startswith(prefix) or len(url) == len(prefix):
        raise InvalidAddress(address=_without_secrets(url), problem=f"{_EXPECTED}, found a SQLite URL without a folder")
    if not url.isprintable():
        raise InvalidAddress(address=ascii(url), problem="the folder's name has characters that cannot be shown")
    return Path(os.path.expanduser(url.removeprefix(prefix)))


def _without_secrets(url: str) -> str:
    return url.rpartition("@")[2].partition("?")[0]
