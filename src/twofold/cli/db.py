"""`twofold db`: makes a PostgreSQL database ready for nodes, and tells how one stands."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, TypeAlias

import cyclopts
from cyclopts import Parameter

from twofold.cli.options import Json
from twofold.cli.output import for_people, print_json
from twofold.errors import NotInitialized
from twofold.storage import database_at

Database: TypeAlias = Annotated[
    str, Parameter(name="URL", env_var="TWOFOLD_URL", help="The database: `postgresql://USER@HOST:PORT/DATABASE`.")
]


def database() -> cyclopts.App:
    """Return the commands about a database."""
    app = cyclopts.App(name="db", help="Make a PostgreSQL database ready, and see how it stands.", sort_key=9)
    app.command(init, sort_key=1)
    app.command(status, sort_key=2)
    return app


def init(url: Database, /, *, dry_run: Annotated[bool, Parameter(negative=())] = False, json: Json = False) -> None:
    """Make the roles, schemas and tables in a database, or bring them up to date.

    Run it as a superuser, or as a user with CREATEROLE who owns the database. It may be run as often as wanted.

    Args:
        dry_run: Change nothing; print the SQL that would be run, for `psql`.
    """
    storage = database_at(url)
    if dry_run:
        sql = asyncio.run(storage.script())
        if json:
            print_json({"database": storage.shown, "sql": sql})
        else:
            sys.stdout.write(sql)
        return
    ran = asyncio.run(storage.initialise())
    found = asyncio.run(storage.status())
    if for_people(json):
        for name in ran:
            print(f"ran {name}")
        print(f"{found.database} is ready: schema version {found.version}")
    else:
        print_json({"database": found.database, "version": found.version, "ran": ran})


def status(url: Database, /, *, json: Json = False) -> None:
    """Show whether a database is ready for this Twofold; the exit status is 3 if it is not."""
    found = asyncio.run(database_at(url).status())
    if for_people(json):
        from twofold.cli.terminal import console, new_table

        table = new_table("", "database", "PostgreSQL", "schema version", "known", "to be run", "roles missing")
        table.add_row(
            found.database,
            f"{found.server}{', a replica' if found.replica else ''}",
            str(found.version),
            str(found.known),
            "\n".join(found.pending) or "-",
            "\n".join(found.missing) or "-",
        )
        console().print(table)
    else:
        print_json(found)
    if found.pending or found.missing:
        raise NotInitialized(path=found.database, problem=f"schema version {found.version} of {found.known}")
