"""POST /commands/{Name}: a command is decided, and answered with its receipt."""

from __future__ import annotations

from starlette.responses import Response

from twofold.errors import OutcomeUnknown
from twofold.http import headers, problem
from twofold.http.body import json_body
from twofold.http.endpoint import Limits, Request, json_answer, message_in
from twofold.http.holder import NodeHolder
from twofold.message import Command


class CommandEndpoint:
    """Takes one kind of command."""

    methods = ("POST",)

    def __init__(self, kind: type[Command], holder: NodeHolder, limits: Limits) -> None:
        self.kind = kind
        self.doing = f"command {kind.message_name}"
        self._holder = holder
        self._limits = limits

    async def answer(self, request: Request) -> Response:
        """Decide the command; see `Endpoint.answer`."""
        body = await json_body(request.headers, request.receive, limit=self._limits.body, timeout=self._limits.seconds)
        command = message_in(self.kind, body)
        command_id, chosen = headers.command_id(request.headers)
        expected, timeout = headers.expected(request.headers), headers.deadline(request.headers)
        node = await self._holder.node()
        try:
            receipt = await node.send(command, command_id=command_id, expected=expected, timeout=timeout)
        except OutcomeUnknown as error:
            # Without a key of its own the client would send another command if it simply did the same again.
            return problem.response(error, self.doing, retry=chosen, command_id=str(command_id))
        return json_answer(receipt, (b"twofold-after", b"%d" % receipt.position))
