"""GET and POST /queries/{Name}: a query is answered from the read models, once or whenever the answer changes."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from twofold.http import headers, streams
from twofold.http.body import json_body
from twofold.http.endpoint import Limits, Request, encoded, encoded_answer, message_in, not_modified
from twofold.http.fields import TextFields
from twofold.http.holder import NodeHolder
from twofold.message import Query
from twofold.node import Node
from twofold.read.answer import Answer
from twofold.read.asking import Demand
from twofold.read.view import Found
from twofold.read.watching import digest_of

# Whoever keeps an answer asks each time whether it is still the one; nobody keeps it for others.
_CACHE = b"private, no-cache"


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
        return _told(answer, request)

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


def _told(answer: Answer[Any], request: Request) -> Response:
    """Return an answer with what there is to tell of it; nothing but that where the client has the answer already."""
    body, more = encoded(answer.value), _facts(answer)
    if request.scope["method"] == "POST":
        return encoded_answer(body, *more)
    # It tells answers apart by what they are: equal ones have one tag on every node, and whatever came in between.
    tag = b'"%b"' % digest_of(b"%b%b" % (body, dict(more).get(b"twofold-next", b""))).encode()
    more = [*more, (b"etag", tag), (b"vary", b"accept")]
    if headers.has(request.headers, tag.decode()):
        return not_modified(*more, cache=_CACHE)
    return encoded_answer(body, *more, cache=_CACHE)


def _facts(answer: Answer[Any]) -> list[tuple[bytes, bytes]]:
    facts: list[tuple[bytes, bytes]] = []
    if answer.position is not None:
        facts.append((b"twofold-position", b"%d" % answer.position))
    if isinstance(answer.value, Found) and answer.value.next is not None:
        facts.append((b"twofold-next", answer.value.next.encode("ascii")))
    return facts
