"""`db init` on a server of its own: whoever may run it, however often, and whatever is there already."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from tests.postgres.catalog import ROLES, about, everything, remove_roles, rows
from twofold.engines.postgres import migrate, schema
from twofold.engines.postgres.address import Address, read_address
from twofold.engines.postgres.schema import Migration
from twofold.errors import ForeignFile, NewerSchema, NotInitialized, StoreUnavailable
from twofold.testing import PostgresServer, postgres
from twofold.testing.postgres import GIVEN

pytestmark = pytest.mark.anyio

FIRST = Migration(1, "0001_first", "CREATE TABLE history.first (number int);")
SECOND = Migration(2, "0002_second", "CREATE TABLE history.second (number int);")
# For what was made before it, say, and is not committed.
UNTIL_SOMEBODY_WAITS = """
DO $$ BEGIN
    FOR n IN 1..1000 LOOP
        EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)));
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
"""
WRONG = Migration(2, "0002_wrong", "CREATE TABLE history.second (number int); SELECT 1 / 0;")


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """Roles belong to a whole server, so tests that begin without any need one of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(GIVEN, raising=False)
        with postgres() as server:
            yield server


@pytest.fixture
def server(own_server: PostgresServer) -> Iterator[PostgresServer]:
    yield own_server
    for url in list(own_server._made):
        own_server.drop(url)
    remove_roles(own_server)
    own_server.execute("DROP ROLE IF EXISTS owner; DROP ROLE IF EXISTS guest")


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (FIRST, SECOND))


def new(server: PostgresServer) -> tuple[str, Address]:
    url = server.database()
    return url, read_address(url, {})


def owned(server: PostgresServer, attributes: str) -> tuple[str, Address]:
    """Make a database that belongs to a user who is no superuser."""
    url = server.database()
    name = url.rpartition("/")[2]
    server.execute(f"CREATE ROLE owner LOGIN PASSWORD 'secret' {attributes}; ALTER DATABASE {name} OWNER TO owner")
    return url, read_address(server.url_of(name, user="owner", password="secret"), {})


async def test_a_superuser_makes_all_and_a_second_time_changes_nothing(server: PostgresServer) -> None:
    url, address = new(server)
    before = await migrate.status(address)
    assert (before.version, before.missing) == (0, ROLES)
    done = await migrate.initialise(address)
    assert list(done) == [migration.name for migration in schema.MIGRATIONS]
    first = await everything(url)
    assert list(await migrate.initialise(address)) == []
    assert await everything(url) == first
    after = await migrate.status(address)
    assert (after.version, after.known, after.pending, after.missing) == (after.known, len(done), (), ())
    logins = await rows(url, "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname LIKE 'twofold%' ORDER BY 1")
    assert logins == [(role, role != "twofold_owner") for role in sorted(ROLES)]
    owners = await rows(
        url, "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname IN ('history', 'views', 'application')"
    )
    assert owners == [("twofold_owner",)] * 3


async def test_who_may_create_roles_and_owns_the_database_is_enough(server: PostgresServer) -> None:
    url, address = owned(server, "CREATEROLE")
    await migrate.initialise(address)
    found = await everything(url)
    other = new(server)
    await migrate.initialise(other[1])
    assert await everything(other[0]) == found, "it depends on who makes it"
    # And one URL is then enough for every role.
    for role in ROLES:
        assert await rows(address.url, f"SELECT set_config('role', '{role}', false)") == [(role,)]


async def test_the_owner_of_the_database_is_enough_where_an_administrator_made_the_roles(
    server: PostgresServer,
) -> None:
    _, address = owned(server, "")
    server.execute("".join(f"CREATE ROLE {role};" for role in ROLES))
    server.execute("GRANT twofold_owner, twofold_projector TO owner")
    await migrate.initialise(address)
    assert (await migrate.status(address)).pending == ()


@pytest.mark.parametrize("made", [False, True], ids=["no roles", "roles that are not granted"])
async def test_who_may_not_is_told_what_to_do_and_nothing_is_changed(server: PostgresServer, made: bool) -> None:
    url, address = owned(server, "")
    if made:
        server.execute("".join(f"CREATE ROLE {role};" for role in ROLES))
    before = await everything(url)
    with pytest.raises(StoreUnavailable, match=r"--dry-run prints.*GRANT twofold_owner") as raised:
        await migrate.initialise(address)
    assert "secret" not in str(raised.value)
    assert await everything(url) == before
    with pytest.raises(NotInitialized, match="as its administrator run: twofold db init"):
        await migrate.prepare(address)


async def test_the_printed_sql_does_the_same(server: PostgresServer, two: None) -> None:
    url, address = new(server)
    script = await migrate.script(address)
    assert (await everything(url)) == [], "printing it has changed something"
    psql: list[str] = [str(server.binary("psql")), "--set=ON_ERROR_STOP=1", "--quiet", "--file=-", url]
    subprocess.run(psql, input=script, text=True, check=True, capture_output=True)
    assert (await migrate.status(address)).pending == ()
    other, elsewhere = new(server)
    await migrate.initialise(elsewhere)
    assert await everything(url) == await everything(other)
    # Old steps do not run twice, whoever keeps the file.
    again = subprocess.run(psql, input=script, text=True, check=False, capture_output=True)
    assert "comes after schema version 0" in again.stderr
    assert await everything(url) == await everything(other)
    assert "0001" not in await migrate.script(address)


@pytest.mark.parametrize("places", [1, 3], ids=["one database", "three databases"])
async def test_any_number_may_run_it_at_once(server: PostgresServer, two: None, places: int) -> None:
    made = [new(server) for _ in range(places)]
    done = await asyncio.gather(*(migrate.initialise(address) for _, address in made for _ in range(4)))
    for number in range(places):
        names = sorted(name for each in done[number * 4 : number * 4 + 4] for name in each)
        assert names == ["0001_first", "0002_second"], "a migration has run twice or not at all"
    assert len({tuple(map(tuple, await everything(url))) for url, _ in made}) == 1


async def test_without_the_lock_migrations_that_run_at_once_fail(
    server: PostgresServer, two: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug for the test above."""
    monkeypatch.setattr(schema, "_LOCK", "")
    monkeypatch.setattr(schema, "MIGRATIONS", (replace(FIRST, text=FIRST.text + UNTIL_SOMEBODY_WAITS),))
    _, address = new(server)
    found = await asyncio.gather(*(migrate.initialise(address) for _ in range(4)), return_exceptions=True)
    assert any(isinstance(each, Exception) for each in found)


async def test_a_migration_that_fails_leaves_nothing_of_itself_and_all_before_it(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (FIRST, WRONG))
    url, address = new(server)
    with pytest.raises(Exception, match="22012"):
        await migrate.initialise(address)
    assert (await about(url))["schema_version"] == "1"
    assert (await migrate.status(address)).pending == ("0002_wrong",)
    assert await rows(url, "SELECT to_regclass('history.first') IS NULL, to_regclass('history.second') IS NULL") == [
        (False, True)
    ]
    monkeypatch.setattr(schema, "MIGRATIONS", (FIRST, SECOND))
    assert list(await migrate.initialise(address)) == ["0002_second"]


async def test_an_older_schema_is_brought_up_to_date(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (FIRST,))
    _, address = new(server)
    await migrate.initialise(address)
    monkeypatch.setattr(schema, "MIGRATIONS", (FIRST, SECOND))
    assert (await migrate.status(address)).pending == ("0002_second",)
    # A node does not do it by itself: nodes of the older version may be running.
    await migrate.prepare(address)
    assert (await migrate.status(address)).pending == ("0002_second",)
    assert list(await migrate.initialise(address)) == ["0002_second"]


async def test_a_newer_schema_is_left_alone(server: PostgresServer, two: None, monkeypatch: pytest.MonkeyPatch) -> None:
    url, address = new(server)
    await migrate.initialise(address)
    before = await everything(url)
    monkeypatch.setattr(schema, "MIGRATIONS", (FIRST,))
    for act in (migrate.initialise, migrate.script):
        with pytest.raises(NewerSchema, match=r"schema version 2.*versions up to 1"):
            await act(address)
    assert await everything(url) == before


@pytest.mark.parametrize("name", ["history", "views", "application"])
async def test_a_schema_that_is_somebody_elses_is_left_alone(server: PostgresServer, name: str) -> None:
    url, address = new(server)
    server.execute(f"CREATE SCHEMA {name}; CREATE TABLE {name}.about (name text)", url)
    before = await everything(url)
    with pytest.raises(ForeignFile, match=f"a schema named {name} already"):
        await migrate.initialise(address)
    assert await everything(url) == before


async def test_a_dump_that_lost_its_comments_is_mended(server: PostgresServer, two: None) -> None:
    url, address = new(server)
    await migrate.initialise(address)
    before = await everything(url)
    server.execute("COMMENT ON SCHEMA history IS NULL", url)
    assert (await migrate.status(address)).version == 0
    assert list(await migrate.initialise(address)) == []
    assert await everything(url) == before


async def test_a_replica_is_refused(server: PostgresServer) -> None:
    with server.standby() as standby, pytest.raises(StoreUnavailable, match="a replica; run this on the primary"):
        await migrate.initialise(read_address(standby.url, {}))


async def test_a_server_that_is_too_old_is_refused(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twofold.engines.postgres.session.OLDEST_SERVER", 99)
    _, address = new(server)
    with pytest.raises(StoreUnavailable, match=r"it is PostgreSQL \d+; 99 or newer is needed"):
        await migrate.initialise(address)


async def test_a_node_makes_the_schema_where_one_url_may_and_never_where_each_role_has_its_own(
    server: PostgresServer, two: None
) -> None:
    url, address = new(server)
    await migrate.prepare(read_address(url, {"TWOFOLD_WRITER_URL": url}))
    assert (await migrate.status(address)).version == 0
    await migrate.prepare(address)
    assert (await migrate.status(address)).pending == ()


async def test_nobody_finds_a_schema_that_a_node_has_made_half(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Migration(2, "0002_slow", "SELECT pg_sleep(0.3);")
    monkeypatch.setattr(schema, "MIGRATIONS", (FIRST, slow))
    _, address = new(server)
    making = asyncio.create_task(migrate.prepare(address))
    found: set[int] = set()
    while not making.done():
        found.add((await migrate.status(address)).version)
    await making
    assert found <= {0, 2}


async def test_who_finds_that_another_node_has_just_made_the_schema_is_told_that_it_is_there(
    server: PostgresServer, two: None
) -> None:
    url, address = new(server)
    assert await migrate.prepare(address)
    assert await migrate.prepare(address)
    assert await migrate.prepare(read_address(url, {"TWOFOLD_WRITER_URL": url}))


def test_every_migration_has_the_number_of_its_place(request: pytest.FixtureRequest) -> None:
    assert [migration.number for migration in schema.MIGRATIONS] == list(range(1, len(schema.MIGRATIONS) + 1))
