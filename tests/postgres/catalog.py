"""What a test asks a database as its superuser."""

from __future__ import annotations

import asyncio

import asyncpg

from twofold.testing import PostgresServer

ROLES = ("twofold_owner", "twofold_writer", "twofold_projector", "twofold_reader")

# Everything that `db init` makes, with who owns it and who may do what with it.
_EVERYTHING = """
    SELECT 'schema', nspname, nspowner::regrole::text, nspacl::text, obj_description(oid, 'pg_namespace')
    FROM pg_namespace WHERE nspname IN ('history', 'views', 'application')
    UNION ALL
    SELECT 'relation', oid::regclass::text, relowner::regrole::text, relacl::text, relkind::text
    FROM pg_class WHERE relnamespace::regnamespace::text IN ('history', 'views', 'application')
    UNION ALL
    SELECT 'function', oid::regprocedure::text, proowner::regrole::text, proacl::text, md5(prosrc)
    FROM pg_proc WHERE pronamespace::regnamespace::text IN ('history', 'views', 'application')
    UNION ALL
    SELECT 'default', defaclrole::regrole::text, defaclnamespace::regnamespace::text, defaclobjtype::text,
           defaclacl::text FROM pg_default_acl
    UNION ALL
    SELECT 'role', rolname, rolcanlogin::text, (rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls)::text, ''
    FROM pg_roles WHERE rolname LIKE 'twofold%'
    ORDER BY 1, 2, 3, 4
"""


async def rows(url: str, question: str, *values: object) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(question, *values)]
    finally:
        await connection.close()


async def everything(url: str) -> list[tuple[object, ...]]:
    """Return what `db init` made in a database, for comparison."""
    return await rows(url, _EVERYTHING)


async def about(url: str) -> dict[object, object]:
    """Return what a database tells about its history."""
    return {row[0]: row[1] for row in await rows(url, "SELECT name, value FROM history.about")}


def remove_roles(server: PostgresServer) -> None:
    """Make a server one that has never seen Twofold; its databases must be gone."""
    server.execute("".join(f"DROP ROLE IF EXISTS {role};" for role in ROLES))


_CONNECTED = """
    SELECT DISTINCT application_name FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'twofold %'
"""


async def connected_as(url: str, roles: set[str]) -> None:
    """Check that nodes are connected to a database as these roles, once those that were closed have gone.

    Raises:
        AssertionError: they are connected otherwise for half a minute.
    """
    end = asyncio.get_running_loop().time() + 30
    wanted = {f"twofold {role}" for role in roles}
    while (found := {row[0] for row in await rows(url, _CONNECTED)}) != wanted:
        assert asyncio.get_running_loop().time() < end, f"connected as {found}, expected {wanted}"
