"""Declared indexes: what they limit, what of them is part of the definition, and which of them are ours to drop."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.read.rig import append, project, select
from twofold import Event, ReadModel
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
