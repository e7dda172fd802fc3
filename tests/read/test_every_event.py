"""A read model over all events: it takes what the application knows, whenever that was declared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date

import pytest

from twofold import App, Command, Event, Metadata, Query, ReadModel, View
from twofold.testing import scenario

pytestmark = pytest.mark.anyio


class Open(Command):
    name: str


class Close(Command):
    name: str


class Opened(Event):
    name: str


class Closed(Event):
    name: str


class Day(ReadModel, key=("day", "kind")):
    day: date
    kind: str
    count: int = 0

    @staticmethod
    def keys(event: Event, meta: Metadata) -> Iterable[tuple[date, str]]:
        return [(meta.time.date(), type(event).__name__)]

    def evolve(self, event: Event) -> None:
        self.count += 1


class Counts(Query[dict[str, int]]):
    pass


def open_(command: Open) -> Opened:
    return Opened(command.name)


def close(command: Close) -> Closed:
    return Closed(command.name)


async def counts(query: Counts, days: View[Day]) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for day in await days.find():
        # At midnight there are two days of a kind.
        counted[day.kind] += day.count
    return dict(counted)


def whole() -> App:
    app = App("all")
    app.command(open_)
    app.query(counts)
    app.command(close)
    return app


@pytest.mark.parametrize("url", ["memory:", "sqlite:///all"])
async def test_every_event_is_counted_whenever_it_was_declared(
    url: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    async with whole().open(url) as node:
        for command in (Open("a"), Open("b"), Close("a")):
            receipt = await node.send(command)
        assert await node.ask(Counts(), after=receipt) == {"Opened": 2, "Closed": 1}


def test_a_scenario_folds_every_event() -> None:
    scenario(whole()).given(Opened("a"), Closed("a"), Opened("b")).ask(Counts()).answers({"Opened": 2, "Closed": 1})


def test_the_definition_is_another_one_with_more_events() -> None:
    less, more, included = App("less"), whole(), App("included")
    less.query(counts)
    assert less.tables[Day].event_names == ()
    less.command(open_)
    assert less.tables[Day].event_names == ("Opened",)
    assert more.tables[Day].event_names == ("Closed", "Opened")
    assert less.tables[Day].fingerprint != more.tables[Day].fingerprint
    included.query(counts)
    included.include(_part())
    assert included.tables[Day].fingerprint == less.tables[Day].fingerprint


async def test_an_application_that_knows_no_events_takes_none(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    async with whole().open("sqlite:///all") as node:
        await node.send(Open("a"))
    bare = App("bare")
    bare.query(counts)
    async with bare.open("sqlite:///all") as node:
        assert await node.ask(Counts(), after=1) == {}


def _part() -> App:
    part = App("part")
    part.command(open_)
    return part
