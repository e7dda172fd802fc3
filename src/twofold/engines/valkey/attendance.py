"""Which nodes project, and which of them holds what."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

import msgspec

from twofold.engines.valkey.keys import FORM
from twofold.engines.valkey.server import Server
from twofold.read.share import Attendance, Segment

_pack = msgspec.msgpack.Encoder().encode
_names = msgspec.msgpack.Decoder(list[str])


class Attendances:
    """Nodes in a hash of their own, and the leases that tables hold. Times are the server's.

    They lie in several slots of a cluster, so they are read one after another: whoever sees them between two changes
    loses a moment by it, for a segment is projected under its lease alone.

    Args:
        server: where they are.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._nodes = f"{{{server.address.prefix}:{FORM}}}:nodes"
        self._tables = f"{{{server.address.prefix}:{FORM}}}:tables"

    async def note(self, key: str) -> None:
        """Note that there is a table, or is about to be."""
        await self._server.call("SADD", self._tables, key)

    async def attend(self, node: str, tables: Collection[str], seconds: float) -> None:
        """Note a node; see `SharedViewStore.attend`."""
        await self._server.run("attend", [self._nodes], [node, _pack(sorted(tables)), round(seconds * 1000)])

    async def leave(self, node: str) -> None:
        """Forget a node."""
        await self._server.run("leave", [self._nodes], [node])

    async def attendance(self, node: str) -> Attendance:
        """Return who is there."""
        nodes = await self._server.run("nodes", [self._nodes])
        ends = [int(left) for name, _, left in nodes if name.decode() != node]
        held: dict[Segment, str | None] = {}
        for name, segments in await self._held():
            for number, (_, holder, left) in enumerate(segments):
                held[Segment(name, number)] = holder.decode() or None
                if holder and holder.decode() != node:
                    ends.append(int(left))
        able = {name.decode(): _names.decode(tables) for name, tables, _ in nodes}
        return Attendance(able, held, min(ends) / 1000 if ends else float("inf"))

    async def _held(self) -> Sequence[tuple[str, Sequence[tuple[bytes, bytes, bytes]]]]:
        keys = sorted(key.decode() for key in await self._server.call("SMEMBERS", self._tables))
        found = await asyncio.gather(*(self._server.run("status", [key]) for key in keys))
        return [(_name_in(key), status[-1]) for key, status in zip(keys, found, strict=True) if status is not None]


def _name_in(key: str) -> str:
    tag, _, version = key.partition("}:table:")
    return f"{tag.rpartition(':')[2]}__{version}"
