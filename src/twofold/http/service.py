"""The ASGI application: it finds the endpoint of a path, and tells every error as a problem."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from twofold.app import App
from twofold.errors import DeclarationError, UnknownMessage
from twofold.http import problem
from twofold.http.body import ClientGone
from twofold.http.commands import CommandEndpoint
from twofold.http.endpoint import Endpoint, Limits, Request
from twofold.http.health import Live, Ready
from twofold.http.holder import NodeHolder
from twofold.http.pages import DocumentPage, OpenApi, Root
from twofold.http.problem import Refused
from twofold.http.queries import QueryEndpoint
from twofold.node import Node, Role
from twofold.read.kept import BYTES
from twofold.read.stores import Views
from twofold.write.retention import Keeping


class Service:
    """Serves what an application declares over HTTP. Made by `twofold.http.asgi`, which explains the arguments."""

    def __init__(
        self,
        app: App,
        url: str,
        *,
        node: Node | None = None,
        provide: Collection[Any] = (),
        views: Views = None,
        roles: Collection[Role] = ("write", "read", "project", "http"),
        max_body: int = 1024 * 1024,
        body_timeout: float = 30.0,
        version: str = "1",
        max_watchers: int = 10_000,
        cache_answers: int = BYTES,
        ledger: Keeping = "all",
        repeats: timedelta | None = None,
    ) -> None:
        self.app = app
        if node is not None and node.app is not app:
            raise DeclarationError(
                what=f"the node runs the application {node.app.name!r}, not {app.name!r}",
                where="twofold.http.asgi(app, node=…)",
                mend="give the application that the node was opened from: `asgi(node.app, node=node)`",
            )

        def make() -> Node:
            return app.open(
                url,
                views=views,
                roles=roles,
                provide=provide,
                max_watchers=max_watchers,
                cache_answers=cache_answers,
                ledger=ledger,
                repeats=repeats,
            )

        if node is None:
            # A wrong address or a missing dependency is told here; nothing is opened yet.
            make()
        self._holder = NodeHolder(make if node is None else None, node)
        self._routes = _routes(app, self._holder, Limits(max_body, body_timeout), version)

    async def node(self) -> Node:
        """Return the node that the service answers from; it is opened if that is still to be done.

        Raises:
            NodeClosed: the service has been shut down.
            StoreError: it cannot be opened.
        """
        return await self._holder.node()

    def drain(self) -> None:
        """Refuse commands from now on; those on their way are decided, and queries are answered.

        For the server that is about to end, or a host that is: `health/ready` says so at once.
        """
        self._holder.drain()

    def lifespan(self, host: object = None) -> AbstractAsyncContextManager[None]:
        """Return a context manager that opens the node and closes it: the lifespan of a host that mounts the service.

            FastAPI(lifespan=service.lifespan)

        Args:
            host: the host application, which Starlette and FastAPI pass; it is not used.

        Raises:
            StoreError: on entering, the node cannot be opened.
        """
        return self._holder.lifespan()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI 3 has it."""
        match scope["type"]:
            case "http":
                await self._serve(scope, receive, send)
            case "lifespan":
                await self._live(receive, send)
            case "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, root = place_of(scope)
        endpoint = self._routes.get(path)
        doing = "a request" if endpoint is None else endpoint.doing
        try:
            if endpoint is None:
                raise self._unknown(path)
            if scope["method"] not in endpoint.methods:
                raise _wrong_method(endpoint.methods)
            answer: Response = await endpoint.answer(Request(scope, receive, root))
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told something, and the log more
            answer = problem.response(error, doing)
        await answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        lifespan = self.lifespan()
        try:
            await lifespan.__aenter__()
        except Exception as error:  # noqa: BLE001 - the server is told why, and does not start
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await lifespan.__aexit__(None, None, None)
        await send({"type": "lifespan.shutdown.complete"})

    def _unknown(self, path: str) -> Exception:
        kind, _, name = path.lstrip("/").partition("/")
        messages: Callable[[], Collection[Any]] | None = {
            "commands": self.app.commands.keys,
            "queries": self.app.queries.keys,
        }.get(kind)
        if not name or messages is None:
            return Refused("not_found", "there is nothing at this path; /docs tells what there is")
        known = ", ".join(sorted(message.message_name for message in messages())) or "none"
        return UnknownMessage(kind="command" if kind == "commands" else "query", name=name[:100], known=known)


def place_of(scope: Scope) -> tuple[str, str]:
    """Return the path as the service sees it, and the prefix that it is mounted under.

    A server or proxy in front may have left the prefix in the path or have taken its own part of it off.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    outer: str = scope.get("app_root_path", "").rstrip("/")
    for prefix in (root, root.removeprefix(outer)):
        if prefix and (path == prefix or path.startswith(f"{prefix}/")):
            return path[len(prefix) :] or "/", root
    return path, root


def _routes(app: App, holder: NodeHolder, limits: Limits, version: str) -> dict[str, Endpoint]:
    document = OpenApi(app, version)
    routes: dict[str, Endpoint] = {
        "/": Root(),
        "/openapi.json": document,
        "/docs": DocumentPage(document),
        "/health/live": Live(),
        "/health/ready": Ready(holder),
    }
    for command in app.commands:
        routes[f"/commands/{command.message_name}"] = CommandEndpoint(command, holder, limits)
    for query in app.queries:
        routes[f"/queries/{query.message_name}"] = QueryEndpoint(query, holder, limits)
    return routes


def _wrong_method(allowed: tuple[str, ...]) -> Refused:
    shown = ", ".join(allowed)
    return Refused("method_not_allowed", f"expected {shown}", {"allow": shown})
