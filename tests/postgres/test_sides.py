"""The two sides' rights are kept apart by the database: with one URL for all roles, and with a URL for each."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.faults.bank import Deposit, GetStatement, Statement, bank
from tests.postgres.catalog import connected_as, rows
from twofold.engines.postgres.address import read_address
from twofold.engines.postgres.history import PostgresHistory
from twofold.engines.postgres.migrate import initialise
from twofold.engines.postgres.views import PostgresViews
from twofold.errors import InvalidFilter, NotInitialized, RoleMissing, StoreError, StoreUnavailable
from twofold.node import Node, Role
from twofold.read.view import View
from twofold.testing import PostgresServer

pytestmark = pytest.mark.anyio

ROLES = ("writer", "projector", "reader")


@pytest.fixture(scope="module", params=["one URL", "a URL for each role"])
def url(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> Iterator[str]:
    """A database that is ready, and what the environment says about it."""
    url = postgres_server.database()
    asyncio.run(initialise(read_address(url, {})))
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "one URL":
            own_logins(postgres_server, url, patch)
        yield url
    postgres_server.drop(url)


def own_logins(server: PostgresServer, url: str, patch: pytest.MonkeyPatch) -> None:
    """Give the roles passwords, and set their URLs in the environment."""
    if not server.own:
        pytest.skip("roles get no passwords on a server that is not the tests' own")
    for role in ROLES:
        server.execute(f"ALTER ROLE twofold_{role} PASSWORD 'of the {role}'")
        name = url.rpartition("/")[2]
        own = server.url_of(name, user=f"twofold_{role}", password=f"of%20the%20{role}")
        patch.setenv(f"TWOFOLD_{role.upper()}_URL", own)


@pytest.fixture
async def node(url: str) -> AsyncIterator[Node]:
    async with bank.open(url) as node:
        receipt = await node.send(Deposit("a"))
        assert await node.ask(GetStatement("a"), after=receipt, timeout=30) is not None
        yield node


WRITES = [
    "; DELETE FROM views.statement",
    "WHERE account IN (DELETE FROM views.statement RETURNING account)",
    "WHERE lo_create(0) > 0",
    "WHERE nextval('history.numbers') > 0",
    "WHERE query_to_xml('DELETE FROM views.statement', true, true, '') IS NOT NULL",
    "WHERE (SELECT history.head()) > 0",
    "WHERE (SELECT count(*) FROM history.events) > 0",
    "WHERE set_config('transaction_read_only', 'off', false) = 'off' AND lo_create(0) > 0",
    "WHERE set_config('role', 'none', false) = 'none' AND query_to_xml('DELETE FROM views.statement', true, true, '') "
    "IS NOT NULL",
    "WHERE set_config('role', 'none', false) = 'none' AND lo_create(0) > 0",
]


@pytest.mark.parametrize("text", WRITES)
async def test_a_query_handler_that_tries_to_write_is_refused_by_the_database(node: Node, url: str, text: str) -> None:
    view: View[Statement] = View(views_of(node), node.app.tables[Statement])
    before = await rows(url, "SELECT count(*) FROM pg_largeobject_metadata")
    (version,) = (await rows(url, "SELECT current_setting('server_version_num')"))[0]
    # Up to 15, a transaction that cannot write may make large objects; what is rolled back is none.
    may_pass = "lo_create" in text and int(str(version)) < 160_000
    with contextlib.suppress(InvalidFilter) if may_pass else pytest.raises(InvalidFilter, match="refused"):
        await view.sql(text)
    assert await view.count() == 1
    assert await rows(url, "SELECT count(*) FROM pg_largeobject_metadata") == before


async def test_nothing_that_sql_of_a_query_sets_stays_in_the_connection(node: Node, url: str) -> None:
    view: View[Statement] = View(views_of(node), node.app.tables[Statement])
    for name, value in {"search_path": "pg_temp", "statement_timeout": "12345ms", "role": "twofold_owner"}.items():
        if name == "role" and url_of_reader():
            continue  # who logs in as the reader may not take it
        assert len(await view.sql(f"WHERE set_config('{name}', '{value}', false) IS NOT NULL")) == 1
        assert await view.sql(f"WHERE current_setting('{name}') = '{value}'") == []
    assert len(await view.sql("WHERE current_user = 'twofold_reader'")) == 1


async def test_what_sql_of_a_query_sets_would_stay_if_it_were_not_rolled_back(
    node: Node, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug for the test above."""
    # On the one connection that it has.
    async with bank.open(f"{url}?connections=1", roles=["read"]) as again:
        reader = views_of(again)._reader
        monkeypatch.setattr(reader, "inspect", reader.fetch)
        view: View[Statement] = View(views_of(again), node.app.tables[Statement])
        await view.sql("WHERE set_config('search_path', 'pg_temp', false) IS NOT NULL")
        assert len(await view.sql("WHERE current_setting('search_path') = 'pg_temp'")) == 1


@pytest.mark.parametrize(
    "question",
    ["SELECT * FROM views.statement", "SELECT * FROM views.twofold_projections", "DELETE FROM views.statement"],
)
async def test_a_command_handlers_connection_cannot_see_the_read_models(node: Node, question: str) -> None:
    assert isinstance(node.history, PostgresHistory)
    with pytest.raises(StoreError, match="permission denied for schema views"):
        await node.history._server.fetch(question)


NEEDED: dict[frozenset[Role], set[str]] = {
    frozenset(("write",)): {"writer"},
    frozenset(("write", "http")): {"writer"},
    frozenset(("read",)): {"reader"},
    frozenset(("read", "http")): {"reader"},
    frozenset(("project",)): {"projector"},
    frozenset(("read", "project")): {"reader", "projector"},
    frozenset(("write", "project")): {"writer", "projector"},
    frozenset(("write", "read", "project")): {"writer", "projector", "reader"},
}


@pytest.mark.parametrize("roles", NEEDED, ids=lambda roles: "+".join(sorted(roles)))
async def test_a_node_connects_only_as_the_roles_that_it_needs(url: str, roles: frozenset[Role]) -> None:
    async with bank.open(url) as node:
        await node.send(Deposit("a"))
        await node.caught_up()
    async with bank.open(url, roles=roles) as node:
        if "read" in roles:
            assert await node.ask(GetStatement("a")) is not None
        await connected_as(url, NEEDED[roles])


async def test_a_node_that_only_reads_does_what_can_be_done_without_the_history(url: str) -> None:
    async with bank.open(url, roles=["read"]) as reader:
        async with bank.open(url, roles=["write", "project"]) as other:
            receipt = await other.send(Deposit("a"))
            assert await reader.ask(GetStatement("a"), after=receipt, timeout=30) is not None
            assert await reader.caught_up(after=receipt) == receipt.position
        (status,) = await reader.models()
        assert (status.head, status.checkpoint, status.lag, status.live) == (
            receipt.position,
            receipt.position,
            0,
            True,
        )
        for needs_the_history in (reader.caught_up(), anext(reader.events()), reader.send(Deposit("a"))):
            with pytest.raises(RoleMissing, match="this node runs read"):
                await needs_the_history


@pytest.mark.parametrize("role", ROLES)
async def test_a_password_that_is_wrong_is_told_at_open_and_not_shown(
    initialised: Callable[[], str], postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    url = initialised()
    own_logins(postgres_server, url, monkeypatch)
    name = url.rpartition("/")[2]
    wrong = postgres_server.url_of(name, user=f"twofold_{role}", password="hunter2")
    monkeypatch.setenv(f"TWOFOLD_{role.upper()}_URL", wrong)
    with pytest.raises(StoreUnavailable, match="refuses the user or the password") as raised:
        await bank.open(url).__aenter__()
    assert "hunter2" not in str(raised.value)


async def test_urls_of_roles_never_make_a_database_ready(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOFOLD_READER_URL", database)
    with pytest.raises(NotInitialized, match="twofold db init"):
        await bank.open(database).__aenter__()
    assert await rows(database, "SELECT to_regnamespace('history') IS NULL") == [(True,)]


def views_of(node: Node) -> PostgresViews:
    assert isinstance(node._parts.views, PostgresViews)
    return node._parts.views


def url_of_reader() -> str | None:
    return os.environ.get("TWOFOLD_READER_URL")
