"""What a slow projection costs the others: the 99th percentile of command to visible, with one beside it and without.

    python -m bench.isolation [EVENTS]

A look for whoever works on the projections; it is not part of the record.
"""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter
from typing import Annotated

from twofold import App, Command, Event, Query, ReadModel, Tag, View
from twofold.engines.memory import MemoryHistory

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


async def p99(app: App, backlog: int) -> float:
    """Return within how many seconds 99 of 100 commands were visible while a backlog is projected."""
    history = MemoryHistory()
    writing = application().open("memory:", roles=["write"], max_waiting=backlog + 1)
    writing._open_history = lambda: history
    async with writing as writer:
        await asyncio.gather(*(writer.send(Bump(f"counter-{n % 100}")) for n in range(backlog)))
    node = app.open("memory:")
    node._open_history = lambda: history
    times: list[float] = []
    async with node:
        await node.ask(HowOften("counter-0"), after=backlog, timeout=600)
        for _ in range(_COMMANDS):
            began = perf_counter()
            await node.ask(HowOften("a"), after=await node.send(Bump("a")), timeout=600)
            times.append(perf_counter() - began)
    return sorted(times)[int(len(times) * 0.99)]


async def main(backlog: int) -> None:
    """Print both, and the ratio."""
    alone, beside = await p99(application(), backlog), await p99(application(Slow), backlog)
    print(f"p99 alone {alone * 1000:.2f} ms, beside a slow one {beside * 1000:.2f} ms: {beside / alone:.1f} times")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
