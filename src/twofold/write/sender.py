"""The way of a command through a node: admitted, through the middleware, decided."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from twofold.context import Context, Receipt
from twofold.errors import HandlerFailed, OutcomeUnknown, Rejected
from twofold.history.record import Position, Submission
from twofold.message import Command
from twofold.write.admission import Admission
from twofold.write.around import Around
from twofold.write.deadline import Deadline
from twofold.write.decide import Decider
from twofold.write.passage import Passage, Station
from twofold.write.preview import Preview, Previewer
from twofold.write.sending import Sending

_PATIENCE = 5.0
_log = logging.getLogger("twofold.write")


class Sender:
    """Takes every command of a node.

    Args:
        decider: decides them.
        previewer: decides those of which nothing is to be stored.
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
        previewer: Previewer,
        arounds: Mapping[type[Command], Sequence[Around]],
        provided: Mapping[type, Any],
        limit: int,
    ) -> None:
        self.decider = decider
        self._previewer = previewer
        self.admission = Admission(limit)
        self._stations = {
            command: [Station(around.signature.name, around.bind(provided)) for around in them]
            for command, them in arounds.items()
            if them
        }

    async def stop(self) -> None:
        """Take no more, make durable what is decided, refuse the rest.

        Handlers that go on for long are waited for 5 s; whatever they decide later is refused all the same.
        """
        self.admission.close()
        await self.decider.stop()
        try:
            async with asyncio.timeout(_PATIENCE):
                await self.admission.emptied()
        except TimeoutError:
            _log.warning("the node closes while commands are still being decided; they are refused")

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
        is_patient: bool,
    ) -> Receipt:
        """Have a command decided; return when its events are durable.

        Args:
            command: checked already.
            submission: the command as the ledger keeps it.
            context: for handlers and middleware that ask for it.
            expected: the position since which nothing that it rests on may have changed, if its sender says one.
            timeout: within how many seconds it must be decided.
            is_patient: whether it waits while the handler of the first of the same id is at work.

        Raises:
            NodeClosed, Overloaded: it was not let in.
            TwofoldError: middleware refused it.
            Exception: as `Decider.decide`.
        """
        with self.admission:
            if timeout is None:
                sending = Sending(command, submission, context, expected, None, is_patient)
                return await (self._passed if type(command) in self._stations else self.decider.decide)(sending)
            async with Deadline(submission, timeout) as deadline:
                return await self._passed(Sending(command, submission, context, expected, deadline, is_patient))

    async def preview(
        self, command: Command, context: Context, *, expected: Position | None, as_of: Position | None
    ) -> Preview:
        """Return the events that would follow a command; it passes the middleware as if it were sent.

        Args and raises: see `Previewer.preview`; and as `send`, but that nothing is stored, in the ledger neither.
        """
        found: list[Preview] = []

        async def decide() -> Receipt:
            found.append(await self._previewer.preview(command, context, as_of=as_of, expected=expected))
            return Receipt(context.command_id or UUID(int=0), found[0].position)

        with self.admission:
            stations = self._stations.get(type(command), ())
            await Passage(stations, command, context, decide, self.decider.failure).run()
            return found[0]

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
