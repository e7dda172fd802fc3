"""The permit office from a shell: `python -m examples.permits import PATH`, `python -m examples.permits demo`."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from examples.permits.demo import SettingError, run_demo
from examples.permits.load import run_import
from examples.permits.log import LogError
from examples.permits.places import beside, views_of
from examples.permits.server import ServerError, serve_until_let_go
from examples.permits.traffic import TrafficError
from twofold import TwofoldError
from twofold.storage import ROLES

_DESCRIPTION = "A permit office on a real event log."
_DEMO = """\
environment: DEMO_SECONDS (ends by itself), DEMO_PORT (8000), DEMO_RATE (200 commands a second),
DEMO_DATA (the log; else ../shared/data/receipt.csv, else made-up cases), DEMO_FOLDER (kept; else a temporary one),
DEMO_ENGINE (sqlite; or postgres: a PostgreSQL server that is started for the demo and ends with it; or mixed: the
history there, and two nodes with read models of their own in SQLite files); daily counts are in DuckDB, if installed"""
_VIEWS = os.environ.get("TWOFOLD_VIEWS", "").split()
_ANALYTICS = "where read models are; else daily counts are in DuckDB, in the folder of a history on SQLite"


def main(arguments: list[str] | None = None) -> int:
    """Run one of the commands and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m examples.permits", description=_DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True)
    importing = commands.add_parser("import", help="send a real log as commands, in the order of time")
    importing.add_argument("path", type=Path, metavar="PATH", help="the CSV file")
    importing.add_argument("--url", default="sqlite:///data/permits", help="where the history is (%(default)s)")
    importing.add_argument("--views", nargs="*", default=_VIEWS, metavar="NAME=URL", help=_ANALYTICS)
    commands.add_parser("demo", help="replay the log as live traffic over HTTP", description=_DEMO)
    serving = commands.add_parser("serve", help="serve over HTTP until standard input ends (the demo's server)")
    serving.add_argument("--url", default=os.environ.get("TWOFOLD_URL", "sqlite:///data/permits"))
    serving.add_argument("--views", nargs="*", default=_VIEWS)
    serving.add_argument("--roles", nargs="+", choices=ROLES, default=ROLES)
    serving.add_argument("--port", type=int, required=True)
    given = parser.parse_args(arguments)
    try:
        if given.command == "import":
            return asyncio.run(run_import(given.path, given.url, views_of(given.views) or beside(given.url)))
        if given.command == "serve":
            return serve_until_let_go(given.url, given.port, views_of(given.views), given.roles)
        return run_demo()
    except (LogError, ServerError, SettingError, TrafficError, TwofoldError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read the output has gone; nor does the interpreter have to complain about that at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
