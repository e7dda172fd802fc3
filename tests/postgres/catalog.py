"""What a test asks a database as its superuser."""

from __future__ import annotations

import asyncpg

from twofold.testing import PostgresServer

ROLES = ("twofold_owner", "twofold_writer", "twofold_projector", "twofold_reader")

# Everything that `db init` makes, with who owns it and who may do what with it.
_EVERYTHING = """
    SELECT 'schema', nspname, nspowner::regrole::text, nspacl::text, obj_description(oid, 'pg_namespace')
    FROM pg_namespace WHERE nspname IN ('history', 'views')
    UNION ALL
    SELECT 'relation', oid::regclass::text, relowner::regrole::text, relacl::text, relkind::text
    FROM pg_class WHERE relnamespace::regnamespace::text IN ('history', 'views')
    UNION ALL
    SELECT 'function', oid::regprocedure::text, proowner::regrole::text, proacl::text, md5(prosrc)
    FROM pg_proc WHERE pronamespace::regnamespace::text IN ('history', 'views')
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
