"""A TCP proxy in front of a PostgreSQL server that can go wrong at any message, either way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Literal, Self, TypeAlias
from urllib.parse import urlsplit

import msgspec

from tests.faults.messages import Conversation, Message, Way, asks_for_tls

Act: TypeAlias = Literal["reset", "torn", "half_closed", "black_hole", "held", "delayed"]
ACTS: tuple[Act, ...] = ("reset", "torn", "half_closed", "black_hole", "held", "delayed")


class Fault(msgspec.Struct):
    """What befalls one message.

    Args:
        act: `reset`: it is dropped, both sides are reset. `torn`: the same after half of its bytes. `half_closed`: it
            and what follows it are dropped, its receiver is told the end, the other way stays. `black_hole`: nothing
            goes through any more, and no new connection is answered, until `Proxy.mend`. `held`: its connection
            alone stands still until then, whatever its client does. `delayed`: it waits, and all behind it.
        number: which of the messages that `of` takes, from 1.
        of: takes a message.
        seconds: how long it is delayed.

    Attributes:
        came: set when the message has come.
    """

    act: Act
    number: int = 1
    of: Callable[[Message], bool] = lambda message: True
    seconds: float = 0.05
    seen: int = 0
    came: asyncio.Event = msgspec.field(default_factory=asyncio.Event)

    @property
    def has_struck(self) -> bool:
        """True as soon as the message has come."""
        return self.seen >= self.number

    def strikes(self, message: Message) -> bool:
        """Tell, once, that this is the message."""
        if self.has_struck or not self.of(message):
            return False
        self.seen += 1
        if self.has_struck:
            self.came.set()
        return self.has_struck


class Proxy:
    """Listens on a port of its own; an async context manager.

    Args:
        url: of the server behind it.

    Attributes:
        fault: what is planned, if anything.
        passed: the messages that came; clear it to begin anew.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._links: set[_Link] = set()
        self._port = 0
        self.open = asyncio.Event()
        self.open.set()
        self.fault: Fault | None = None
        self.passed: list[Message] = []

    @property
    def url(self) -> str:
        """The server's URL, through the proxy."""
        user, at, _ = self._parts.netloc.rpartition("@")
        return self._parts._replace(netloc=f"{user}{at}127.0.0.1:{self._port}").geturl()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(
            lambda: asyncio.StreamReaderProtocol(_Reader(), self._accept), "127.0.0.1", 0
        )
        self._port = self._listening.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *details: object) -> None:
        self._listening.close()
        await self.cut_all()
        await self._listening.wait_closed()

    def mend(self) -> None:
        """Let everything through again; servers are given what was kept from them."""
        self.fault = None
        self.open.set()
        for link in self._links:
            link.open.set()

    async def left(self) -> None:
        """Return when the clients of what is held, or delayed, have left it, and all else that they left has ended."""
        while any(link.is_left != link.is_held for link in self._links):
            await asyncio.sleep(0.001)

    async def quiet(self) -> None:
        """Return when every connection that its client has left has ended, with all that it had sent handled."""
        while any(link.is_left for link in self._links):
            await asyncio.sleep(0.001)

    async def cut_all(self) -> None:
        """Reset every connection."""
        for link in tuple(self._links):
            link.reset()
        while self._links:
            await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, reader, writer)
        self._links.add(link)
        try:
            await link.run(self._parts.hostname or "127.0.0.1", self._parts.port or 5432)
        finally:
            self._links.discard(link)


class _Reader(asyncio.StreamReader):
    """Knows as soon as its other side has gone, before all that came from there is read."""

    has_ended = False

    def feed_eof(self) -> None:
        self.has_ended = True
        super().feed_eof()

    def set_exception(self, exc: Exception) -> None:
        self.has_ended = True
        super().set_exception(exc)


class _Link:
    """A client's connection, and the one to the server that stands for it."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy, self._reader = proxy, reader
        self._writers = [writer]
        self._conversation = Conversation()
        self._pumps: list[asyncio.Task[None]] = []
        self._is_delayed = False
        self.open = asyncio.Event()
        self.open.set()

    async def run(self, host: str, port: int) -> None:
        """Pass messages on until either side ends."""
        client = self._writers[0]
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._proxy.open.wait()
                first = await self._conversation.first(self._reader)
                while asks_for_tls(first):
                    client.write(b"N")
                    first = await self._conversation.first(self._reader)
                reader, server = await asyncio.open_connection(host, port)
                self._writers.append(server)
                server.write(first.content)
                to_server = asyncio.create_task(self._pump("to_server", self._reader, server))
                to_client = asyncio.create_task(self._pump("to_client", reader, client))
                self._pumps = [to_server, to_client]
                await asyncio.wait(self._pumps, return_when=asyncio.FIRST_COMPLETED)
                if not to_client.done():
                    # The client has gone: the server ends when it has handled all that came.
                    server.write_eof()
                    await asyncio.wait([to_client])
        finally:
            await self._end()

    @property
    def is_left(self) -> bool:
        """True where the client has gone."""
        return isinstance(self._reader, _Reader) and self._reader.has_ended

    @property
    def is_held(self) -> bool:
        """True while something on its way here waits."""
        return self._is_delayed or not self.open.is_set()

    def reset(self) -> None:
        """End both connections at once, so that both sides are told so."""
        for writer in self._writers:
            connected: socket.socket = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        for pump in self._pumps:
            pump.cancel()

    async def _pump(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                message = await self._conversation.next(way, reader)
                self._proxy.passed.append(message)
                fault = self._proxy.fault
                if fault is not None and fault.strikes(message) and not await self._befall(fault, message, writer):
                    await reader.read(-1)
                    return
                await self._proxy.open.wait()
                await self.open.wait()
                if way == "to_server" or not self.is_left:
                    writer.write(message.content)
                    await writer.drain()

    async def _befall(self, fault: Fault, message: Message, writer: asyncio.StreamWriter) -> bool:
        """Do what is planned; True where the message is to be passed on all the same."""
        match fault.act:
            case "delayed":
                self._is_delayed = True
                await asyncio.sleep(fault.seconds)
                self._is_delayed = False
            case "black_hole":
                self._proxy.open.clear()
            case "held":
                self.open.clear()
            case "half_closed":
                writer.write_eof()
                return False
            case "reset" | "torn":
                if fault.act == "torn":
                    writer.write(message.content[: len(message.content) // 2])
                    await writer.drain()
                self.reset()
                return False
        return True

    async def _end(self) -> None:
        for pump in self._pumps:
            pump.cancel()
        for pump in self._pumps:
            with contextlib.suppress(asyncio.CancelledError):
                await pump
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
