"""The messages between a PostgreSQL client and its server: where each begins and ends, and what it is about.

https://www.postgresql.org/docs/current/protocol-message-formats.html; without TLS.
"""

from __future__ import annotations

import asyncio
from typing import Literal, TypeAlias

import msgspec

Way: TypeAlias = Literal["to_server", "to_client"]
_TLS_REQUESTS = (80877103, 80877104)


class Message(msgspec.Struct, frozen=True):
    """A message as it came.

    Args:
        way: where it goes.
        kind: its letter; empty for the first one of a client, which has none.
        content: all of it, letter and length included.
        statement: the text of the SQL statement that the connection runs, as far as it is known.
    """

    way: Way
    kind: str
    content: bytes
    statement: str = ""

    @property
    def tells_commit(self) -> bool:
        """True for ReadyForQuery outside of a transaction: what ran before it is committed, or rolled back."""
        return self.way == "to_client" and self.kind == "Z" and self.content[-1:] == b"I"


class Conversation:
    """The messages of one connection, in the order in which they are read from both ends."""

    def __init__(self) -> None:
        self._prepared: dict[bytes, str] = {}
        self._statement = ""

    async def first(self, reader: asyncio.StreamReader) -> Message:
        """Return a client's first message, which has no letter."""
        length = await reader.readexactly(4)
        return Message("to_server", "", length + await reader.readexactly(int.from_bytes(length) - 4))

    async def next(self, way: Way, reader: asyncio.StreamReader) -> Message:
        """Return the next message of one way.

        Raises:
            asyncio.IncompleteReadError: there is none, the connection has ended.
        """
        head = await reader.readexactly(5)
        body = await reader.readexactly(int.from_bytes(head[1:]) - 4)
        if way == "to_server":
            self._follow(head[:1], body)
        return Message(way, head[:1].decode(), head + body, self._statement)

    def _follow(self, kind: bytes, body: bytes) -> None:
        if kind == b"Q":
            self._statement = body[:-1].decode()
        elif kind == b"P":
            name, text, _ = body.split(b"\0", 2)
            self._prepared[name] = self._statement = text.decode()
        elif kind == b"B":
            _, name, _ = body.split(b"\0", 2)
            self._statement = self._prepared.get(name, "")


def asks_for_tls(message: Message) -> bool:
    """Tell whether a first message is a request for an encrypted connection, to be answered with one byte."""
    return int.from_bytes(message.content[4:8]) in _TLS_REQUESTS
