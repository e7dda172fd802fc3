"""Work: a decision that its handler makes inside the transaction that stores it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from twofold.errors import Rejected, TwofoldError
from twofold.history.record import Proposed
from twofold.history.store import Rejection
from twofold.history.transaction import Transaction
from twofold.write.handler import Boundary


class Work:
    """Implements `twofold.history.store.Work`.

    Args:
        decide: makes the events, with the transaction.
        failure: turns what should not have been raised into the error that the sender is told.
        told: turns that error, or a rejection, into what the ledger says.

    Attributes:
        error: what is raised for the sender if the decision stands.
    """

    def __init__(
        self,
        decide: Callable[[Transaction], Awaitable[tuple[Proposed, ...]]],
        failure: Callable[[Exception], TwofoldError],
        told: Callable[[TwofoldError], Rejection],
    ) -> None:
        self._decide = decide
        self._failure = failure
        self._told = told
        self.error: TwofoldError | None = None

    async def __call__(self, transaction: Transaction) -> tuple[tuple[Proposed, ...], Rejection | None]:
        """Return the events, or the rejection; raises only where the transaction is lost with all that is in it."""
        try:
            events = await self._decide(transaction)
            transaction.check()
            return events, None
        except Exception as error:
            if transaction.lost is not None:
                raise transaction.lost from error
            return (), self._refused(error)

    def _refused(self, error: Exception) -> Rejection:
        try:
            self.error = error if isinstance(error, Rejected) else self._failure(error)
            return self._told(self.error)
        except (TypeError, ValueError) as wrong:
            # The rejection itself is one that the ledger cannot hold.
            self.error = self._failure(wrong)
            return self._told(self.error)


class Turns:
    """One after another for commands whose work rests on one boundary: of those in one transaction only the first could
    stand, because nobody has seen its events before it is stored.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Boundary, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def taken(self, boundaries: Iterable[Boundary]) -> AsyncIterator[None]:
        """Wait for one's turn on each of these boundaries, and have it until the end of the block."""
        async with AsyncExitStack() as stack:
            # In one order for all, so that no two wait for each other.
            for boundary in sorted(set(boundaries), key=repr):
                lock = self._locks.setdefault(boundary, asyncio.Lock())
                await stack.enter_async_context(lock)
            yield
