"""A real PostgreSQL server for the measurements, and the plain SQL that its floors are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from bench.result import check
from twofold.testing import postgres

SETTINGS = ("server_version", "fsync", "synchronous_commit", "full_page_writes")


class Server:
    """Gives databases, empty ones or copies; every measurement takes a new one a round."""

    def __init__(self, database: Callable[[str], str], settings: dict[str, str]) -> None:
        self._database = database
        self.settings = settings

    def database(self, template: str = "template1") -> str:
        """Return the URL of a new database, a copy of a template, which nobody is connected to."""
        return self._database(template)

    @property
    def said(self) -> str:
        """What was read back, as a sentence."""
        return "Read back from the server: " + ", ".join(f"{name} = {value}" for name, value in self.settings.items())


@contextmanager
def server() -> Iterator[Server]:
    """Start a server with its durable defaults, and stop it at the end of the block.

    Raises:
        WrongResult: it is not durable.
    """
    with postgres() as running:
        settings = asyncio.run(_settings(running.url))
        check(settings["fsync"] == settings["synchronous_commit"] == "on", f"the server is not durable: {settings}")
        yield Server(running.database, settings)


async def _settings(url: str) -> dict[str, str]:
    connection = await asyncpg.connect(url)
    try:
        return {name: str(await connection.fetchval(f"SHOW {name}")) for name in SETTINGS}
    finally:
        await connection.close()


def rows_of(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Return all rows of a statement."""

    async def fetch() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(found) for found in await connection.fetch(statement)]
        finally:
            await connection.close()

    return asyncio.run(fetch())


def place_of(url: str) -> str:
    """Return an address as the peers' programs take it: host, port, database, user, password."""
    parts = urlsplit(url)
    found = (parts.hostname, parts.port, parts.path.lstrip("/"), parts.username, parts.password or "unused")
    return " ".join(map(str, found))
