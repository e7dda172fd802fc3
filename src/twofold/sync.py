"""A node for programs without an event loop: scripts, Flask and Django views, plain threads.

with app.open("sqlite:///data").sync as node:
    receipt = node.send(RegisterUser(user_id, "Ada"))
    profile = node.ask(GetProfile(user_id), after=receipt)
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from twofold.context import Receipt
from twofold.errors import CannotBlock, NodeClosed
from twofold.history.record import Position
from twofold.node import Node
from twofold.session import SyncSession

P = ParamSpec("P")
R = TypeVar("R")
_BATCH = 500
_LOOK = 1.0
_PATIENCE = 10.0


def blocking(
    method: Callable[Concatenate[Node, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[SyncNode, P], R]:
    """Return a method of a node as one that waits for its result."""

    @functools.wraps(method)
    def call(self: SyncNode, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.wait(method.__name__, lambda node: method(node, *args, **kwargs))

    return call


def stepping(
    method: Callable[Concatenate[Node, P], AsyncIterator[R]], batch: int = _BATCH
) -> Callable[Concatenate[SyncNode, P], Iterator[R]]:
    """Return a method of a node that yields as one that can be iterated over; it reads ahead, up to a batch."""

    @functools.wraps(method)
    def call(self: SyncNode, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        source = method(self._node, *args, **kwargs)
        try:
            while found := self.wait(method.__name__, lambda _: _some(source, batch)):
                yield from found
        finally:
            with suppress(NodeClosed):
                self.wait(method.__name__, lambda _: _ended(source))

    return call


class SyncNode:
    """Waits for what its `Node` does; each method is the node's own, without `await`. Made by `Node.sync`.

    Entered as a context manager, it opens the node on an event loop in a thread of its own; `open` and `close` do the
    same for programs whose beginning and end are in different places. Where the node is open already, on an event loop
    elsewhere, nothing need be entered: `node.sync.send(…)`, from any other thread.

    Any number of threads may call it at once. Errors are those of the node's methods; besides:

    Raises:
        CannotBlock: an event loop runs in the calling thread, which would stand still.
        NodeClosed: the node is not open, is closed meanwhile, or was opened before this process was forked.
    """

    send = blocking(Node.send)
    preview = blocking(Node.preview)
    ask = blocking(Node.ask)
    answer = blocking(Node.answer)
    causation = blocking(Node.causation)
    models = blocking(Node.models)
    rebuild = blocking(Node.rebuild)
    verify = blocking(Node.verify)
    parked = blocking(Node.parked)
    retry_parked = blocking(Node.retry_parked)
    drop_parked = blocking(Node.drop_parked)
    caught_up = blocking(Node.caught_up)
    events = stepping(Node.events)
    ledger = stepping(Node.ledger)
    watch = stepping(Node.watch, 1)

    def __init__(self, node: Node) -> None:
        self._node = node
        self._home: _Home | None = None
        self._finalizer: Callable[[], object] | None = None

    def open(self) -> Self:
        """Open the node in a thread of its own, if it is not open yet, and return this.

        Whoever forgets to close it is warned when the program ends; it is closed then as well as that is possible.

        Raises:
            Exception: as on entering the node; it is not open then.
        """
        _refuse_loop("open")
        if self._home is None and not self._node.is_open:
            home = _Home(self._node)
            home.start()
            self._home, self._finalizer = home, weakref.finalize(self, _abandoned, home, self._node.app.name)
        return self

    def close(self) -> None:
        """Close the node: what is decided becomes durable, the rest is refused. May be called twice."""
        _refuse_loop("close")
        home, self._home = self._home, None
        if home is not None:
            if isinstance(self._finalizer, weakref.finalize):
                self._finalizer.detach()
            home.stop()

    def session(self, *, after: Receipt | Position | None = None) -> SyncSession:
        """Return what remembers the commands that are sent through it; see `Node.session`."""
        return SyncSession(self, self._node.session(after=after))

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *details: object) -> None:
        self.close()

    def wait(self, name: str, start: Callable[[Node], Coroutine[Any, Any, R]]) -> R:
        """Start something on the node's event loop and return its result; for the node's sessions."""
        _refuse_loop(name)
        future, loop = self._node.start_from_elsewhere(start)
        try:
            while True:
                try:
                    return future.result(_LOOK)
                except TimeoutError:
                    # It may be the call's own; else nobody would tell that the loop has ended without this call.
                    if future.done():
                        raise
                    if loop.is_closed():
                        raise NodeClosed() from None
        except CancelledError:
            raise NodeClosed() from None
        finally:
            # Ctrl-C: what is in the append goes on, what is not decided is given up.
            future.cancel()


class _Home:
    """The thread that a node lives in, with an event loop of its own."""

    def __init__(self, node: Node) -> None:
        self._opened: Future[None] = Future()
        self._node = node
        self._process = os.getpid()
        # Nobody who forgets to close the node shall wait for it for ever.
        self._thread = threading.Thread(target=self._live, name=f"twofold-{node.app.name}", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()
        self._error: BaseException | None = None

    def start(self) -> None:
        """Return when the node is open; raises what opening it raised."""
        self._thread.start()
        try:
            self._opened.result()
        except BaseException:
            self.stop(_PATIENCE)
            raise

    def stop(self, patience: float | None = None) -> None:
        """Return when the node is closed, or after so many seconds; raises what closing it raised."""
        if os.getpid() != self._process or threading.current_thread() is self._thread:
            return
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(patience)
        if self._error is not None:
            raise self._error

    def _live(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - it is raised where the thread was begun, or ended
            if self._opened.done():
                self._error = error
            else:
                self._opened.set_exception(error)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with self._node:
            self._opened.set_result(None)
            await self._ending.wait()


def _abandoned(home: _Home, name: str) -> None:
    with suppress(Exception):
        home.stop(_PATIENCE)
    warnings.warn(f"the node of {name!r} was not closed; use `with app.open(…).sync as node:`", ResourceWarning, 2)


def _refuse_loop(name: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise CannotBlock(call=name)


async def _some(source: AsyncIterator[R], batch: int) -> list[R]:
    found: list[R] = []
    async for each in source:
        found.append(each)
        if len(found) == batch:
            break
    return found


async def _ended(source: AsyncIterator[Any]) -> None:
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()
