"""Rounds of kill -9 under load, and what must be true of the place afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from tests.faults.bank import bank
from tests.faults.places import Place, Places
from tests.faults.processes import workers
from tests.faults.worker import Options
from twofold.node import Role


def receipts_in(said: Iterable[Any]) -> list[tuple[UUID, int]]:
    """Return id and position of what a worker has said it was acknowledged."""
    return [(UUID(line[0]), line[1]) for line in said if isinstance(line, list) and line[1] is not None]


def kill_round(place: Place, seed: int) -> list[tuple[UUID, int]]:
    """Kill two writers, of which one or both project too, at random moments; return what was acknowledged."""
    chance = Random(seed)
    all_roles: tuple[Role, ...] = ("write", "read", "project")
    one = Options(place.url, "one", 100_000, seed, width=chance.choice((1, 10, 60)), roles=all_roles)
    some_roles: tuple[Role, ...] = all_roles if seed % 2 else ("write",)
    two = Options(place.url, "two", 100_000, seed + 1, width=chance.choice((1, 30)), roles=some_roles)
    tasks = [
        ("load", msgspec.structs.replace(options, ids=(2 * seed + number) << 64))
        for number, options in enumerate((one, two), 1)
    ]
    with workers(tasks, first_line="") as pair:
        # Some are killed at their beginning, others after a while, however slow they are.
        some = 30 if seed % 2 else 0
        for worker in pair:
            worker.wait_until(lambda said: len(receipts_in(said)) > some)
        chance.shuffle(pair)
        time.sleep(chance.random() * 0.15)
        said = pair[0].kill()
        time.sleep(chance.choice((0.0, chance.random() * 0.1)))
        said += pair[1].kill()
    return receipts_in(said)


def check_after_kill(place: Place, receipts: Iterable[tuple[UUID, int]]) -> int:
    """Check the place as the killed left it; return how many events there are."""
    stored = place.stored()
    stored.check()
    stored.check_acknowledged(receipts)
    return len(stored.records)


def check_read_models(place: Place, anew: Place) -> None:
    """Check that the live read models, brought to the head, equal a projection from position 0, row for row."""

    async def project() -> None:
        for views in (place, anew):
            async with bank.open(place.url, views=views.url, roles=["read", "project"]) as node:
                await node.caught_up()

    asyncio.run(project())
    live, rebuilt = place.rows(), anew.rows()
    assert live == rebuilt, f"{len(live)} live rows, {len(rebuilt)} rebuilt; differing: {set(live) ^ set(rebuilt)}"


def one_kill(seed: int, places: Places) -> str:
    """Live through one round in a place of its own; return what to tell about it."""
    place = places.new()
    receipts = kill_round(place, seed)
    events = check_after_kill(place, receipts)
    check_read_models(place, places.new())
    return f"{len(receipts)} acknowledged, {events} events"
