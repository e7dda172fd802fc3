"""Snapshots of long boundaries change nothing but time."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.write.tallies import Count, Counted, Look, Tally, TallyId, count, events_in, fill, rows_in, tallies
from twofold import App, Command, Event, Tag, WriteModel
from twofold.engines.sqlite import SqliteHistory
from twofold.history.boundary import Criterion, Selection
from twofold.history.record import Recorded
from twofold.node import Node
from twofold.write import cache, load, snapshot, snapshots

pytestmark = pytest.mark.anyio

COUNTED = Selection((Criterion(("Counted",)),))
StudentId = Annotated[str, Tag("student")]
Made: TypeAlias = Callable[..., ModuleType]


def node_on(folder: Path, app: App = tallies) -> Node:
    return app.open(f"sqlite:///{folder}", roles=["write"])


@pytest.fixture
def folds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collects the position of the last of the events that are folded together when models are loaded."""
    folded: list[int] = []
    real = load.Loader._take

    def take(loader: load.Loader, entry: cache.Entry, events: Sequence[Recorded]) -> None:
        real(loader, entry, events)
        folded.extend(recorded.position for recorded in events[-1:])

    monkeypatch.setattr(load.Loader, "_take", take)
    return folded


async def last_event(folder: Path) -> Counted:
    history = SqliteHistory(folder)
    try:
        found = [r async for batch in history.read(COUNTED) for r in batch]
    finally:
        await history.close()
    event = tallies.codec.decode(found[-1])
    assert isinstance(event, Counted)
    return event


def steps() -> st.SearchStrategy[list[tuple[str, int]]]:
    command = st.tuples(st.sampled_from(["count a", "count b", "look a"]), st.integers(0, 9))
    other = st.tuples(st.sampled_from(["reopen", "delete", "damage", "rival"]), st.integers(0, 9))
    return st.lists(command | command | other, min_size=5, max_size=30)


async def live(folder: Path, plan: list[tuple[str, int]]) -> list[bytes]:
    """Send the commands of a plan, the models being forgotten, and the snapshots harmed, in between."""
    node, rival = node_on(folder), node_on(folder)
    await node.__aenter__()
    await rival.__aenter__()
    for what, number in plan:
        match what.split():
            case ["count", tally]:
                await asyncio.gather(*(node.send(Count(tally, number)) for _ in range(3)))
            case ["look", tally]:
                await node.send(Look(tally))
            case ["rival"]:
                await rival.send(Count("a", number))
            case [harm]:
                await node.close()
                await rival.close()
                harmed(folder, harm, number)
                node, rival = node_on(folder), node_on(folder)
                await node.__aenter__()
                await rival.__aenter__()
    await node.close()
    await rival.close()
    history = SqliteHistory(folder)
    stored = await events_in(history)
    await history.close()
    return stored


def harmed(folder: Path, harm: str, number: int) -> None:
    if harm == "delete":
        for path in folder.glob("snapshots.db*"):
            path.unlink()
    elif harm == "damage":
        rows_in(folder, f"UPDATE snapshots SET state = coalesce(substr(state, 1, {number}), x'')")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps(), st.sampled_from([1, 2, 5]))
def test_every_decision_is_the_same_with_and_without_snapshots(plan: list[tuple[str, int]], long: int) -> None:
    def lived(long: int) -> list[bytes]:
        with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
            patch.setattr(cache, "_LONG", long)
            patch.setattr(snapshots, "_EVERY", long)
            return asyncio.run(live(Path(folder), plan))

    assert lived(long) == lived(1_000_000)


async def test_a_long_boundary_is_decided_cold_from_its_snapshot(tmp_path: Path, folds: list[int]) -> None:
    history = SqliteHistory(tmp_path)
    await fill(history, "a", 3_200)
    await history.close()
    async with node_on(tmp_path) as node:
        await node.send(Count("a"))
        assert folds[-1] == 3_200
    ((_, position, _),) = rows_in(tmp_path)
    assert position == 3_200
    folds.clear()
    async with node_on(tmp_path) as node:
        await node.send(Count("a"))
        await node.send(Look("a"))
    assert folds[:2] == [200, 3_201], "the first events tell that it is long; then what came after the snapshot"
    assert (await last_event(tmp_path)).seen == 3_201


async def test_a_boundary_that_grows_while_it_is_cached_gets_a_snapshot_now_and_then(tmp_path: Path) -> None:
    async with node_on(tmp_path) as node:
        for _ in range(13):
            await asyncio.gather(*(node.send(Count("a")) for _ in range(100)))
    ((key, position, _),) = rows_in(tmp_path)
    assert (key, position) == ('["tests.write.tallies.Tally","tally:a"]', 1_200)


async def test_a_model_that_takes_metadata_has_snapshots_too(tmp_path: Path, folds: list[int]) -> None:
    history = SqliteHistory(tmp_path)
    await fill(history, "a", 1_500)
    await history.close()
    for _ in range(2):
        async with node_on(tmp_path) as node:
            await node.send(Look("a"))
    assert folds[-1] == 1_501
    assert folds.count(1_500) == 1


async def test_a_short_boundary_asks_for_no_snapshot_and_makes_no_file(tmp_path: Path) -> None:
    for _ in range(2):
        async with node_on(tmp_path) as node:
            await asyncio.gather(*(node.send(Count("a")) for _ in range(90)))
    assert not (tmp_path / "snapshots.db").exists()


async def test_a_node_that_has_not_seen_the_events_of_a_snapshot_takes_them_in_first(
    tmp_path: Path, folds: list[int]
) -> None:
    history = SqliteHistory(tmp_path)
    await fill(history, "a", 1_000)
    async with node_on(tmp_path) as late:
        await late.send(Count("b"))
        await fill(history, "a", 2_000)
        async with node_on(tmp_path) as other:
            await other.send(Count("a"))
        folds.clear()
        await late.send(Count("a"))
        assert folds[0] == 200
        assert len(folds) == 2
    await history.close()
    assert (await last_event(tmp_path)).seen == 3_001


async def copied(folder: Path, to: Path) -> Path:
    """Return a copy of a folder that no node has open."""
    shutil.copytree(folder, to)
    return to


async def counted(folder: Path, times: int, *, by: int = 1) -> None:
    async with node_on(folder) as node:
        for start in range(0, times, 100):
            await asyncio.gather(*(node.send(Count("a", by)) for _ in range(min(100, times - start))))


@pytest.mark.parametrize("grown", [0, 100, 700])
async def test_a_snapshot_of_what_a_restored_history_has_not_is_ignored(tmp_path: Path, grown: int) -> None:
    await counted(tmp_path / "data", 300)
    restored = await copied(tmp_path / "data", tmp_path / "restored")
    await counted(tmp_path / "data", 500, by=2)
    shutil.copy(tmp_path / "data" / "snapshots.db", restored / "snapshots.db")
    await counted(restored, 0)
    if grown:
        (restored / "snapshots.db").unlink()
        await counted(restored, grown, by=3)
        shutil.copy(tmp_path / "data" / "snapshots.db", restored / "snapshots.db")
    await counted(restored, 1)
    alone = await copied(restored, tmp_path / "alone")
    (alone / "snapshots.db").unlink()
    await counted(restored, 1)
    await counted(alone, 1)
    assert await last_event(restored) == await last_event(alone)


async def test_a_snapshot_of_another_history_is_ignored(tmp_path: Path) -> None:
    await counted(tmp_path / "one", 300, by=5)
    await counted(tmp_path / "other", 300)
    shutil.copy(tmp_path / "one" / "snapshots.db", tmp_path / "other" / "snapshots.db")
    await counted(tmp_path / "other", 1)
    assert (await last_event(tmp_path / "other")).sum == (await expected(300)).sum


async def expected(number: int) -> Counted:
    """Return the last event where so many ones had been counted before it."""
    tally = Tally()
    for _ in range(number):
        tally.evolve(count(Count("a"), tally))
    return count(Count("a"), tally)


async def test_a_history_that_is_not_told_from_another_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def trusting(*_: object) -> bool:
        return True

    monkeypatch.setattr(load.Loader, "_is_of_this_history", trusting)
    with pytest.raises(AssertionError):
        await test_a_snapshot_of_another_history_is_ignored(tmp_path)
    with pytest.raises(AssertionError):
        await test_a_snapshot_of_what_a_restored_history_has_not_is_ignored(tmp_path / "restoring", 700)


def put_a_folder(data: Path) -> None:
    (data / "snapshots.db").unlink()
    (data / "snapshots.db").mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "the state is cut": lambda folder: rows_in(folder, "UPDATE snapshots SET state = substr(state, 1, 3)"),
    "a number in the state is another": lambda folder: rows_in(
        folder, "UPDATE snapshots SET state = CAST(replace(state, x'cd012c', x'cd012d') AS BLOB)"
    ),
    "the position is another": lambda folder: rows_in(folder, "UPDATE snapshots SET position = position - 1"),
    "the state is another model's": lambda folder: rows_in(folder, "UPDATE snapshots SET state = x'80'"),
    "the file is no database": lambda folder: (folder / "snapshots.db").write_bytes(b"no database at all" * 500),
    "the file is empty": lambda folder: (folder / "snapshots.db").write_bytes(b""),
    "the file is another application's": lambda folder: rows_in(folder, "PRAGMA application_id = 7"),
    "the table is gone": lambda folder: rows_in(folder, "DROP TABLE snapshots"),
    "a folder is in its place": put_a_folder,
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
async def test_it_does_not_matter_that(damage: str, tmp_path: Path) -> None:
    history = SqliteHistory(tmp_path)
    await fill(history, "a", 300)
    await history.close()
    await counted(tmp_path, 1)
    assert rows_in(tmp_path)
    DAMAGES[damage](tmp_path)
    await counted(tmp_path, 250)
    right = await copied(tmp_path, tmp_path / "right")
    for path in right.glob("snapshots.db*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    await counted(tmp_path, 1)
    await counted(right, 1)
    assert await last_event(tmp_path) == await last_event(right)


async def test_a_damage_that_is_not_noticed_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot.Snapshot, "is_whole", True)
    for damage in ("a number in the state is another", "the state is another model's"):
        with pytest.raises(AssertionError):
            await test_it_does_not_matter_that(damage, tmp_path / damage)


async def test_a_store_that_fails_is_told_of_once_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "snapshots.db").write_bytes(b"no database at all" * 500)
    with caplog.at_level(logging.WARNING, "twofold.write"):
        await counted(tmp_path, 2_500)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["snapshots cannot be stored"]
    assert (tmp_path / "snapshots.db").read_bytes() == b"no database at all" * 500


class Odd(WriteModel, tag="tally"):
    seen: int = 0
    kept: object = None

    def evolve(self, event: Counted) -> None:
        self.seen += 1
        self.kept = (self.seen,)


class Ask(Command):
    tally: TallyId


async def test_a_model_whose_state_does_not_come_back_is_not_kept_and_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = App("odd")

    @odd.command
    def ask(command: Ask, odd: Odd) -> Counted:
        return Counted(command.tally, 1, odd.seen, 0)

    with caplog.at_level(logging.WARNING, "twofold.write"):
        for _ in range(2):
            async with node_on(tmp_path, odd) as node:
                await asyncio.gather(*(node.send(Ask("a")) for _ in range(1_500)))
    assert {record.getMessage() for record in caplog.records} == {
        "no snapshots of Odd are kept: its state does not come back as it is"
    }
    assert len(caplog.records) == 2, "once for each node"
    assert rows_in(tmp_path) == []


class Enrol(Command):
    tally: TallyId
    student: StudentId


class Enrolled(Event):
    tally: TallyId
    student: StudentId
    both: int
    all: int


class Both(WriteModel, tag=("tally", "student")):
    seen: int = 0

    def evolve(self, event: Enrolled) -> None:
        self.seen += 1


class Every(WriteModel, tag=None):
    seen: int = 0

    def evolve(self, event: Enrolled) -> None:
        self.seen += 1


async def test_boundaries_of_several_tags_and_of_none_have_snapshots_too(tmp_path: Path) -> None:
    school = App("school")

    @school.command
    def enrol(command: Enrol, both: Both, every: Every) -> Enrolled:
        return Enrolled(command.tally, command.student, both.seen, every.seen)

    async with node_on(tmp_path, school) as node:
        for student in "xy":
            await asyncio.gather(*(node.send(Enrol("a", student)) for _ in range(250)))
    kept = {str(key).partition(f"{__name__}.")[2]: position for key, position, _ in rows_in(tmp_path)}
    assert kept == {'Both","tally:a","student:x"]': 200, 'Both","tally:a","student:y"]': 450, 'Every"]': 200}
    async with node_on(tmp_path, school) as node:
        await node.send(Enrol("a", "y"))
        last = [school.codec.decode(recorded) async for recorded in node.events(after=500)]
    assert last == [Enrolled("a", "y", 250, 500)]


SOURCE = """
from typing import Annotated

import {rules}
from twofold import App, Command, Event, Tag, WriteModel

LIMIT = 10
JarId = Annotated[str, Tag("jar")]


class Put(Command):
    jar: JarId


class Added(Event):
    jar: JarId
    by: int
    total: int

    @property
    def weight(self) -> int:
        return self.by


def doubled(number: int) -> int:
    return 2 * number


class Jar(WriteModel, tag="jar"):
    total: int = 0

    def evolve(self, event: Added) -> None:
        self.total += self.worth(event) % (LIMIT + {rules}.LIMIT)

    def worth(self, event: Added) -> int:
        return {rules}.halved(doubled(event.weight))


app = App("jars")


@app.command
def put(command: Put, jar: Jar) -> Added:
    return Added(command.jar, 4, jar.total)
"""
RULES = """
LIMIT = 0


def halved(number: int) -> int:
    return number // 2
"""
CHANGES = {
    "evolve is changed": ("self.total += ", "self.total += 1 + "),
    "a method that evolve calls is changed": ("(doubled(", "(1 + doubled("),
    "a function that it calls is changed": ("2 * number", "4 * number"),
    "a constant is changed": ("LIMIT = 10", "LIMIT = 3"),
    "a property of an event is changed": ("return self.by", "return self.by + 1"),
    "a function of another module is changed": ("number // 2", "number // 4"),
    "a constant of another module is changed": ("LIMIT = 0", "LIMIT = -7"),
    "a default is changed": ("    total: int = 0", "    total: int = 3"),
    "a field is added": ("    total: int = 0", "    total: int = 0\n    more: int = 0"),
}
NO_CHANGES = {
    "nothing is changed": ("", ""),
    "a comment is added": ("LIMIT = 10", "LIMIT = 10  # a few"),
    "the handler is changed": ("Added(command.jar, 4", "Added(command.jar, 3 + 1"),
    "a docstring is added": ("-> int:\n    return 2", '-> int:\n    """Double."""\n    return 2'),
}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Makes the application's modules as a new process would, with a part of their source replaced by another."""
    rules = f"{tmp_path.name.replace('-', '_')}_rules"
    names = [rules, rules.replace("_rules", "_jars")]

    def make(old: str = "", new: str = "") -> ModuleType:
        for name, source in zip(names, (RULES, SOURCE.replace("{rules}", rules)), strict=True):
            path = tmp_path / f"{name}.py"
            path.write_text(source.replace(old, new) if old else source)
            spec = importlib.util.spec_from_file_location(name, path)
            assert spec is not None
            assert spec.loader is not None
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        return sys.modules[names[1]]

    yield make
    for name in names:
        sys.modules.pop(name, None)


async def put_into(module: ModuleType, folder: Path, times: int) -> int:
    """Send so many commands to a new node; return what the last one was decided on."""
    async with node_on(folder, module.app) as node:
        await asyncio.gather(*(node.send(module.Put("a")) for _ in range(times)))
        totals: list[int] = [module.app.codec.decode(recorded).total async for recorded in node.events()]
    return totals[-1]


@pytest.mark.parametrize("change", CHANGES)
async def test_a_snapshot_is_ignored_when(change: str, made: Made, tmp_path: Path, folds: list[int]) -> None:
    await put_into(made(), tmp_path / "data", 400)
    assert rows_in(tmp_path / "data")
    alone = await copied(tmp_path / "data", tmp_path / "alone")
    (alone / "snapshots.db").unlink()
    module = made(*CHANGES[change])
    assert await put_into(module, tmp_path / "data", 1) == await put_into(module, alone, 1)
    assert 400 in folds


@pytest.mark.parametrize("change", NO_CHANGES)
async def test_a_snapshot_is_used_when(change: str, made: Made, tmp_path: Path, folds: list[int]) -> None:
    history = SqliteHistory(tmp_path / "data")
    await history.close()
    module = made()
    await put_into(module, tmp_path / "data", 200)
    await put_into(made(*NO_CHANGES[change]), tmp_path / "data", 1)
    ((_, position, _),) = rows_in(tmp_path / "data")
    assert position == 200
    assert folds == [200], "the events that tell that it is long, and none after the snapshot"


async def test_a_snapshot_of_another_definition_that_is_used_is_found(
    made: Made, tmp_path: Path, folds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "made_of_what", lambda model: "all the same")
    with pytest.raises(AssertionError):
        await test_a_snapshot_is_ignored_when("evolve is changed", made, tmp_path, folds)


async def test_snapshots_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_LONG", 2)
    monkeypatch.setattr(snapshots, "_RECENT", 3)
    monkeypatch.setattr(snapshots, "_RECENT_BYTES", 75)
    async with tallies.open("memory:", roles=["write"]) as node:
        for number in range(10):
            for _ in range(3):
                await node.send(Count(f"t{number}"))
        assert node._parts.sender is not None
        kept = node._parts.sender.decider._snapshots.in_memory
        assert 1 <= len(kept) <= 3
        assert kept.bytes == sum(len(each.state) for each in kept.values) <= 75
