"""A server as a node uses it: scripts, each of them one step, over a few connections that heal by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from valkey.asyncio import BlockingConnectionPool, Valkey
from valkey.asyncio.retry import Retry
from valkey.backoff import NoBackoff
from valkey.exceptions import NoScriptError

from twofold.engines.valkey.address import Address
from twofold.engines.valkey.failure import DRIVERS, is_lost, refused, translate
from twofold.engines.valkey.scripts import Script, script
from twofold.errors import InvalidAddress, StoreUnavailable

Argument: TypeAlias = bytes | str | int

_NEEDED = 7


class Server:
    """A Valkey or Redis server. Every use of it ends within the address's deadline.

    Args:
        address: the server.

    Raises:
        InvalidAddress: the driver does not understand an option of the URL.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.shown = address.shown
        try:
            pool = BlockingConnectionPool.from_url(
                address.url,
                max_connections=address.connections,
                timeout=address.deadline,
                socket_timeout=address.deadline,
                socket_connect_timeout=address.deadline,
                # What is sent again is decided here: a batch never is.
                retry=Retry(NoBackoff(), 0),
            )
            pool.make_connection()
        except (ValueError, TypeError, AttributeError) as error:
            problem = "the driver does not understand the URL's options"
            raise InvalidAddress(address=self.shown, problem=problem) from error
        self._client = Valkey(connection_pool=pool)

    async def open(self) -> None:
        """See whether the server can keep read models.

        Raises:
            StoreUnavailable: it cannot be reached, is too old, or would throw away rows when its memory is full.
        """
        try:
            about = {**await self._client.info("server"), **await self._client.info("memory")}
        except DRIVERS as error:
            raise refused(error, self.shown) from error
        version = str(about.get("valkey_version") or about.get("redis_version", "0"))
        if int(version.partition(".")[0]) < _NEEDED:
            problem = f"the server is version {version}, expected {_NEEDED}.0 or newer"
            raise StoreUnavailable(path=self.shown, problem=problem)
        policy = str(about.get("maxmemory_policy", "noeviction"))
        if policy.startswith("allkeys"):
            problem = (
                f"its maxmemory-policy is {policy}, so rows would vanish without a word when memory is full; "
                "set it to noeviction, or to a volatile-… one"
            )
            raise StoreUnavailable(path=self.shown, problem=problem)

    async def run(self, name: str, keys: Sequence[str], values: Sequence[Argument] = ()) -> Any:
        """Run a script and return what it returns. One that only reads is tried again, once, on another connection.

        Raises:
            StoreError: it could not be run; one that writes may have been run all the same, whole.
        """
        wanted = script(name)
        try:
            return await self._run(wanted, keys, values)
        except DRIVERS as error:
            if not (wanted.reads and is_lost(error)):
                raise translate(error, self.shown, writing=not wanted.reads) from error
        try:
            return await self._run(wanted, keys, values)
        except DRIVERS as error:
            raise translate(error, self.shown) from error

    async def call(self, command: str, *values: Argument) -> Any:
        """Run one command that may as well be run twice, and return what it returns.

        Raises:
            StoreError: it could not be run.
        """
        for is_last in (False, True):
            try:
                return await self._client.execute_command(command, *values)
            except DRIVERS as error:
                if is_last or not is_lost(error):
                    raise translate(error, self.shown) from error
        return None

    async def close(self) -> None:
        """Close all connections. May be called twice."""
        await self._client.aclose(close_connection_pool=True)

    async def _run(self, wanted: Script, keys: Sequence[str], values: Sequence[Argument]) -> Any:
        suffix = "_RO" if wanted.reads else ""
        try:
            return await self._client.execute_command(f"EVALSHA{suffix}", wanted.sha, len(keys), *keys, *values)
        except NoScriptError:
            return await self._client.execute_command(f"EVAL{suffix}", wanted.text, len(keys), *keys, *values)
