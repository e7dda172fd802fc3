"""`twofold run`: the application over HTTP, until it is told to stop."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

from cyclopts import Parameter, validators

from twofold.cli.filters import duration
from twofold.cli.options import DEFAULT_URL, Target, Url
from twofold.cli.target import load
from twofold.write.retention import Keeping

_KEEPING: dict[str, Keeping] = {"all": "all", "keys": "keys"}


def run(
    target: Target,
    /,
    *,
    url: Url = DEFAULT_URL,
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65535))] = 8000,
    ledger: str = "all",
    repeats: str | None = None,
) -> None:
    """Serve the application over HTTP.

    Ctrl-C or SIGTERM ends it; whatever was acknowledged is durable then.

    Args:
        host: The name or address to listen on.
        port: The port to listen on; 0 for any that is free.
        ledger: What the ledger keeps: `all`, only `keys`, or entries for so long, as in `30d`.
        repeats: For how long, at least, ids of accepted commands are remembered, as in `90d`; for ever if left out.
    """
    app = load(target)
    keeping = _KEEPING.get(ledger) or duration(ledger, "--ledger")
    remembered = None if repeats is None else duration(repeats, "--repeats")
    from twofold.http import serve

    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )

    def announce(address: str) -> None:
        address = address.rstrip("/")
        for what, path in (("HTTP", ""), ("docs", "/docs"), ("OpenAPI", "/openapi.json")):
            print(f"{what:8}{address}{path}", flush=True)

    serve(
        app,
        url,
        host=host,
        port=port,
        announce=announce,
        ledger=keeping,
        repeats=remembered,
    )
