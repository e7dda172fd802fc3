"""A3: as each role, every verb on every object. Exactly what is written down here is allowed, and nothing else.

Tables and functions of both schemas are taken from the catalogue, so that one that is added later is tried too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TypeAlias

import asyncpg
import pytest

from tests.faults.bank import Deposit, Statement, bank
from tests.postgres import probes
from tests.postgres.probes import TABLE_VERBS, VIEW_VERBS, Connection
from twofold.engines.postgres.address import read_address
from twofold.engines.postgres.migrate import initialise
from twofold.testing import PostgresServer, postgres
from twofold.testing.postgres import GIVEN

pytestmark = pytest.mark.anyio

Rights: TypeAlias = set[tuple[str, str]]

TABLE = bank.tables[Statement]
READING = {"SELECT", "SELECT a column", "COPY TO"}
WRITING = {"INSERT", "INSERT a column", "COPY FROM", "UPDATE", "DELETE", "LOCK TABLE"}
ANYBODY = {(verb, "") for verb in ("CREATE TEMP TABLE", "CREATE FUNCTION in pg_temp", "large object", "NOTIFY", "DO")}
"""What PostgreSQL lets everybody do who may connect to a database."""


def of(name: str, *verbs: str) -> Rights:
    return {(verb, name) for verb in verbs}


def oneself(role: str) -> Rights:
    return of(role, "SET ROLE", "SET SESSION AUTHORIZATION", "PASSWORD", "REASSIGN OWNED")


ALLOWED: dict[str, Rights] = {
    "guest": ANYBODY,
    "twofold_writer": ANYBODY
    | oneself("twofold_writer")
    | {
        ("EXECUTE", f"history.{name}")
        for name in ("append", "resolve", "read", "read_ledger", "head", "find", "identify")
    }
    | {("EXECUTE", f"history.{name}") for name in ("prune_ledger", "lock", "find_snapshot", "keep_snapshot")}
    | of("application", "CREATE TABLE", "CREATE VIEW", "CREATE FUNCTION", "CREATE TYPE"),
    "twofold_projector": ANYBODY
    | oneself("twofold_projector")
    | {("EXECUTE", f"history.{name}") for name in ("read", "head", "identify")}
    | of("history.events", *READING)
    | of("history.tags", *READING)
    | of("views.twofold_projections", *READING, *WRITING)
    | of("views.twofold_parked", *READING, *WRITING)
    | of("views.twofold_nodes", *READING, *WRITING)
    | of(f"views.{TABLE.versioned_name}", *TABLE_VERBS)
    | of(f"views.{TABLE.live_name}", *VIEW_VERBS)
    | of("views", "CREATE TABLE", "CREATE VIEW", "CREATE FUNCTION", "CREATE TYPE"),
    "twofold_reader": ANYBODY
    | oneself("twofold_reader")
    | of("views.twofold_projections", *READING)
    | of("views.twofold_parked", *READING)
    | of(f"views.{TABLE.versioned_name}", *READING)
    | of(f"views.{TABLE.live_name}", "SELECT", "SELECT a column"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Passwords belong to a whole server, so this is one of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(GIVEN, raising=False)
        with postgres() as server:
            yield server


@pytest.fixture(scope="module")
async def template(server: PostgresServer) -> str:
    url = server.database()
    await initialise(read_address(url, {}))
    # So that there is a read model, as a table of its version and under its live name.
    async with bank.open(url) as node:
        await node.send(Deposit("a"))
        await node.caught_up()
    server.execute("CREATE ROLE guest LOGIN")
    server.execute("".join(f"ALTER ROLE {role} PASSWORD 'secret';" for role in ALLOWED))
    return url


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def superuser(server: PostgresServer, template: str) -> AsyncIterator[Connection]:
    """A connection to a new copy of the database."""
    url = server.database(template)
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()
    server.drop(url)


async def found_of(role: str, server: PostgresServer, superuser: Connection) -> Rights:
    """Return what a role is allowed, who logs in with a password of its own."""
    database = await superuser.fetchval("SELECT current_database()")
    tried = await probes.probes(
        server.url_of(database),
        database=database,
        large_object=await superuser.fetchval("SELECT lo_create(0)"),
        session=superuser.get_server_pid(),
    )
    connection = await asyncpg.connect(server.url_of(database, user=role, password="secret"))
    try:
        return await probes.allowed(connection, tried)
    finally:
        await connection.close()


def differences(role: str, found: Rights) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return what is allowed and should not be, and what should be and is not."""
    return sorted(found - ALLOWED[role]), sorted(ALLOWED[role] - found)


@pytest.mark.parametrize("role", ALLOWED)
async def test_each_role_may_do_exactly_what_is_written_down(
    role: str, server: PostgresServer, superuser: Connection
) -> None:
    assert differences(role, await found_of(role, server, superuser)) == ([], [])


PLANTED = [
    ("guest", "GRANT USAGE ON SCHEMA history TO PUBLIC; GRANT EXECUTE ON FUNCTION history.head TO PUBLIC"),
    ("twofold_writer", "GRANT SELECT ON history.ledger TO twofold_writer"),
    ("twofold_writer", "GRANT SELECT (type) ON history.ledger TO twofold_writer"),
    ("twofold_writer", "GRANT INSERT ON history.events TO twofold_writer"),
    ("twofold_writer", "GRANT INSERT (at) ON history.voided TO twofold_writer"),
    ("twofold_projector", "GRANT UPDATE (payload) ON history.events TO twofold_projector"),
    ("twofold_projector", "GRANT DELETE ON history.tags TO twofold_projector"),
    ("twofold_projector", "GRANT TRUNCATE ON history.events TO twofold_projector"),
    ("twofold_projector", "GRANT TRIGGER ON history.events TO twofold_projector"),
    ("twofold_projector", "GRANT REFERENCES ON history.events TO twofold_projector"),
    ("twofold_projector", "GRANT MAINTAIN ON history.events TO twofold_projector"),
    ("twofold_projector", "GRANT SELECT ON history.events TO twofold_projector WITH GRANT OPTION"),
    ("twofold_writer", "GRANT EXECUTE ON FUNCTION history.settle TO twofold_writer"),
    ("twofold_writer", "ALTER FUNCTION history.lock() OWNER TO twofold_writer"),
    ("twofold_projector", "GRANT CREATE ON SCHEMA history TO twofold_projector"),
    ("twofold_reader", "GRANT CREATE ON SCHEMA views TO twofold_reader"),
    ("twofold_projector", "ALTER SCHEMA views OWNER TO twofold_projector"),
    ("twofold_writer", "CREATE TABLE history.later (x int); GRANT ALL ON history.later TO twofold_writer"),
    ("twofold_writer", "GRANT twofold_owner TO twofold_writer"),
    ("twofold_reader", "GRANT UPDATE (checkpoint) ON views.twofold_projections TO twofold_reader"),
    ("twofold_writer", "GRANT USAGE ON SCHEMA views TO PUBLIC; GRANT SELECT ON views.twofold_parked TO PUBLIC"),
    ("twofold_reader", "GRANT twofold_projector TO twofold_reader"),
    ("twofold_reader", "GRANT pg_read_server_files TO twofold_reader"),
    ("twofold_writer", "ALTER ROLE twofold_writer CREATEROLE"),
]


@pytest.mark.parametrize(("role", "planted"), PLANTED)
async def test_a_right_too_many_is_caught(
    role: str, planted: str, server: PostgresServer, superuser: Connection
) -> None:
    await superuser.execute(planted)
    try:
        extra, _ = differences(role, await found_of(role, server, superuser))
        assert extra, "nothing was noticed"
    finally:
        # These belong to the whole server.
        await superuser.execute(
            "REVOKE twofold_owner FROM twofold_writer; ALTER ROLE twofold_writer NOCREATEROLE;"
            "REVOKE twofold_projector, pg_read_server_files FROM twofold_reader"
        )


async def test_a_right_too_few_is_caught(server: PostgresServer, superuser: Connection) -> None:
    await superuser.execute("REVOKE EXECUTE ON FUNCTION history.append FROM twofold_writer")
    assert differences("twofold_writer", await found_of("twofold_writer", server, superuser)) == (
        [],
        [("EXECUTE", "history.append")],
    )
