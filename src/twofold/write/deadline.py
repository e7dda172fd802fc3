"""By when a command must be decided, where its sender sets a limit."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from twofold.errors import OutcomeUnknown, TimedOut
from twofold.history.record import Submission
from twofold.history.store import Conflict, Outcome


class Deadline:
    """Cuts off what runs inside it, `async with deadline:`, but nothing that may be stored.

    Args:
        submission: the command.
        seconds: how long it has, from now on.
    """

    def __init__(self, submission: Submission, seconds: float) -> None:
        self._submission = submission
        self._seconds = seconds
        self._at = asyncio.get_running_loop().time() + seconds
        self._timeout = asyncio.timeout_at(self._at)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise self._timed_out() from late

    def hold(self) -> None:
        """Cut nothing off from now on: the command is decided, and about to wait for its append.

        Raises:
            TimedOut: it is too late for that.
        """
        if self._timeout.expired() or asyncio.get_running_loop().time() >= self._at:
            raise self._timed_out()
        self._timeout.reschedule(None)

    async def outcome(self, coming: asyncio.Future[Outcome | None]) -> Outcome | None:
        """Return what became of a decision; what must be decided again may be cut off again.

        Raises:
            OutcomeUnknown: its append has not ended in time; whether it is stored will be told under its command id.
            Exception: what the append raised.
        """
        left = max(0, self._at - asyncio.get_running_loop().time())
        await asyncio.wait([coming], timeout=left)
        if not coming.done():
            coming.cancel()
            problem = f"the command was decided, but not stored yet, when its {self._seconds:g} s had passed"
            raise OutcomeUnknown(path="the history", problem=problem, command_id=self._submission.command_id)
        outcome = coming.result()
        if outcome is None or isinstance(outcome, Conflict):
            self._timeout.reschedule(self._at)
        return outcome

    def _timed_out(self) -> TimedOut:
        command = self._submission
        return TimedOut(command=command.type, timeout=self._seconds, command_id=command.command_id)
