"""What a slow projection costs the others: from command to visible on SQLite, with one beside it and without.

    python -m bench.isolation [EVENTS]

A look for whoever works on the projections; it is not part of the record.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from time import perf_counter
from typing import Annotated

from twofold import App, Command, Event, Query, ReadModel, Tag, View

CounterId = Annotated[str, Tag("counter")]
_SLOW = 0.0002
_COMMANDS = 300


class Bump(Command):
    counter: CounterId


class Bumped(Event):
    counter: CounterId


class Quick(ReadModel, key="counter"):
    counter: CounterId
    bumps: int = 0

    def evolve(self, event: Bumped) -> None:
        self.bumps += 1


class Slow(ReadModel, key="counter"):
    """Takes 0.2 ms of the processor for every event."""

    counter: CounterId
    bumps: int = 0

    def evolve(self, event: Bumped) -> None:
        self.bumps += 1
        until = perf_counter() + _SLOW
        while perf_counter() < until:
            pass


class HowOften(Query[int]):
    counter: CounterId


def application(*models: type[ReadModel]) -> App:
    """Return an application with these read models beside the quick one."""
    app = App("isolation")

    @app.command
    def bump(command: Bump) -> Bumped:
        return Bumped(command.counter)

    @app.query
    async def how_often(query: HowOften, view: View[Quick]) -> int:
        found = await view.get(query.counter)
        return found.bumps if found else 0

    for model in models:
        app.read_model(model)
    return app


async def delays(app: App, backlog: int, folder: str) -> tuple[float, float]:
    """Return within how many milliseconds 50 and 99 of 100 commands were visible while a backlog is projected."""
    url = f"sqlite:///{folder}/{len(app.tables)}"
    async with application().open(url, roles=["write"], max_waiting=backlog + 1) as writer:
        await asyncio.gather(*(writer.send(Bump(f"counter-{n % 100}")) for n in range(backlog)))
    times: list[float] = []
    async with app.open(url) as node:
        await node.ask(HowOften("counter-0"), after=backlog, timeout=600)
        for _ in range(_COMMANDS):
            began = perf_counter()
            await node.ask(HowOften("a"), after=await node.send(Bump("a")), timeout=600)
            times.append((perf_counter() - began) * 1000)
        slow = [status.checkpoint for status in await node.models() if status.name == "Slow"]
        assert not slow or slow[0] < backlog, "the slow one had caught up before the last command: give it more events"
    times.sort()
    return times[len(times) // 2], times[int(len(times) * 0.99)]


async def main(backlog: int) -> None:
    """Print both, and the ratio."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        alone, beside = await delays(application(), backlog, folder), await delays(application(Slow), backlog, folder)
    for name, one, other in zip(("median", "p99"), alone, beside, strict=True):
        print(f"{name}: alone {one:.2f} ms, beside a slow one {other:.2f} ms: {other / one:.1f} times")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
