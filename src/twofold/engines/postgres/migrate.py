"""`twofold db init`: makes the roles and the schema in a database, or brings an older schema up to date."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
import msgspec

from twofold.engines.postgres import schema
from twofold.engines.postgres.address import Address
from twofold.engines.postgres.failure import refused, said, translate
from twofold.engines.postgres.session import require_server
from twofold.errors import ForeignFile, NewerSchema, NotInitialized, StoreUnavailable

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

ROLES = ("twofold_owner", "twofold_writer", "twofold_projector", "twofold_reader")
_TRIES = 3
_MEND = (
    "run `twofold db init` as a superuser, or as a user with CREATEROLE who owns the database; "
    "or give an administrator what --dry-run prints, or have the roles granted: GRANT {roles} TO that user"
)
_LOOK = """
    SELECT current_setting('server_version_num')::int / 10000 AS server, pg_is_in_recovery() AS replica,
           to_regclass('history.about') IS NOT NULL AS found,
           obj_description(to_regnamespace('history'), 'pg_namespace') AS about,
           ARRAY(SELECT rolname::text FROM pg_roles WHERE rolname = ANY ($1)) AS roles
"""


class DatabaseStatus(msgspec.Struct, frozen=True):
    """How a database stands.

    Attributes:
        database: its address, without secrets.
        server: PostgreSQL's major version.
        replica: whether it is a replica, which can only be read.
        version: the schema's version; 0 where there is none.
        known: the version that this Twofold has.
        pending: the migrations that are still to be run, by name.
        missing: the roles that there are not.
    """

    database: str
    server: int
    replica: bool
    version: int
    known: int
    pending: tuple[str, ...]
    missing: tuple[str, ...]


async def status(address: Address) -> DatabaseStatus:
    """Return how a database stands; nothing is changed.

    Raises:
        StoreUnavailable: it cannot be connected to, or is too old.
    """
    async with _connected(address) as connection:
        return await _status(connection, address)


async def script(address: Address) -> str:
    """Return the SQL that `initialise` would run, for psql; nothing is changed.

    Raises:
        StoreUnavailable: it cannot be connected to, or is too old.
        NewerSchema: a newer Twofold made its schema.
    """
    async with _connected(address) as connection:
        found = await _status(connection, address)
    _refuse_newer(found)
    steps = [("roles and schemas", schema.setup())]
    steps += [(migration.name, schema.step(migration)) for migration in schema.MIGRATIONS[found.version :]]
    return "\n".join(f"-- {name}\nBEGIN;\n{schema.begin()}{text}COMMIT;\n" for name, text in steps)


async def initialise(address: Address, *, at_once: bool = False) -> Sequence[str]:
    """Make the roles and the schema, or bring them up to date; return the names of the migrations that were run.

    Each step is a transaction of its own, so it may be interrupted and run again; whoever runs it at the same time
    waits. Where all is up to date, rights are set again and nothing else happens.

    Args:
        address: the database.
        at_once: True to make all migrations one transaction, so that nobody finds a schema that is half made.

    Raises:
        StoreUnavailable: it cannot be connected to, is too old, a replica, or the user may not do it.
        ForeignFile: there is a schema of the name `history` or `views` that is somebody else's.
        NewerSchema: a newer Twofold made its schema.
    """
    async with _connected(address) as connection:
        found = await _status(connection, address)
        _refuse_newer(found)
        if found.replica:
            raise StoreUnavailable(path=address.shown, problem="it is a replica; run this on the primary")
        try:
            await _set_up(connection)
            async with connection.transaction() if at_once else nullcontext():
                return await _migrated(connection, address)
        except asyncpg.PostgresError as error:
            raise _told(error, address) from error


async def prepare(address: Address) -> bool:
    """Make the schema in a database where there is none, if the address is one that may; tell whether it is there now.

    Addresses with a URL for each role may not: they are those of a deployment that keeps rights apart. An older schema
    is left as it is: nodes of the older version may be running.

    Raises:
        NotInitialized: it cannot be made, and why.
    """
    found = await status(address)
    if address.urls or found.version:
        # It may be there because another node that started at the same time has just made it.
        return found.version == found.known
    try:
        # A node that starts meanwhile would take a schema that is half made for an older one, and refuse it.
        await initialise(address, at_once=True)
    except StoreUnavailable as error:
        raise NotInitialized(path=address.shown, problem=f"it has no schema of Twofold's; {error.problem}") from error
    return True


async def _set_up(connection: Connection) -> None:
    for last in (False,) * (_TRIES - 1) + (True,):
        try:
            async with connection.transaction():
                await connection.execute(schema.begin() + schema.setup())
            break
        except asyncpg.InternalServerError:
            # "tuple concurrently updated": the roles are being made for another database, which no lock covers.
            if last:
                raise


async def _migrated(connection: Connection, address: Address) -> list[str]:
    done: list[str] = []
    for migration in schema.MIGRATIONS:
        async with connection.transaction():
            await connection.execute(schema.begin() + "SET LOCAL ROLE twofold_owner;")
            version = await _version(connection)
            if version > schema.known():
                raise NewerSchema(path=address.shown, found=version, known=schema.known())
            if version < migration.number:
                await connection.execute(schema.step(migration))
                done.append(migration.name)
            else:
                # A dump may have been restored without its comments.
                await connection.execute(schema.comment(version))
    return done


async def _version(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT value FROM history.about WHERE name = 'schema_version'") or 0)


async def _status(connection: Connection, address: Address) -> DatabaseStatus:
    async with asyncio.timeout(address.deadline), connection.transaction(readonly=True):
        await connection.execute(schema.PATH)
        row = await connection.fetchrow(_LOOK, ROLES)
    assert row is not None
    require_server(row["server"], address.shown)
    version = schema.version_in(row["about"]) or 0
    return DatabaseStatus(
        database=address.shown,
        server=row["server"],
        replica=row["replica"],
        version=version,
        known=schema.known(),
        pending=tuple(migration.name for migration in schema.MIGRATIONS[version:]),
        missing=tuple(role for role in ROLES if role not in row["roles"]),
    )


def _refuse_newer(found: DatabaseStatus) -> None:
    if found.version > found.known:
        raise NewerSchema(path=found.database, found=found.version, known=found.known)


def _told(error: asyncpg.PostgresError, address: Address) -> Exception:
    if isinstance(error, asyncpg.DuplicateSchemaError):
        return ForeignFile(
            f"{address.shown}: {error.args[0]}; nothing was changed, give Twofold a database of its own",
            path=address.shown,
            problem=error.args[0],
        )
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        mend = _MEND.format(roles=", ".join(ROLES))
        return StoreUnavailable(path=address.shown, problem=f"{said(error)}; {mend}")
    return translate(error, address.shown)


@asynccontextmanager
async def _connected(address: Address) -> AsyncIterator[Connection]:
    try:
        async with asyncio.timeout(address.deadline):
            connection = await asyncpg.connect(address.url, statement_cache_size=0)
    except Exception as error:
        raise refused(error, address.shown, "") from error
    try:
        yield connection
    finally:
        connection.terminate()
