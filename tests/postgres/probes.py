"""Every verb on every object, tried as somebody: what the server refuses, and what it does not.

A probe is a statement that is run and rolled back. It is *allowed* unless the server refuses it for lack of rights;
what fails for another reason (a value that does not fit, a row that is not there) had the right to be tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

import asyncpg

from tests.postgres.catalog import ROLES, rows

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

NOTHING_GRANTED = "01007"
OTHERS = (*ROLES, "postgres")

TABLE_VERBS = {
    "SELECT": "SELECT * FROM {name}",
    "SELECT a column": "SELECT {column} FROM {name}",
    "COPY TO": "COPY {name} TO STDOUT",
    "INSERT": "INSERT INTO {name} DEFAULT VALUES",
    "INSERT a column": "INSERT INTO {name} ({column}) VALUES (NULL)",
    "COPY FROM": "COPY {name} FROM STDIN",
    "UPDATE": "UPDATE {name} SET {column} = {column}",
    "DELETE": "DELETE FROM {name}",
    "TRUNCATE": "TRUNCATE {name}",
    "REFERENCES": "CREATE TABLE views.mine (x {type} REFERENCES {name})",
    "TRIGGER": "CREATE TRIGGER mine BEFORE INSERT ON {name} FOR EACH ROW "
    "EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
    "MAINTAIN": "REINDEX TABLE {name}",
    "LOCK TABLE": "LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE",
    "ALTER": "ALTER TABLE {name} ADD COLUMN mine int",
    "ALTER OWNER": "ALTER TABLE {name} OWNER TO CURRENT_USER",
    "RULE": "CREATE RULE mine AS ON INSERT TO {name} DO INSTEAD NOTHING",
    "POLICY": "ALTER TABLE {name} ENABLE ROW LEVEL SECURITY",
    "INDEX": "CREATE INDEX mine ON {name} ({column})",
    "DROP": "DROP TABLE {name}",
    "GRANT": "GRANT SELECT ON {name} TO PUBLIC",
}
_OF_BOTH = ("SELECT", "SELECT a column", "INSERT", "INSERT a column", "UPDATE", "DELETE", "LOCK TABLE", "GRANT")
VIEW_VERBS = {
    **{verb: TABLE_VERBS[verb] for verb in _OF_BOTH},
    "ALTER": "ALTER VIEW {name} RENAME COLUMN {column} TO mine",
    "REPLACE": "CREATE OR REPLACE VIEW {name} AS SELECT 1 AS mine",
    "DROP": "DROP VIEW {name}",
}
COLUMN_VERBS = {verb: TABLE_VERBS[verb] for verb in ("SELECT a column", "UPDATE", "INSERT a column")}
FUNCTION_VERBS = {
    "EXECUTE": "SELECT {name}({nulls})",
    "ALTER": "ALTER FUNCTION {name}({arguments}) COST 1",
    "ALTER OWNER": "ALTER FUNCTION {name}({arguments}) OWNER TO CURRENT_USER",
    "DROP": "DROP FUNCTION {name}({arguments})",
    "GRANT": "GRANT EXECUTE ON FUNCTION {name}({arguments}) TO PUBLIC",
}
SCHEMA_VERBS = {
    "CREATE TABLE": "CREATE TABLE {name}.mine (x int)",
    "CREATE VIEW": "CREATE VIEW {name}.mine AS SELECT 1 AS x",
    "CREATE FUNCTION": "CREATE FUNCTION {name}.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TYPE": "CREATE TYPE {name}.mine AS (x int)",
    "RENAME": "ALTER SCHEMA {name} RENAME TO mine",
    "DROP": "DROP SCHEMA {name} CASCADE",
    "GRANT": "GRANT ALL ON SCHEMA {name} TO PUBLIC",
    "COMMENT": "COMMENT ON SCHEMA {name} IS 'mine'",
}
DATABASE_VERBS = {
    "CREATE SCHEMA": "CREATE SCHEMA mine",
    "CREATE TABLE": "CREATE TABLE public.mine (x int)",
    "CREATE EXTENSION": "CREATE EXTENSION file_fdw",
    "CREATE ROLE": "CREATE ROLE mine",
    "ALTER DATABASE": "ALTER DATABASE {database} SET search_path = views",
    "DROP OWNED": "DROP OWNED BY twofold_owner",
    "DEFAULT PRIVILEGES": "ALTER DEFAULT PRIVILEGES FOR ROLE twofold_owner GRANT ALL ON TABLES TO PUBLIC",
    "REPLICATION ROLE": "SET LOCAL session_replication_role = replica",
    "UNLOGGED COMMITS OF ALL": "ALTER ROLE ALL SET synchronous_commit = off",
    "pg_read_file": "SELECT pg_read_file('postgresql.conf')",
    "pg_ls_dir": "SELECT pg_ls_dir('.')",
    "pg_stat_file": "SELECT pg_stat_file('postgresql.conf')",
    "lo_import": "SELECT lo_import('/etc/passwd')",
    "lo_export": "SELECT lo_export(1, '/tmp/mine')",
    "COPY from a file": "CREATE TEMP TABLE mine (x text) ON COMMIT DROP; COPY mine FROM '/etc/passwd'",
    "COPY to a file": "COPY (SELECT 1) TO '/tmp/mine'",
    "COPY to a program": "COPY (SELECT 1) TO PROGRAM 'cat'",
    "LOAD": "LOAD '/tmp/mine.so'",
    "pg_reload_conf": "SELECT pg_reload_conf()",
    "pg_terminate_backend": "SELECT pg_terminate_backend({session})",
    "pg_switch_wal": "SELECT pg_switch_wal()",
    "pg_authid": "SELECT rolpassword FROM pg_authid",
    "large object of another": "SELECT lo_unlink({large_object})",
    # What any user of a PostgreSQL database may do, for it touches nothing of anybody's.
    "CREATE TEMP TABLE": "CREATE TEMP TABLE mine (x int)",
    "CREATE FUNCTION in pg_temp": "CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "large object": "SELECT lo_create(0)",
    "NOTIFY": "NOTIFY twofold_history",
    "DO": "DO 'BEGIN END'",
}
ROLE_VERBS = {
    "SET ROLE": "SET LOCAL ROLE {name}",
    "SET SESSION AUTHORIZATION": "SET LOCAL SESSION AUTHORIZATION {name}",
    "GRANT": "GRANT {name} TO CURRENT_USER",
    "ALTER": "ALTER ROLE {name} SUPERUSER",
    "PASSWORD": "ALTER ROLE {name} PASSWORD 'mine'",
    "DROP": "DROP ROLE {name}",
    "REASSIGN OWNED": "REASSIGN OWNED BY {name} TO CURRENT_USER",
}

_TABLES = """
    SELECT c.oid::regclass::text AS name, c.relkind::text AS kind, string_agg(quote_ident(a.attname), ' ') AS columns,
           (array_agg(format_type(a.atttypid, NULL) ORDER BY a.attnum))[1] AS type
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace::regnamespace::text IN ('history', 'views', 'application')
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    GROUP BY 1, 2 ORDER BY 1
"""
_FUNCTIONS = """
    SELECT p.oid::regproc::text AS name, pg_get_function_identity_arguments(p.oid) AS arguments,
           (SELECT coalesce(string_agg('NULL::' || t::regtype, ', '), '') FROM unnest(p.proargtypes) AS t) AS nulls
    FROM pg_proc AS p WHERE p.pronamespace::regnamespace::text IN ('history', 'views', 'application') ORDER BY 1
"""


class Probe(NamedTuple):
    """A verb on an object."""

    verb: str
    name: str
    statement: str


async def probes(url: str, **of_others: object) -> list[Probe]:
    """Return every verb on every object of both schemas, on the database and on the roles.

    Args:
        url: the superuser's.
        of_others: a `database` by name, a `large_object` and a `session` of the superuser's.
    """
    found: list[Probe] = []
    for name, kind, listed, type_ in await rows(url, _TABLES):
        columns = str(listed).split(" ")
        verbs = VIEW_VERBS if kind in ("v", "m") else TABLE_VERBS
        # A verb may be granted for one column alone.
        for column in columns:
            found += _made(verbs if column == columns[0] else COLUMN_VERBS, name=name, column=column, type=type_)
    for name, arguments, nulls in await rows(url, _FUNCTIONS):
        found += _made(FUNCTION_VERBS, name=name, arguments=arguments, nulls=nulls)
    for name in ("history", "views", "application"):
        found += _made(SCHEMA_VERBS, name=name)
    for name in OTHERS:
        found += _made(ROLE_VERBS, name=name)
    return found + list(_made(DATABASE_VERBS, name="", **of_others))


def _made(verbs: dict[str, str], *, name: object, **parts: object) -> Iterator[Probe]:
    for verb, statement in verbs.items():
        yield Probe(verb, str(name), statement.format(name=name, **parts))


async def allowed(connection: Connection, tried: Iterable[Probe]) -> set[tuple[str, str]]:
    """Return the verbs and objects that the connection's user is not refused."""
    warnings: list[str] = []

    def warned(_: object, message: asyncpg.PostgresLogMessage) -> None:
        warnings.append(str(message.sqlstate))

    connection.add_log_listener(warned)
    found: set[tuple[str, str]] = set()
    for probe in tried:
        warnings.clear()
        if await _is_allowed(connection, probe):
            await asyncio.sleep(0)  # the listener is called by then
            # A GRANT of somebody who may not only warns where he has rights of his own.
            if NOTHING_GRANTED not in warnings:
                found.add((probe.verb, probe.name))
    return found


async def _is_allowed(connection: Connection, probe: Probe) -> bool:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await _run(connection, probe)
    except asyncpg.InsufficientPrivilegeError as error:
        # A function that may be called may yet be refused something itself.
        return probe.verb == "EXECUTE" and not str(error).startswith(
            ("permission denied for function", "permission denied for schema")
        )
    except asyncpg.FeatureNotSupportedError:
        # Such as to insert into a computed column of a view: nobody may, whatever is granted.
        return False
    except asyncpg.PostgresError:
        return True
    finally:
        await transaction.rollback()
    return True


async def _run(connection: Connection, probe: Probe) -> None:
    async def nothing(_: bytes) -> None: ...

    schema, _, table = probe.name.partition(".")
    if probe.verb == "COPY TO":
        await connection.copy_from_table(table.strip('"'), schema_name=schema, output=nothing)
    elif probe.verb == "COPY FROM":
        await connection.copy_to_table(table.strip('"'), schema_name=schema, source=_Empty())
    else:
        await connection.execute(probe.statement)


class _Empty:
    def __aiter__(self) -> _Empty:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration
