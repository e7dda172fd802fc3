"""An event that cannot be applied parks its key and nothing else; nothing is skipped silently (F20, R4)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.virtual import run_virtually
from tests.read.rig import append, project, projector_of, rows_in, select, table_of
from twofold import App, Event, Query, ReadModel, Tag, View
from twofold.engines.memory import MemoryHistory, MemoryViews
from twofold.engines.sqlite import SqliteViews
from twofold.history.boundary import Condition, Selection
from twofold.history.record import Proposed, Submission
from twofold.history.store import Decision

pytestmark = pytest.mark.anyio


class Weighed(Event):
    crate: Annotated[str | None, Tag("crate")]
    grams: int


class Crate(ReadModel, key="crate"):
    crate: str
    grams: int = 0
    weighings: int = 0

    def evolve(self, event: Weighed) -> None:
        self.weighings += 1
        self.grams += event.grams
        if event.grams < 0:
            raise ValueError(f"a crate weighs no {event.grams} g")
        if event.grams > 10**9:
            self.grams = "heavy"  # type: ignore[assignment]


class Dock(ReadModel, key="dock"):
    """Every weighing counts for two docks."""

    dock: str
    weighings: int = 0

    def evolve(self, event: Weighed) -> None:
        self.weighings += 1
        if self.dock == "odd" and event.grams == 7:
            raise ValueError("seven")

    @staticmethod
    def keys(event: Weighed) -> Iterable[str]:
        return ["all", "odd" if event.grams % 2 else "even"]


class Painted(Event):
    crate: Annotated[str, Tag("crate")]


class Colours(ReadModel, key="crate"):
    crate: str

    def evolve(self, event: Painted) -> None: ...


class HowHeavy(Query[Crate | None]):
    crate: str


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    store = SqliteViews(tmp_path)
    yield store
    await store.close()


def parked_in(folder: Path) -> list[tuple[str, int, str]]:
    return select(folder, "SELECT key, position, error FROM twofold_parked ORDER BY position")


async def test_the_good_events_before_a_poison_one_are_kept_and_those_after_it_wait(
    store: SqliteViews, tmp_path: Path
) -> None:
    history = MemoryHistory()
    await append(history, *(Weighed("a", n) for n in (1, 2, -1, 4)), Weighed("b", 5))
    projector = await project(Crate, history, store)
    assert await rows_in(store, projector.table) == [("a", 3, 2), ("b", 5, 1)]
    assert parked_in(tmp_path) == [('["a"]', 3, "ValueError: a crate weighs no -1 g"), ('["a"]', 4, "")]
    assert (await store.status(projector.table)).parked == 1


async def test_later_events_of_a_parked_key_wait_and_other_keys_go_on(store: SqliteViews, tmp_path: Path) -> None:
    history = MemoryHistory()
    await append(history, Weighed("a", -1), Weighed("b", 1))
    projector = await project(Crate, history, store)
    await append(history, Weighed("a", 2), Weighed("b", 2), Weighed("c", 2))
    await projector.catch_up()
    # A restarted projector knows what is parked as well.
    await append(history, Weighed("a", 3), Weighed("b", 3))
    projector = await project(Crate, history, store)
    assert await rows_in(store, projector.table) == [("b", 6, 3), ("c", 2, 1)]
    assert [(key, position) for key, position, _ in parked_in(tmp_path)] == [('["a"]', 1), ('["a"]', 3), ('["a"]', 6)]
    assert await store.checkpoint(projector.table) == 7


async def test_a_row_that_does_not_fit_its_fields_is_parked_too(store: SqliteViews, tmp_path: Path) -> None:
    history = MemoryHistory()
    await append(history, Weighed("a", 1), Weighed("a", 10**9 + 1), Weighed("b", 1))
    projector = await project(Crate, history, store)
    assert await rows_in(store, projector.table) == [("a", 1, 1), ("b", 1, 1)]
    assert parked_in(tmp_path)[0][:2] == ('["a"]', 2)
    assert "grams" in parked_in(tmp_path)[0][2]


async def test_an_event_without_its_key_is_parked_alone(store: SqliteViews, tmp_path: Path) -> None:
    history = MemoryHistory()
    await append(history, Weighed("a", 1), Weighed(None, 2), Weighed("a", 3), Weighed(None, 4))
    projector = await project(Crate, history, store)
    assert await rows_in(store, projector.table) == [("a", 4, 2)]
    assert [(key, position) for key, position, _ in parked_in(tmp_path)] == [("null", 2), ("null", 4)]
    assert "the key crate is missing" in parked_in(tmp_path)[0][2]


async def test_of_the_rows_that_one_event_touches_only_the_poisoned_one_is_parked(
    store: SqliteViews, tmp_path: Path
) -> None:
    history = MemoryHistory()
    await append(history, *(Weighed("a", grams) for grams in (1, 7, 2, 9)))
    projector = await project(Dock, history, store)
    assert await rows_in(store, projector.table) == [("all", 4), ("even", 1), ("odd", 1)]
    assert [(key, position) for key, position, _ in parked_in(tmp_path)] == [('["odd"]', 2), ('["odd"]', 4)]


async def test_the_log_tells_where_and_what_but_no_key_and_no_payload(
    store: SqliteViews, caplog: pytest.LogCaptureFixture
) -> None:
    history = MemoryHistory()
    await append(history, Weighed("secret-crate", -4711))
    await project(Crate, history, store)
    assert "position 1" in caplog.text
    assert "ValueError" in caplog.text
    assert "secret-crate" not in caplog.text
    assert "4711" not in caplog.text


async def test_an_event_that_cannot_be_decoded_stops_its_projection_and_no_other() -> None:
    app = App("crates")
    app.read_model(Colours)

    @app.query
    async def how_heavy(query: HowHeavy, crates: View[Crate]) -> Crate | None:
        return await crates.get(query.crate)

    history = MemoryHistory()
    node = app.open("memory:", roles=["read", "project"])
    node._parts.open_history = lambda: history
    async with node:
        torn = Proposed(b"0" * 16, "Painted", 1, ("crate:a",), b'{"krate":"a"}')
        await history.append([Decision(Submission(node.history.id, "Paint", b"{}"), Condition(Selection()), (torn,))])
        await append(history, Weighed("a", 3))
        found = await node.ask(HowHeavy("a"), after=2)
        assert found is not None
        assert found.grams == 3
        status = {model.name: model for model in await node.models()}
        while status["Colours"].problem is None:
            await asyncio.sleep(0.005)
            status = {model.name: model for model in await node.models()}
        assert "krate" in str(status["Colours"].problem)
        assert status["Colours"].checkpoint == 0
        assert status["Crate"].problem is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([1, 2, 3, 3, 3, -1])), max_size=25),
    st.lists(st.integers(1, 9), min_size=1, max_size=25),
)
def test_what_is_applied_and_what_is_parked_does_not_depend_on_where_batches_end(
    weighings: list[tuple[str, int]], sizes: list[int]
) -> None:
    async def run(steps: list[int]) -> Any:
        history, store = MemoryHistory(), MemoryViews()
        projector = projector_of(Crate, history, store)
        await projector.prepare()
        left = [Weighed(crate, grams) for crate, grams in weighings]
        for size in [*steps, len(left) + 1]:
            await append(history, *left[:size])
            del left[:size]
            await projector.catch_up()
        kept = store._tables[table_of(Crate).versioned_name]
        return kept.rows, sorted(kept.parked, key=msgspec.structs.astuple), kept.checkpoint

    assert run_virtually(run(sizes)) == run_virtually(run([]))
