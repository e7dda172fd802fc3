"""The HTTP edge: an application's commands and queries as one ASGI application, and a server for it.

    service = twofold.http.asgi(app, "sqlite:///data")     # to mount, or to give to any ASGI server
    twofold.http.serve(app, "sqlite:///data", port=8000)   # to run it here

Everything that is served is generated from the declarations; the reference is in `docs/http.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from twofold.errors import MissingExtra
from twofold.read.kept import BYTES

if TYPE_CHECKING:
    from datetime import timedelta

    from twofold.app import App
    from twofold.http.service import Service
    from twofold.node import Node, Role
    from twofold.read.stores import Views
    from twofold.write.retention import Keeping

__all__ = ["asgi", "serve"]

_EVERY: tuple[Role, ...] = ("write", "read", "project", "http")

_EXTRAS = {"starlette": "http", "anyio": "http", "uvicorn": "server", "click": "server", "h11": "server"}


def asgi(
    app: App,
    url: str = "sqlite:///data",
    *,
    node: Node | None = None,
    provide: Collection[Any] = (),
    views: Views = None,
    roles: Collection[Role] = _EVERY,
    max_body: int = 1024 * 1024,
    body_timeout: float = 30.0,
    version: str = "1",
    max_watchers: int = 10_000,
    cache_answers: int = BYTES,
    ledger: Keeping = "all",
    repeats: timedelta | None = None,
) -> Service:
    """Return an ASGI application that serves what `app` declares.

    It opens its own node: at the server's start where it is the server's application, at the first request where
    it is mounted in another one. A host that wants a clean close enters `service.lifespan()` in its own lifespan.

    Args:
        app: the application, with everything declared that is to be served.
        url: where the history is; see `App.open`.
        node: serve this node instead, which the caller opens and closes; `url` and what `open` takes are not used.
        provide: objects that handlers ask for by their class.
        views: where the read models are; beside the history when left out. See `App.open`.
        roles: which sides the node runs; what needs another side is answered with 503.
        max_body: the size of the largest body that is taken, in bytes.
        body_timeout: within how many seconds a body must have come.
        version: the version that the OpenAPI document gives for the application.
        max_watchers: how many streams of answers there may be at once; more are refused with 503.
        cache_answers: how many bytes the answers may take that are kept; see `App.open`.
        ledger: what the ledger keeps; see `App.open`.
        repeats: for how long ids of accepted commands are remembered; see `App.open`.

    Raises:
        MissingExtra: Starlette is not installed.
        InvalidAddress, DeclarationError: as for `App.open`; also if `node` runs another application.
    """
    try:
        from twofold.http.service import Service
    except ModuleNotFoundError as error:
        raise _missing(error, "serving over HTTP") from error
    return Service(
        app,
        url,
        node=node,
        provide=provide,
        views=views,
        roles=roles,
        max_body=max_body,
        body_timeout=body_timeout,
        version=version,
        max_watchers=max_watchers,
        cache_answers=cache_answers,
        ledger=ledger,
        repeats=repeats,
    )


def serve(
    app: App,
    url: str = "sqlite:///data",
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    provide: Collection[Any] = (),
    views: Views = None,
    roles: Collection[Role] = _EVERY,
    max_body: int = 1024 * 1024,
    grace: float = 10.0,
    announce: Callable[[str], None] | None = None,
    max_watchers: int = 10_000,
    cache_answers: int = BYTES,
    ledger: Keeping = "all",
    repeats: timedelta | None = None,
) -> None:
    """Serve an application until SIGTERM or SIGINT; return when every acknowledged command is durable.

    There is no access log: lines of it would carry the fields of queries.

    Args:
        app: the application.
        url: where the history is; see `App.open`.
        host: the name or address to listen on.
        port: the port to listen on; 0 for any that is free.
        provide: objects that handlers ask for by their class.
        views: where the read models are; beside the history when left out. See `App.open`.
        roles: which sides the node runs; what needs another side is answered with 503.
        max_body: the size of the largest body that is taken, in bytes.
        grace: how many seconds requests under way are given when the server stops.
        announce: is called with the address once the server answers; it is logged when left out.
        max_watchers: how many streams of answers there may be at once; more are refused with 503.
        cache_answers: how many bytes the answers may take that are kept; see `App.open`.
        ledger: what the ledger keeps; see `App.open`.
        repeats: for how long ids of accepted commands are remembered; see `App.open`.

    Raises:
        MissingExtra: Starlette or uvicorn is not installed.
        CannotListen: the port is taken, or the address is not one of this machine's.
        InvalidAddress, DeclarationError, StoreError: as for `App.open`.
    """
    try:
        from twofold.http.server import run
        from twofold.http.service import Service
    except ModuleNotFoundError as error:
        raise _missing(error, "the HTTP server") from error
    service = Service(
        app,
        url,
        provide=provide,
        views=views,
        roles=roles,
        max_body=max_body,
        max_watchers=max_watchers,
        cache_answers=cache_answers,
        ledger=ledger,
        repeats=repeats,
    )
    run(service, host=host, port=port, grace=grace, announce=announce)


def _missing(error: ModuleNotFoundError, feature: str) -> Exception:
    extra = _EXTRAS.get((error.name or "").partition(".")[0])
    return error if extra is None else MissingExtra(feature=feature, extra=extra)
