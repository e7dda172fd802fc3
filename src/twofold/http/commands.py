"""POST /commands/{Name}: a command is decided, and answered with its receipt."""

from __future__ import annotations

from uuid import UUID

from starlette.responses import Response

from twofold.errors import OutcomeUnknown
from twofold.http import headers, problem
from twofold.http.body import json_body
from twofold.http.endpoint import Limits, Request, json_answer, message_in
from twofold.http.holder import NodeHolder
from twofold.message import Command
from twofold.node import Node


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
        wanted, as_of = headers.preview(request.headers)
        node = await self._holder.node()
        if wanted:
            return await self._previewed(node, command, command_id, expected, as_of)
        try:
            receipt = await node.send(
                command, command_id=command_id, expected=expected, timeout=timeout, wait_for_first=False
            )
        except OutcomeUnknown as error:
            # Without a key of its own the client would send another command if it simply did the same again.
            return problem.response(error, self.doing, retry=chosen, command_id=str(command_id))
        return json_answer(receipt, (b"twofold-after", b"%d" % receipt.position))

    async def _previewed(
        self, node: Node, command: Command, command_id: UUID, expected: int | None, as_of: int | None
    ) -> Response:
        try:
            preview = await node.preview(command, command_id=command_id, expected=expected, as_of=as_of)
            answer = json_answer({"position": preview.position, "events": preview.texts})
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told that nothing was sent
            answer = problem.response(error, self.doing)
        answer.headers["preference-applied"] = "preview"
        return answer
