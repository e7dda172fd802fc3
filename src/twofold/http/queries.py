"""GET and POST /queries/{Name}: a query is answered from the read models, once or whenever the answer changes."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from twofold.http import headers, streams
from twofold.http.body import json_body
from twofold.http.endpoint import Limits, Request, json_answer, message_in
from twofold.http.fields import TextFields
from twofold.http.holder import NodeHolder
from twofold.message import Query
from twofold.node import Node
from twofold.read.asking import Demand
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
        demand, as_of = headers.demand(request.headers), headers.as_of(request.headers)
        wants_stream = request.scope["method"] != "HEAD" and headers.wants(request.headers, streams.MEDIA_TYPE)
        node = await self._holder.node()
        if wants_stream:
            if as_of is not None:
                raise headers.wrong(headers.AS_OF, "none with an event stream: the past does not change", "one")
            return await self._stream(node, query, demand, request)
        answer = await node.answer(
            query, after=demand.after, max_lag=demand.max_lag, as_of=as_of, timeout=demand.timeout
        )
        more: list[tuple[bytes, bytes]] = []
        if answer.position is not None:
            more.append((b"twofold-position", b"%d" % answer.position))
        if isinstance(answer.value, Found) and answer.value.next is not None:
            more.append((b"twofold-next", answer.value.next.encode("ascii")))
        return json_answer(answer.value, *more)

    async def _stream(self, node: Node, query: Query[Any], demand: Demand, request: Request) -> Response:
        seen = headers.last_event(request.headers)
        # Whoever comes back from another node is shown nothing older than what that one has shown.
        demand = msgspec.structs.replace(demand, after=max(demand.after, seen[0]))
        return streams.Stream(await node.watcher(query, demand, seen=seen[1]), self.doing)

    async def _query(self, request: Request) -> Query[Any]:
        if request.scope["method"] != "POST":
            return self.fields.message(request.scope.get("query_string", b""))
        limits = self._limits
        body = await json_body(request.headers, request.receive, limit=limits.body, timeout=limits.seconds)
        return message_in(self.kind, body)
