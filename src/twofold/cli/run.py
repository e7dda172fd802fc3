"""`twofold run`: the application over HTTP, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from typing import Annotated

from cyclopts import Parameter, validators

from twofold.cli.filters import duration
from twofold.cli.options import DEFAULT_URL, Roles, Target, Url, Views, views_in
from twofold.cli.target import load
from twofold.node import Node
from twofold.read.kept import BYTES
from twofold.storage import ROLES
from twofold.write.retention import Keeping

_KEEPING: dict[str, Keeping] = {"all": "all", "keys": "keys"}


def run(
    target: Target,
    /,
    *,
    url: Url = DEFAULT_URL,
    views: Views = (),
    role: Roles = (),
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65535))] = 8000,
    max_watchers: Annotated[int, Parameter(validator=validators.Number(gte=0))] = 10_000,
    cache_answers: Annotated[int, Parameter(validator=validators.Number(gte=0))] = BYTES,
    ledger: str = "all",
    repeats: str | None = None,
) -> None:
    """Serve the application over HTTP, or run some sides of it.

    Ctrl-C or SIGTERM ends it; whatever was acknowledged is durable then.

    Args:
        host: The name or address to listen on.
        port: The port to listen on; 0 for any that is free.
        max_watchers: How many may watch queries at once.
        cache_answers: How many bytes the answers may take that are kept until their read models move; 0 keeps none.
        ledger: What the ledger keeps: `all`, only `keys`, or entries for so long, as in `30d`.
        repeats: For how long, at least, ids of accepted commands are remembered, as in `90d`; for ever if left out.
    """
    app = load(target)
    places = views_in(views)
    keeping = _KEEPING.get(ledger) or duration(ledger, "--ledger")
    remembered = None if repeats is None else duration(repeats, "--repeats")
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )

    if role and "http" not in role:
        asyncio.run(_run_unserved(app.open(url, views=places, roles=role, ledger=keeping, repeats=remembered)))
        return
    from twofold.http import serve

    def announce(address: str) -> None:
        address = address.rstrip("/")
        for what, path in (("HTTP", ""), ("docs", "/docs"), ("OpenAPI", "/openapi.json")):
            print(f"{what:8}{address}{path}", flush=True)
        _set_aside()

    serve(
        app,
        url,
        views=places,
        roles=role or ROLES,
        host=host,
        port=port,
        announce=announce,
        max_watchers=max_watchers,
        cache_answers=cache_answers,
        ledger=keeping,
        repeats=remembered,
    )


async def _run_unserved(node: Node) -> None:
    """Run a node that nobody asks anything, such as one that only projects, until a signal ends it."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    before = {
        number: signal.signal(number, lambda *_: loop.call_soon_threadsafe(ended.set))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        async with node:
            print(f"{node.name} runs {', '.join(sorted(node.roles))}", flush=True)
            _set_aside()
            await ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _set_aside() -> None:
    """Keep what starting has made, which stays for good, out of the garbage collector's sight.

    Its full rounds stop the process every few seconds under load: for 25 to 45 ms with all that was imported, for 7 to
    21 ms without (measured at half load on SQLite).
    """
    gc.collect()
    gc.freeze()
