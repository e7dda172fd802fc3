"""examples/stock: levels and reservations are rows; what happened is told by events, and by a read model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest
from examples.stock.app import GetLevels, Level, Receive, Reserve, Reserved, Ship, app
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twofold import Command, Rejected

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]


def rows(folder: Path, sql: str) -> list[Any]:
    connection = apsw.Connection(str(folder / "history.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


async def test_an_order_is_reserved_whole_or_not_at_all(tmp_path: Path) -> None:
    async with app.open(f"sqlite:///{tmp_path}") as node:
        await node.send(Receive("tea", 5))
        await node.send(Receive("cups", 1))
        with pytest.raises(Rejected) as rejected:
            await node.send(Reserve("o-1", {"tea": 2, "cups": 2}))
        assert (rejected.value.code, rejected.value.facts) == ("too_little", {"item": "cups"})
        receipt = await node.send(Reserve("o-2", {"tea": 2, "cups": 1}))
        assert [app.codec.decode(each) async for each in node.events(after=2)] == [
            Reserved("o-2", "tea", 2), Reserved("o-2", "cups", 1),
        ]  # fmt: skip
        assert await node.ask(GetLevels(), after=receipt) == [Level("cups", 1, 1), Level("tea", 5, 2)]
    assert rows(tmp_path, "select * from stock order by item") == [("cups", 0), ("tea", 3)]


commands = st.one_of(
    st.builds(Receive, st.sampled_from("ab"), st.integers(1, 5)),
    st.builds(Reserve, st.sampled_from("xyz"), st.dictionaries(st.sampled_from("ab"), st.integers(1, 4), min_size=1)),
    st.builds(Ship, st.sampled_from("xyz")),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sent=st.lists(commands, max_size=20))
async def test_the_read_model_says_what_the_rows_say(
    sent: list[Command], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("stock")
    async with app.open(f"sqlite:///{folder}") as node:
        for command in sent:
            try:
                await node.send(command)
            except Rejected:
                continue
        await node.caught_up()
        told = {level.item: (level.held - level.reserved, level.reserved) for level in await node.ask(GetLevels())}
    reserved: dict[str, int] = dict(rows(folder, "select item, sum(number) from reservations group by item"))
    assert told == {item: (free, reserved.get(item, 0)) for item, free in rows(folder, "select * from stock")}


def test_it_runs_from_a_shell() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.stock"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "rejected: there are not 1 of cups", "cups: 0, of which 0 reserved", "tea: 6, of which 0 reserved",
    ]  # fmt: skip
