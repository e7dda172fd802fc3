"""The node that a service answers from: one that it is given, or one that it opens when it is first needed."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from twofold.errors import NodeClosed
from twofold.node import Node


class OtherLoop(RuntimeError):
    """The node was opened on one event loop and is asked on another."""

    def __init__(self) -> None:
        super().__init__(
            "the service's node runs on another event loop than this request; serve all requests from one loop "
            "(with a test client: `with TestClient(host) as client:`)"
        )


class NodeHolder:
    """Opens a node once, however many ask for it at once, and closes what it opened.

    Args:
        make: returns a new node, not yet open; None where the node is given.
        given: a node that the caller opens and closes.
    """

    def __init__(self, make: Callable[[], Node] | None, given: Node | None) -> None:
        self._make = make
        self._node = given
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Task[Node] | None = None
        self._users = 0
        self._ended = False

    async def node(self) -> Node:
        """Return the node, opened if that is still to be done.

        Raises:
            NodeClosed: the service has been shut down.
            OtherLoop: the node runs on another event loop.
            StoreError: it cannot be opened; the next call tries again.
        """
        if self._make is None and self._node is not None:
            return self._node
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            raise OtherLoop
        if self._node is not None:
            return self._node
        if self._ended or self._make is None:
            raise NodeClosed()
        if self._opening is None or self._opening.done():
            self._loop = asyncio.get_running_loop()
            # The node outlives the request that opens it, so it takes nothing over from that request's context.
            self._opening = asyncio.create_task(
                self._open(self._make()), name="twofold-open", context=contextvars.Context()
            )
        # Whoever asked first may go away; the others still want the node.
        return await asyncio.shield(self._opening)

    def drain(self) -> None:
        """Let the node take no more commands, if it is open."""
        if self._node is not None:
            self._node.drain()

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Open the node for a block and close it at the end; blocks may be nested, and follow one another.

        Raises:
            StoreError: it cannot be opened.
        """
        if not self._users:
            self._ended = False
        self._users += 1
        try:
            await self.node()
            yield
        finally:
            self._users -= 1
            if not self._users:
                await self._close()

    async def _open(self, node: Node) -> Node:
        try:
            await node.__aenter__()
            self._node = node
        except BaseException:
            self._loop = None
            raise
        return node

    async def _close(self) -> None:
        if self._make is None:
            return
        self._ended = True
        if self._opening is not None:
            with contextlib.suppress(Exception):
                await asyncio.shield(self._opening)
        node, self._node, self._loop = self._node, None, None
        if node is not None:
            await node.close()
