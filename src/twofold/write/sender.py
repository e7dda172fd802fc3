"""The way of a command through a node: admitted, through the middleware, decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twofold.context import Context, Receipt
from twofold.errors import HandlerFailed, OutcomeUnknown, Rejected
from twofold.history.record import Position, Submission
from twofold.message import Command
from twofold.write.admission import Admission
from twofold.write.around import Around
from twofold.write.deadline import Deadline
from twofold.write.decide import Decider
from twofold.write.passage import Passage, Station
from twofold.write.sending import Sending


class Sender:
    """Takes every command of a node.

    Args:
        decider: decides them.
        arounds: the middleware of each kind of command, the outermost first.
        provided: dependencies by type.
        limit: how many commands may be on their way at once.

    Attributes:
        decider: the same.
        admission: tells whether more may come.

    Raises:
        DeclarationError: middleware asks for a dependency that was not provided.
    """

    def __init__(
        self,
        decider: Decider,
        arounds: Mapping[type[Command], Sequence[Around]],
        provided: Mapping[type, Any],
        limit: int,
    ) -> None:
        self.decider = decider
        self.admission = Admission(limit)
        self._stations = {
            command: [Station(around.signature.name, around.bind(provided)) for around in them]
            for command, them in arounds.items()
            if them
        }

    async def stop(self) -> None:
        """Take no more, make durable what is decided, refuse the rest."""
        self.admission.close()
        await self.decider.stop()
        await self.admission.emptied()

    def is_surrounded(self, command: type[Command]) -> bool:
        """Tell whether a kind of command passes middleware."""
        return command in self._stations

    async def send(
        self,
        command: Command,
        submission: Submission,
        context: Context,
        *,
        expected: Position | None,
        timeout: float | None,
    ) -> Receipt:
        """Have a command decided; return when its events are durable.

        Args:
            command: checked already.
            submission: the command as the ledger keeps it.
            context: for handlers and middleware that ask for it.
            expected: the position since which nothing that it rests on may have changed, if its sender says one.
            timeout: within how many seconds it must be decided.

        Raises:
            NodeClosed, Overloaded: it was not let in.
            TwofoldError: middleware refused it.
            Exception: as `Decider.decide`.
        """
        with self.admission:
            if timeout is None:
                return await self._passed(Sending(command, submission, context, expected))
            async with Deadline(submission, timeout) as deadline:
                return await self._passed(Sending(command, submission, context, expected, deadline))

    async def _passed(self, sending: Sending) -> Receipt:
        stations = self._stations.get(type(sending.command))
        if stations is None:
            return await self.decider.decide(sending)
        passage = Passage(
            stations, sending.command, sending.context, lambda: self.decider.decide(sending), self.decider.failure
        )
        try:
            return await passage.run()
        except Exception as error:
            if passage.is_open:
                problem = "middleware ended before the command's outcome was known"
                raise OutcomeUnknown(
                    path="the history", problem=problem, command_id=sending.submission.command_id
                ) from error
            if isinstance(error, Rejected | HandlerFailed) and not passage.is_begun:
                return await self.decider.refuse(sending, error)
            raise
