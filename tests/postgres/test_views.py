"""Read models on PostgreSQL: typed tables, read by a role that cannot write, made and projected by many nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.faults.bank import Deposit, GetStatement, bank
from tests.faults.bouncer import bouncer
from tests.postgres.views_rig import opened, rows
from tests.read.rig import append, projector_of, rows_in, table_of
from tests.read.test_rebuild import Log, Measured, Mood
from twofold import App, Query, View
from twofold.engines.memory import MemoryHistory
from twofold.engines.postgres.named import numbered
from twofold.engines.postgres.server import Server
from twofold.errors import InvalidFilter, StoreBusy, StoreError
from twofold.node import Node
from twofold.read.store import Advance
from twofold.testing import PostgresServer
from twofold.testing.contracts.kinds import EVERY_KIND, EveryKind
from twofold.testing.contracts.rows import (
    HISTORY,
    NEW_NOTES,
    NEWEST_NOTES,
    NOTES,
    SEATS,
    Note,
    everything,
    prepared,
    put,
)

pytestmark = pytest.mark.anyio
New = Callable[[], str]


async def test_columns_are_typed_and_the_live_name_shows_the_fields_alone(initialised: New) -> None:
    url = initialised()
    async with opened(url) as store:
        await prepared(store, EVERY_KIND)
        naive = EveryKind(UUID(int=1), 1, local=datetime(2001, 2, 3), moment=datetime(2001, 2, 3, tzinfo=UTC))
        await put(store, EVERY_KIND, naive)
    found = dict(
        await rows(
            url,
            "SELECT column_name, data_type FROM information_schema.columns "
            f"WHERE table_schema = 'views' AND table_name = '{EVERY_KIND.live_name}' ORDER BY ordinal_position",
        )
    )
    assert list(found) == [column.name for column in EVERY_KIND.columns]
    assert {name: found[name] for name in ("name", "place", "text", "real", "boolean", "content", "moment")} == {
        "name": "uuid", "place": "bigint", "text": "text", "real": "double precision", "boolean": "boolean",
        "content": "bytea", "moment": "timestamp with time zone",
    }  # fmt: skip
    assert (found["amount"], found["parts"], found["counts"]) == ("numeric", "jsonb", "json")
    shown = await rows(url, f"SELECT moment, local, boolean FROM views.{EVERY_KIND.live_name}")
    assert shown == [(datetime(2001, 2, 3, tzinfo=UTC), datetime(2001, 2, 3, tzinfo=UTC), False)]


async def test_many_nodes_prepare_a_table_at_once(initialised: New) -> None:
    url = initialised()

    async def prepare() -> bool:
        async with opened(url) as store:
            assert await store.prepare(NOTES, HISTORY) == 0
            return await store.apply(NOTES, Advance(0, 0, live=True))

    assert all(await asyncio.gather(*(prepare() for _ in range(8))))


async def test_the_live_name_shows_the_version_that_is_live(initialised: New) -> None:
    url = initialised()
    async with opened(url) as store:
        await prepared(store, NOTES)
        await put(store, NOTES, Note("a", 1))
        assert await rows(url, "SELECT name, number FROM views.note") == [("a", 1)]
        await prepared(store, NEW_NOTES)
        assert await rows(url, "SELECT name, comment FROM views.note") == []


def event(number: int) -> Measured:
    return Measured(
        number % 3, datetime(2026, 1, 1 + number, tzinfo=UTC), number / 3, number,
        Decimal(("1E+3", "-0.00", "1.10", "1E-9")[number % 4]), date(2026, 1, 1), list(Mood)[number % 2],
        UUID(int=number % 2), (None, "Ærø", "storm")[number % 3],
    )  # fmt: skip


async def test_rows_do_not_depend_on_where_batches_end_or_on_restarts(initialised: New) -> None:
    async def projected(store: Any, sizes: list[int]) -> list[tuple[Any, ...]]:
        history = MemoryHistory()
        left = [event(number) for number in range(20)]
        for size in sizes:
            await append(history, *left[:size])
            del left[:size]
            projector = projector_of(Log, history, store)
            await projector.prepare()
            await projector.catch_up()
        assert not await store.parked_keys(table_of(Log))
        return await rows_in(store, table_of(Log))

    found = []
    for sizes in ([20], [1] * 20, [3, 4, 13]):
        async with opened(initialised()) as store:
            found.append(await projected(store, sizes))
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 3


class HowMany(Query[int]):
    pass


async def answer(url: str, wanted: Callable[[Any], Awaitable[Any]]) -> Any:
    """Have a query handler do something with its view."""
    app = App("statements")
    for model in bank.tables:
        app.read_model(model)
    (model,) = (model for model in bank.tables if model.__name__ == "Statement")

    async def how_many(query: HowMany, view: Any) -> int:
        return await wanted(view)  # type: ignore[no-any-return]

    how_many.__annotations__ = {"query": HowMany, "view": View[model], "return": int}  # type: ignore[valid-type]
    app.query(how_many)
    async with app.open(url, roles=["read"]) as node:
        return await node.ask(HowMany())


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM views.{table}",
        "UPDATE views.twofold_projections SET checkpoint = 0",
        "CREATE TABLE views.mine (a int)",
        "DROP VIEW views.{name}",
        "TRUNCATE views.{table}",
        "SELECT * FROM views.{table} FOR UPDATE",
        "SELECT * FROM history.events",
        "SELECT history.head()",
    ],
)
@pytest.mark.parametrize("read_only", [True, False])
async def test_a_query_handler_that_tries_to_write_is_refused_by_the_database(
    initialised: New, statement: str, read_only: bool
) -> None:
    url = initialised()

    async def write(view: Any) -> int:
        reader = view._store._store._reader
        assert isinstance(reader, Server)
        text = statement.format(table=view._table.versioned_name, name=view._table.live_name)
        async with reader.transaction() as connection:
            if not read_only:
                # Even if it undoes the setting: what it may do is decided by its role.
                await connection.execute("SET TRANSACTION READ WRITE")
            await connection.execute(text)
        return 1

    async with bank.open(url) as node:
        await node.ask(GetStatement("a"), after=await node.send(Deposit("a")))
        with pytest.raises((StoreError, asyncpg.PostgresError)) as refused:
            await answer(url, write)
        cause = refused.value.__cause__ or refused.value
        assert isinstance(cause, asyncpg.InsufficientPrivilegeError | asyncpg.ReadOnlySQLTransactionError)
        found = await node.ask(GetStatement("a"))
        assert found is not None
        assert found.balance == 1


async def test_an_answer_by_key_is_one_round_trip(initialised: New, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    once = Server.fetch

    async def fetch(self: Server, sql: str, *values: object) -> Any:
        asked.append(sql)
        return await once(self, sql, *values)

    url = initialised()
    async with bank.open(url) as node:
        await node.ask(GetStatement("a"), after=await node.send(Deposit("a")))
    async with bank.open(url, roles=["read"]) as node:
        await node.ask(GetStatement("a"))
        monkeypatch.setattr(Server, "fetch", fetch)
        await node.ask(GetStatement("a"))
    assert len(asked) == 1


SOME = [
    Note("a", 1, 5, "it's :number", Decimal("1.5"), True, ["x"]),
    Note("b", 2, None, "é", Decimal("1E+3")),
    Note("c", 3, -1, None, None, labels=["x", "y"]),
]


@pytest.mark.parametrize(
    ("text", "values", "names"),
    [
        ("where number in (:one, :two) order by name", {"one": 1, "two": 3}, "ac"),
        ("where number = :one or number = :one + 1 order by name", {"one": 1}, "ab"),
        ("where text = 'it''s :number' or name = :name order by name", {"name": "c", "other": 1}, "ac"),
        ("where text = E'it\\'s :number'", {}, "a"),
        ("where text = $$it's :number$$", {}, "a"),
        ("where number::text = :number", {"number": "2"}, "b"),
        ("where amount > :least -- :not_this\n/* nor :this */ order by amount", {"least": Decimal("1.25")}, "ab"),
        ("where amount = :amount", {"amount": 1000}, "b"),
        ("where done = :done", {"done": True}, "a"),
        ("where labels @> :labels order by name", {"labels": ["x"]}, "ac"),
        ("where name = any(:names) order by name", {"names": ["b", "c", "d"]}, "bc"),
        ("where rank is not distinct from :rank::bigint", {"rank": None}, "b"),
        ("where (array[number, 7])[1:1] = array[:number::bigint]", {"number": 3}, "c"),
        ("order by amount desc nulls last limit :most", {"most": 2}, "ba"),
    ],
)
async def test_sql_text_takes_values_of_every_type_by_name(
    initialised: New, text: str, values: dict[str, Any], names: str
) -> None:
    async with opened(initialised()) as store:
        await prepared(store, NOTES)
        await put(store, NOTES, *SOME)
        for _ in range(2):
            assert "".join(note.name for note in await View(store, NOTES).sql(text, **values)) == names


async def test_sql_text_takes_ids_and_times(initialised: New) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    async with opened(initialised()) as store:
        await prepared(store, EVERY_KIND)
        await put(store, EVERY_KIND, EveryKind(UUID(int=7), 1, moment=noon, day=date(2026, 3, 1)))
        view = View(store, EVERY_KIND)
        for text, value in [
            ("where name = :value", UUID(int=7)),
            ("where name = any(:value)", [UUID(int=7)]),
            ("where moment >= :value and moment < :value + interval '1 second'", noon),
            ("where moment::date = :value", date(2026, 3, 1)),
            ("where day::date = :value", date(2026, 3, 1)),
            ("where place < :value::float8", 1.5),
        ]:
            assert len(await view.sql(text, value=value)) == 1, text


@pytest.mark.parametrize(
    ("text", "values", "problem"),
    [
        ("where number = :number", {"number": "many"}, "a value cannot be used|refused"),
        ("where number = :number", {"number": Decimal("1.5")}, "a value cannot be used|refused"),
        ("where number = $1", {}, "there is no other parameter"),
        ("where number = 1 / 0", {}, "division by zero"),
        ("where number = (select checkpoint from history.events)", {}, "permission denied"),
        ("where pg_read_file('/etc/passwd') is not null", {}, "permission denied"),
        ("where nextval('views.nothing') = 1", {}, "does not exist"),
    ],
)
async def test_refused_text_tells_what_the_database_said(
    initialised: New, text: str, values: dict[str, Any], problem: str
) -> None:
    async with opened(initialised()) as store:
        await prepared(store, NOTES)
        await put(store, NOTES, *SOME)
        with pytest.raises(InvalidFilter, match=problem):
            await View(store, NOTES).sql(text, **values)
        assert await everything(store, NOTES) == SOME


def test_names_are_numbered_in_the_order_of_their_first_use() -> None:
    assert numbered("a = :x and b = :y or c = :x::int") == ("a = $1 and b = $2 or c = $1::int", ["x", "y"])


async def test_a_statement_that_takes_too_long_is_ended_in_the_database(initialised: New) -> None:
    url = initialised()
    async with opened(url) as store, opened(f"{url}?deadline=1") as hasty:
        await prepared(store, NOTES)
        await put(store, NOTES, *SOME)
        with pytest.raises(StoreBusy):
            await View(hasty, NOTES).sql("where pg_sleep(100) is null")
        assert await everything(store, NOTES) == SOME
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(100) is null%'"
    while await rows(url, f"{running} AND pid <> pg_backend_pid()") != [(0,)]:
        await asyncio.sleep(0.01)


async def held_by(node: Node) -> set[str | None]:
    return {model.holder for model in await node.models()}


@pytest.mark.parametrize("options", ["", "?notify=off"])
async def test_of_two_nodes_one_projects_and_the_other_takes_over_when_it_ends(initialised: New, options: str) -> None:
    url = initialised() + options
    async with bank.open(url, roles=["write"]) as writer, bank.open(url, roles=["read"]) as reader:
        first = bank.open(url, roles=["project", "read"])
        # It does not lose its lease before it ends, however slow the machine is.
        first._parts.lease = 3600.0
        async with first:
            while await held_by(reader) != {first.name}:
                await asyncio.sleep(0.01)
            async with bank.open(url, roles=["project", "read"]) as second:
                for number in range(1, 6):
                    receipt = await writer.send(Deposit("a"))
                    for node in (reader, first, second):
                        found = await node.ask(GetStatement("a"), after=receipt, timeout=30)
                        assert found is not None
                        assert found.balance == number
                assert await held_by(reader) == await held_by(second) == {first.name}
                await first.close()
                receipt = await writer.send(Deposit("a"))
                found = await second.ask(GetStatement("a"), after=receipt, timeout=30)
                assert found is not None
                assert found.balance == 6
                await reader.ask(GetStatement("a"), after=receipt, timeout=30)
                assert second.name in await held_by(reader)
        assert await held_by(reader) == {None}


async def test_a_node_that_cannot_see_the_history_tells_the_head_that_was_projected(initialised: New) -> None:
    url = initialised()
    async with bank.open(url, roles=["write", "project", "read"]) as node:
        receipt = await node.send(Deposit("a"))
        await node.caught_up()
    async with bank.open(url, roles=["read"]) as reader:
        assert {(model.head, model.checkpoint, model.lag) for model in await reader.models()} == {
            (receipt.position, receipt.position, 0)
        }


async def test_a_key_that_is_too_long_for_an_index_is_refused_before_it_comes_there(initialised: New) -> None:
    async with opened(initialised()) as store:
        await prepared(store, NOTES, SEATS)
        longest = "".join(chr(300 + n * 7919 % 9000) for n in range(666))
        await put(store, NOTES, Note(longest))
        assert await View(store, NOTES).get(longest) == Note(longest)
        with pytest.raises(InvalidFilter, match="at most 2,000 bytes"):
            await View(store, NOTES).get(longest * 2)


async def test_all_of_it_works_behind_a_pooler_of_transactions(initialised: New) -> None:
    with bouncer(initialised()) as url:
        async with opened(url) as store:
            assert store._reader.pooled
            await prepared(store, NOTES)
            await put(store, NOTES, *SOME)
            for number in (1, 2, 3):
                found = await View(store, NOTES).sql("where number = :number", number=number)
                assert found == [SOME[number - 1]]
            first = await store.claim(NOTES, "one", 0)
            second = await store.claim(NOTES, "other", 3600)
            assert (second.mine, second.epoch) == (True, first.epoch + 1)
            with pytest.raises(StoreError):
                async with store._reader.transaction() as connection:
                    await connection.execute("DELETE FROM views.twofold_parked")
        async with (
            bank.open(url, roles=["write"]) as writer,
            bank.open(url, roles=["project"]),
            bank.open(url, roles=["read"]) as reader,
        ):
            for number in range(1, 6):
                receipt = await writer.send(Deposit("a"))
                found_now = await reader.ask(GetStatement("a"), after=receipt, timeout=30)
                assert found_now is not None
                assert found_now.balance == number


async def test_what_was_begun_a_week_ago_is_dropped_unless_it_was_live_or_is_projected(
    initialised: New, postgres_server: PostgresServer
) -> None:
    url = initialised()
    async with opened(url) as store:
        for begun in (NEW_NOTES, NEWEST_NOTES):
            await store.prepare(begun, HISTORY)
        await store.claim(NEWEST_NOTES, "a node", 3600)
        postgres_server.execute("UPDATE views.twofold_projections SET begun = now() - interval '8 days'", url)
        await prepared(store, NOTES)
        assert {each.version for each in await store.versions(NOTES)} == {NOTES.version, NEWEST_NOTES.version}
    assert await rows(url, f"SELECT to_regclass('views.{NEW_NOTES.versioned_name}')") == [(None,)]
