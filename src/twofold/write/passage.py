"""One command's way through the middleware: the first declared is outermost."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from twofold.context import Context, Receipt
from twofold.errors import HandlerFailed, TwofoldError
from twofold.message import Command
from twofold.write.around import Passing
from twofold.write.rejection import rejection_of

_log = logging.getLogger("twofold.write")


class Station(msgspec.Struct, frozen=True):
    """A middleware that is ready to be called, and its name for errors."""

    name: str
    call: Passing


class Passage:
    """Lets a command through, once, and keeps what middleware makes of it to the truth.

    Middleware may refuse a command, and may fail. It cannot make up a receipt, have a command decided twice, or take
    an acceptance back: what is accepted is durable, and its sender is told so.

    Args:
        stations: the middleware, the outermost first.
        command: the command.
        context: what surrounds it.
        decide: has it decided, and returns when it is durable.
        failure: makes the error of a middleware that failed, by its name.

    Attributes:
        is_begun: whether deciding it has begun.
        is_open: whether deciding it has begun, and its outcome was cut off.
    """

    def __init__(
        self,
        stations: Sequence[Station],
        command: Command,
        context: Context,
        decide: Callable[[], Awaitable[Receipt]],
        failure: Callable[[str, Exception], HandlerFailed],
    ) -> None:
        self._stations = stations
        self._command = command
        self._context = context
        self._decide = decide
        self._failure = failure
        self._entered = 0
        self._receipt: Receipt | None = None
        self._error: Exception | None = None

    @property
    def is_begun(self) -> bool:  # noqa: D102 - told above
        return self._entered > len(self._stations)

    @property
    def is_open(self) -> bool:  # noqa: D102 - told above
        return self.is_begun and self._receipt is None and self._error is None

    async def run(self, depth: int = 0) -> Receipt:
        """Return the receipt.

        Args:
            depth: how many of the middleware the command has passed.

        Raises:
            TwofoldError: middleware refused the command.
            HandlerFailed: middleware raised what it should not, or returned without a receipt.
            Exception: what deciding it raised.
        """
        if depth != self._entered:
            raise RuntimeError("it called proceed() twice; a command is decided once")
        self._entered += 1
        if depth == len(self._stations):
            return await self._decided()
        station = self._stations[depth]
        try:
            answer = await station.call(self._command, self._context, lambda: self.run(depth + 1))
            if self._receipt is None or answer is not self._receipt:
                raise TypeError("it did not return the receipt that `await proceed()` gives; to refuse, raise Rejected")
        except Exception as error:
            if self._receipt is not None:
                _log.error("middleware %s failed after the command was accepted", station.name, exc_info=error)
                return self._receipt
            told = error if error is self._error else self._told(station, error)
            if told is error:
                raise
            raise told from error
        return self._receipt

    def _told(self, station: Station, error: Exception) -> TwofoldError:
        """Return what a sender is told of an error of middleware's own."""
        if not isinstance(error, TwofoldError):
            return self._failure(station.name, error)
        try:
            rejection_of(error)
        except (TypeError, ValueError) as unfit:
            return self._failure(station.name, unfit)
        return error

    async def _decided(self) -> Receipt:
        try:
            self._receipt = await self._decide()
        except Exception as error:
            self._error = error
            raise
        return self._receipt
