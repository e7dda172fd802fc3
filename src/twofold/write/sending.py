"""One command on its way: what it is, and how its sender wants it decided."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from twofold.context import Context
from twofold.history.record import Position, Submission
from twofold.message import Command
from twofold.write.deadline import Deadline


class Sending:
    """A command from its arrival to its answer.

    Attributes:
        command: checked already.
        submission: the command as the ledger keeps it.
        context: for whoever asks for it.
        expected: the position since which nothing that it rests on may have changed, if its sender says one.
        deadline: by when it must be decided, if its sender sets a limit.
        sent: when it came, as `time.monotonic` counts.
        attempts: how often it has been decided.
        is_patient: whether it waits for the first of the same id while that one's handler is at work.
        is_at_work: whether its handler waits for something.
        ended: wakes its repeats, if any wait.
    """

    __slots__ = (
        "attempts", "command", "context", "deadline", "ended", "expected", "is_at_work", "is_patient", "sent",
        "submission",
    )  # fmt: skip

    def __init__(
        self,
        command: Command,
        submission: Submission,
        context: Context,
        expected: Position | None = None,
        deadline: Deadline | None = None,
        is_patient: bool = True,
    ) -> None:
        self.command = command
        self.submission = submission
        self.context = context
        self.expected = expected
        self.deadline = deadline
        self.sent = time.monotonic()
        self.attempts = 0
        self.is_patient = is_patient
        self.is_at_work = False
        self.ended: asyncio.Event | None = None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Tell repeats that a handler is at work for as long as the block takes."""
        self.is_at_work = True
        self.wake()
        try:
            yield
        finally:
            self.is_at_work = False

    async def until_it_changes(self) -> None:
        """Return when it has ended, or its handler is at work."""
        self.ended = self.ended or asyncio.Event()
        await self.ended.wait()

    def wake(self) -> None:
        """Let repeats look again."""
        if self.ended is not None:
            self.ended.set()
            self.ended = None
