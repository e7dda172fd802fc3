"""Declared indexes and searches: what they limit, what of them is part of the definition, what is ours to drop."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.read.rig import append, project, select
from twofold import Event, ReadModel, View
from twofold.engines.memory import MemoryHistory
from twofold.engines.sqlite import SqliteViews
from twofold.read.table import Table
from twofold.testing.contracts.rows import HISTORY

pytestmark = pytest.mark.anyio


class Written(Event):
    page: str
    text: str


def pages(*indexes: str) -> type[ReadModel]:
    class Page(ReadModel, key="page", indexes=indexes):
        page: str
        text: str = ""
        length: int = 0

        def evolve(self, event: Written) -> None:
            self.text, self.length = event.text, len(event.text)

    return Page


def test_an_index_by_a_text_is_part_of_the_definition_because_it_limits_the_text() -> None:
    tables = {name: Table(pages(*names)) for name, names in {"": [], "length": ["length"], "text": ["text"]}.items()}
    assert tables[""].fingerprint == tables["length"].fingerprint
    assert tables[""].fingerprint != tables["text"].fingerprint


@pytest.mark.parametrize(("index", "parked"), [("text", 1), ("length", 0)])
async def test_a_text_that_is_too_long_for_its_index_parks_the_row(index: str, parked: int, tmp_path: Path) -> None:
    history, store = MemoryHistory(), SqliteViews(tmp_path)
    await append(history, Written("a", "é" * 999), Written("b", "é" * 1000), Written("c", "short"))
    table = (await project(pages(index), history, store)).table
    found = await store.parked_keys(table)
    assert list(found) == ['["b"]'] * parked
    assert (await store.status(table)).rows == 3 - parked
    problem = "select count(*) from twofold_parked where error like '%text, page: expected at most 2,000%'"
    assert select(tmp_path, problem) == [(parked,)]
    await store.close()


async def test_an_index_that_was_made_by_hand_is_left_alone(tmp_path: Path) -> None:
    store = SqliteViews(tmp_path)
    plain, indexed = Table(pages()), Table(pages("length", "-length"))
    await store.prepare(plain, HISTORY)
    async with store._writer.transaction() as connection:
        connection.execute(f'CREATE INDEX by_hand ON "{plain.versioned_name}" (text)')
    counts, ours = [], "select * from sqlite_schema where type = 'index' and name like '%length%'"
    for table in (indexed, plain):
        await store.prepare(table, HISTORY)
        counts.append(len(select(tmp_path, ours)))
    assert counts == [2, 0]
    assert select(tmp_path, "select name from sqlite_schema where name = 'by_hand'") == [("by_hand",)]
    await store.close()


class Sought(Event):
    page: str
    text: str


def sought(version: int) -> type[ReadModel]:
    class Found(ReadModel, key="page", search="text", version=version):
        page: str
        text: str = ""

        def evolve(self, event: Sought) -> None:
            self.text = event.text

    return Found


async def test_the_words_of_a_version_go_with_its_table(tmp_path: Path) -> None:
    history, store = MemoryHistory(), SqliteViews(tmp_path)
    await append(history, Sought("a", "some words"))
    tables = [(await project(sought(version), history, store)).table for version in (1, 2, 3)]
    left = select(tmp_path, "select name from sqlite_schema where name like '%words' and type = 'table' order by rowid")
    assert [name for (name,) in left] == [f"{table.versioned_name}__words" for table in tables[1:]]
    assert [found.page for found in await View(store, tables[-1]).search("WORDS")] == ["a"]
    await store.close()


async def test_a_row_that_is_written_by_hand_is_found_by_its_words(tmp_path: Path) -> None:
    history, store = MemoryHistory(), SqliteViews(tmp_path)
    await append(history, Sought("a", "some words"), Sought("b", "more words"))
    table = (await project(sought(1), history, store)).table
    async with store._writer.transaction() as connection:
        connection.execute(f"DELETE FROM \"{table.versioned_name}\" WHERE page = 'a'")
        connection.execute(f"UPDATE \"{table.versioned_name}\" SET text = 'Fewer', \"#words\" = 'fewer'")
    assert [len(await View(store, table).search(text)) for text in ("words", "fewer")] == [0, 1]
    assert select(tmp_path, "select * from found") == [("b", "Fewer")]
    await store.close()
