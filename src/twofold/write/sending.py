"""One command on its way: what it is, and how its sender wants it decided."""

from __future__ import annotations

import time

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
    """

    __slots__ = ("attempts", "command", "context", "deadline", "expected", "sent", "submission")

    def __init__(
        self,
        command: Command,
        submission: Submission,
        context: Context,
        expected: Position | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self.command = command
        self.submission = submission
        self.context = context
        self.expected = expected
        self.deadline = deadline
        self.sent = time.monotonic()
        self.attempts = 0
