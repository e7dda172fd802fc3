"""GET and POST /queries/{Name}: a query is answered from the read models."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from twofold.http import headers
from twofold.http.body import json_body
from twofold.http.endpoint import Limits, Request, json_answer, message_in
from twofold.http.fields import TextFields
from twofold.http.holder import NodeHolder
from twofold.message import Query
from twofold.read.view import Found


class QueryEndpoint:
    """Answers one kind of query."""

    methods = ("GET", "HEAD", "POST")

    def __init__(self, kind: type[Query[Any]], holder: NodeHolder, limits: Limits) -> None:
        self.kind = kind
        self.doing = f"query {kind.message_name}"
        self.fields = TextFields(kind)
        self._holder = holder
        self._limits = limits

    async def answer(self, request: Request) -> Response:
        """Answer the query; see `Endpoint.answer`."""
        query = await self._query(request)
        after, timeout = headers.position(request.headers), headers.seconds(request.headers)
        max_lag = headers.max_lag(request.headers)
        node = await self._holder.node()
        answer = await node.answer(query, after=after, max_lag=max_lag, timeout=timeout)
        more: list[tuple[bytes, bytes]] = []
        if answer.position is not None:
            more.append((b"twofold-position", b"%d" % answer.position))
        if isinstance(answer.value, Found) and answer.value.next is not None:
            more.append((b"twofold-next", answer.value.next.encode("ascii")))
        return json_answer(answer.value, *more)

    async def _query(self, request: Request) -> Query[Any]:
        if request.scope["method"] != "POST":
            return self.fields.message(request.scope.get("query_string", b""))
        limits = self._limits
        body = await json_body(request.headers, request.receive, limit=limits.body, timeout=limits.seconds)
        return message_in(self.kind, body)
