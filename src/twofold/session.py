"""A session: who sends through it reads their own writes, without carrying receipts about.

session = node.session()
await session.send(RegisterUser(user_id, "Ada"))
profile = await session.ask(GetProfile(user_id))      # shows the registration
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Coroutine
from datetime import datetime
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from twofold.context import ANONYMOUS, Principal, Receipt
from twofold.history.record import Position
from twofold.message import Query
from twofold.node import Node

if TYPE_CHECKING:
    from twofold.read.answer import Answer
    from twofold.sync import SyncNode

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")


def remembering(
    method: Callable[Concatenate[Node, P], Coroutine[Any, Any, Receipt]],
) -> Callable[Concatenate[Session, P], Coroutine[Any, Any, Receipt]]:
    """Return a method of a node that gives a receipt as one of a session, which remembers the receipt's position."""

    @functools.wraps(method)
    async def call(self: Session, /, *args: P.args, **kwargs: P.kwargs) -> Receipt:
        receipt = await method(self._node, *args, **kwargs)
        self.position = max(self.position, receipt.position)
        return receipt

    return call


class Session:
    """Sends and asks through a node; each answer shows every command sent before. Made by `Node.session`.

    Any number of tasks may use it. It holds nothing but its position: it need not be closed, though `async with` may
    show where it ends. What its user did on another node is seen as well if the position comes along:

        session = node.session(after=position)

    Attributes:
        position: what the commands sent through it have reached; 0 before the first. It never goes back.
    """

    send = remembering(Node.send)

    def __init__(self, node: Node, position: Position = 0) -> None:
        self._node = node
        self.position = position

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *details: object) -> None: ...

    async def ask(
        self,
        query: Query[A],
        *,
        after: Receipt | Position | None = None,
        max_lag: float | None = None,
        as_of: Receipt | Position | datetime | None = None,
        timeout: float = 5.0,
        principal: Principal = ANONYMOUS,
    ) -> A:
        """Answer a query; the answer shows every command of the session, and what else is asked for.

        Args and raises: see `Node.ask`.
        """
        return await self._node.ask(
            query, after=self._after(after), max_lag=max_lag, as_of=as_of, timeout=timeout, principal=principal
        )

    async def answer(
        self,
        query: Query[A],
        *,
        after: Receipt | Position | None = None,
        max_lag: float | None = None,
        as_of: Receipt | Position | datetime | None = None,
        timeout: float = 5.0,
        principal: Principal = ANONYMOUS,
    ) -> Answer[A]:
        """Answer a query, and tell up to which position the answer shows everything.

        Args and raises: see `Node.ask`.
        """
        return await self._node.answer(
            query, after=self._after(after), max_lag=max_lag, as_of=as_of, timeout=timeout, principal=principal
        )

    def watch(
        self,
        query: Query[A],
        *,
        after: Receipt | Position | None = None,
        max_lag: float | None = None,
        timeout: float = 5.0,
        principal: Principal = ANONYMOUS,
    ) -> AsyncGenerator[A, None]:
        """Yield a query's answer, and again whenever it has changed; the first shows every command of the session.

        Args and raises: see `Node.watch`.
        """
        return self._node.watch(query, after=self._after(after), max_lag=max_lag, timeout=timeout, principal=principal)

    def _after(self, after: Receipt | Position | None) -> Position:
        position = after.position if isinstance(after, Receipt) else after or 0
        return max(self.position, position)


def blocking(
    method: Callable[Concatenate[Session, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[SyncSession, P], R]:
    """Return a method of a session as one that waits for its result."""

    @functools.wraps(method)
    def call(self: SyncSession, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._node.wait(method.__name__, lambda _: method(self._session, *args, **kwargs))

    return call


class SyncSession:
    """Waits for what its `Session` does; each method is the session's own, without `await`. Made by `SyncNode.session`.

    Errors are those of the session's methods, and those that `SyncNode` raises besides.
    """

    send = blocking(Session.send)
    ask = blocking(Session.ask)
    answer = blocking(Session.answer)

    def __init__(self, node: SyncNode, session: Session) -> None:
        self._node = node
        self._session = session

    @property
    def position(self) -> Position:
        """What the commands sent through it have reached; 0 before the first."""
        return self._session.position

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None: ...
