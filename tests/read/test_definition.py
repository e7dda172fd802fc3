"""A changed definition is noticed and built anew beside the old one; queries never see it half built (F22, R3, R5)."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import pytest

from tests.read.rig import append, projector_of, select
from twofold.engines.memory import MemoryHistory
from twofold.engines.sqlite import SqliteHistory, SqliteViews
from twofold.errors import NotFresh
from twofold.read.store import Advance
from twofold.read.table import Table
from twofold.testing.contracts.rows import HISTORY, NEW_NOTES, NEWEST_NOTES, NOTES, prepared

pytestmark = pytest.mark.anyio

SOURCE = """
from typing import Annotated

from twofold import App, Command, Event, Query, ReadModel, Tag, View

PersonId = Annotated[str, Tag("person")]


class Name(Command):
    person: PersonId
    name: str


class Named(Event):
    person: PersonId
    name: str


class Person(ReadModel, key="person"):
    person: PersonId
    name: str = ""
    times: int = 0

    def evolve(self, event: Named) -> None:
        self.name = self.spelled(event.name)
        self.times += 1

    @staticmethod
    def spelled(name: str) -> str:
        return name.title()


class GetPerson(Query[Person | None]):
    person: PersonId


app = App("people")


@app.command
def name(command: Name) -> Named:
    return Named(command.person, command.name)


@app.query
async def get_person(query: GetPerson, people: View[Person]) -> Person | None:
    return await people.get(query.person)
"""

CHANGES = {
    "a field is added": ("times: int = 0", "times: int = 0\n    nickname: str | None = None"),
    "a default is changed": ('name: str = ""', 'name: str = "nobody"'),
    "a type is changed": ("times: int = 0", "times: float = 0"),
    "evolve is changed": ("self.times += 1", "self.times += 2"),
    "a method that evolve calls is changed": ("name.title()", "name.upper()"),
    "the version is raised": ('key="person")', 'key="person", version=2)'),
}
EVOLVE = "def evolve(self, event: Named) -> None:"
NO_CHANGES = {
    "a comment is added": ("self.times += 1", "self.times += 1  # once more"),
    "a docstring is added": (EVOLVE, f'{EVOLVE}\n        """Count."""'),
    "the layout is changed": (EVOLVE, "def evolve(\n        self,\n        event: Named,\n    ) -> None:\n"),
    "another class is changed": ('App("people")', 'App("persons")'),
}

Made: TypeAlias = Callable[..., ModuleType]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Makes the application's module, with a part of its source replaced by another."""
    numbers = itertools.count(1)
    names: list[str] = []

    def make(old: str = "", new: str = "") -> ModuleType:
        assert old in SOURCE
        names.append(f"people_{next(numbers)}")
        path = tmp_path / f"{names[-1]}.py"
        path.write_text(SOURCE.replace(old, new) if old else SOURCE)
        spec = importlib.util.spec_from_file_location(names[-1], path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[names[-1]] = module
        spec.loader.exec_module(module)
        return module

    yield make
    for name in names:
        del sys.modules[name]


def versions_in(folder: Path) -> list[tuple[Any, ...]]:
    """Return the versions of the read model that are kept: checkpoint, and whether the live name shows it."""
    return select(folder, "SELECT checkpoint, live FROM twofold_projections ORDER BY was_live")


def tables_in(folder: Path) -> set[str]:
    found = select(
        folder, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'person\\_\\_%' ESCAPE '\\'"
    )
    return {name for (name,) in found}


async def name_people(module: ModuleType, folder: Path, *names: str) -> list[tuple[Any, ...]]:
    """Run the application for a while; return the rows that the live name shows at the end."""
    async with module.app.open(f"sqlite:///{folder}") as node:
        for number, name in enumerate(names):
            await node.send(module.Name(f"p{number % 2}", name))
        await node.caught_up()
    return select(folder, "SELECT * FROM person ORDER BY person")


@pytest.mark.parametrize("change", CHANGES)
async def test_a_definition_is_built_anew_when(change: str, made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first, second = made(), made(*CHANGES[change])
    before = await name_people(first, folder, "ada", "bob", "eve")
    assert before == [("p0", "Eve", 2), ("p1", "Bob", 1)]
    after = await name_people(second, folder)
    alone = await name_people(second, tmp_path / "alone", "ada", "bob", "eve")
    assert after == alone
    assert versions_in(folder) == [(3, 0), (3, 1)]


@pytest.mark.parametrize("change", NO_CHANGES)
async def test_a_definition_is_kept_when(change: str, made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first, second = made(), made(*NO_CHANGES[change])
    await name_people(first, folder, "ada", "bob", "eve")
    kept = tables_in(folder)
    assert await name_people(second, folder, "joe") == [("p0", "Joe", 3), ("p1", "Bob", 1)]
    assert tables_in(folder) == kept
    assert versions_in(folder) == [(4, 1)]


async def test_the_old_version_is_shown_until_the_new_one_has_caught_up(made: Made, tmp_path: Path) -> None:
    history, store = MemoryHistory(), SqliteViews(tmp_path)
    first, second = made(), made(*CHANGES["evolve is changed"])
    await append(history, *(first.Named("a", f"n{n}") for n in range(4)))
    old = projector_of(first.Person, history, store)
    await old.prepare()
    await old.catch_up()
    shown = select(tmp_path, "SELECT * FROM person")
    new = projector_of(second.Person, history, store)
    await new.prepare()
    assert select(tmp_path, "SELECT * FROM person") == shown
    await store.apply(new.table, Advance(0, 2, rows=[("a", "Half", 2)]))
    assert select(tmp_path, "SELECT * FROM person") == shown
    assert await store.checkpoint(new.table) is None
    await new.prepare()
    await new.catch_up()
    assert select(tmp_path, "SELECT * FROM person") == [("a", "N3", 6)]
    assert await store.checkpoint(old.table) is None
    await store.close()


async def test_queries_are_refused_while_their_read_model_is_being_built_and_the_old_one_does_not_fit(
    made: Made, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'data'}"
    first, second = made(), made(*CHANGES["a field is added"])
    await name_people(first, tmp_path / "data", "ada", "bob", "eve")
    async with second.app.open(url, roles=["read"]) as reader:
        history, store = SqliteHistory(tmp_path / "data"), SqliteViews(tmp_path / "data")
        table: Table[Any] = Table(second.Person)
        await store.prepare(table, history.id)
        await store.apply(table, Advance(0, 2, rows=[("p0", "Half", 1, None)]))
        with pytest.raises(NotFresh, match="still being built") as caught:
            await reader.ask(second.GetPerson("p0"), timeout=0.05)
        assert (caught.value.model, caught.value.reached) == ("Person", 0)
        await history.close()
        await store.close()
        async with second.app.open(url, roles=["project"]):
            person = await reader.ask(second.GetPerson("p0"), after=3)
        assert (person.name, person.times) == ("Eve", 2)


async def test_queries_are_answered_from_the_version_before_while_one_of_the_same_columns_is_built(
    made: Made, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'data'}"
    first, second = made(), made(*CHANGES["evolve is changed"])
    await name_people(first, tmp_path / "data", "ada", "bob", "eve")
    async with second.app.open(url, roles=["read"]) as reader:
        history, store = SqliteHistory(tmp_path / "data"), SqliteViews(tmp_path / "data")
        table: Table[Any] = Table(second.Person)
        await store.prepare(table, history.id)
        await store.apply(table, Advance(0, 2, rows=[("p0", "Half", 1)]))
        answer = await reader.answer(second.GetPerson("p0"))
        assert (answer.value, answer.position) == (second.Person("p0", "Eve", 2), 3)
        with pytest.raises(NotFresh, match="still being built"):
            await reader.ask(second.GetPerson("p0"), after=3, timeout=0.01)
        await store.apply(table, Advance(2, 3, rows=[("p0", "Eve", 4)], live=True))
        assert await reader.ask(second.GetPerson("p0")) == second.Person("p0", "Eve", 4)
        await store.close()
        await history.close()


async def test_the_version_before_the_last_is_kept_and_older_ones_are_dropped(made: Made, tmp_path: Path) -> None:
    first, second, third = made(), made(*CHANGES["a field is added"]), made(*CHANGES["evolve is changed"])
    for module in (first, second):
        await name_people(module, tmp_path, "ada")
    assert tables_in(tmp_path) == {Table(first.Person).versioned_name, Table(second.Person).versioned_name}
    await name_people(third, tmp_path, "bob")
    assert tables_in(tmp_path) == {Table(second.Person).versioned_name, Table(third.Person).versioned_name}
    assert versions_in(tmp_path) == [(2, 0), (3, 1)]


async def test_going_back_to_the_version_before_takes_it_up_where_it_stood(made: Made, tmp_path: Path) -> None:
    first, second = made(), made(*CHANGES["evolve is changed"])
    await name_people(first, tmp_path, "ada", "bob")
    assert await name_people(second, tmp_path, "eve") == [("p0", "Eve", 4), ("p1", "Bob", 2)]
    assert await name_people(first, tmp_path) == [("p0", "Eve", 2), ("p1", "Bob", 1)]
    assert versions_in(tmp_path) == [(3, 0), (3, 1)]


async def test_two_nodes_that_go_back_at_once_do_not_drop_the_other_version(made: Made, tmp_path: Path) -> None:
    first, second = made(), made(*CHANGES["evolve is changed"])
    await name_people(first, tmp_path, "ada")
    await name_people(second, tmp_path)
    history = SqliteHistory(tmp_path)
    stores = [SqliteViews(tmp_path) for _ in range(2)]
    projectors = [projector_of(first.Person, history, store) for store in stores]  # type: ignore[arg-type]
    for projector in projectors:
        await projector.prepare()
    for projector in projectors:
        await projector.catch_up()
    assert tables_in(tmp_path) == {Table(first.Person).versioned_name, Table(second.Person).versioned_name}
    await history.close()
    for store in stores:
        await store.close()


async def test_a_read_model_that_is_added_later_catches_up_from_the_beginning(made: Made, tmp_path: Path) -> None:
    names = ["ada", "bob", "eve"]
    first = made()
    wider = made("app = App", 'class Shout(ReadModel, key="person"):\n    person: PersonId\n    text: str = ""\n\n'
                 "    def evolve(self, event: Named) -> None:\n        self.text += event.name.upper()\n\n\n"
                 "app = App")  # fmt: skip
    wider.app.read_model(wider.Shout)
    await name_people(first, tmp_path, *names)
    await name_people(wider, tmp_path, "joe")
    assert select(tmp_path, "SELECT * FROM shout ORDER BY person") == [("p0", "ADAEVEJOE"), ("p1", "BOB")]
    assert select(tmp_path, "SELECT checkpoint FROM twofold_projections") == [(4,), (4,)]


async def test_another_version_that_is_still_running_keeps_its_own_rows(made: Made, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    first, second = made(), made(*CHANGES["evolve is changed"])
    async with first.app.open(url) as old:
        await old.send(first.Name("p0", "ada"))
        await old.caught_up()
        async with second.app.open(url) as new:
            receipt = await new.send(second.Name("p0", "eve"))
            assert (await new.ask(second.GetPerson("p0"), after=receipt)).times == 4
            assert (await old.ask(first.GetPerson("p0"), after=receipt)).times == 2
            assert select(tmp_path, "SELECT times FROM person") == [(4,)]


async def test_what_was_begun_a_week_ago_and_never_went_live_is_dropped_when_a_version_goes_live(
    tmp_path: Path,
) -> None:
    store = SqliteViews(tmp_path)
    for begun in (NEW_NOTES, NEWEST_NOTES):
        await store.prepare(begun, HISTORY)
    async with store._writer.transaction() as connection:
        sql = "UPDATE twofold_projections SET begun = begun - 7 * 86400 - 1 WHERE version = ?"
        connection.execute(sql, (NEW_NOTES.version,))
    await prepared(store, NOTES)
    assert {each.version for each in await store.versions(NOTES)} == {NOTES.version, NEWEST_NOTES.version}
    assert not select(tmp_path, "SELECT name FROM sqlite_schema WHERE name = ?", [NEW_NOTES.versioned_name])
    await store.close()
