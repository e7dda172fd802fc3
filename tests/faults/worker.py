"""What the fault tests run in processes of their own: `python -m tests.faults.worker TASK OPTIONS`.

Results are lines of JSON on standard output, each written at once, so that what a killed process had said is known.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from tests.faults.bank import Deposit, Inspect, Move, Ponder, Withdraw, bank
from tests.faults.halting import Where, open_halting
from tests.faults.opening import node_at, open_history
from tests.faults.saying import say
from tests.faults.spread import spread_node
from twofold import Command, Principal, Rejected
from twofold.clock import new_id, new_uuid
from twofold.errors import CannotRebuild, CommandIdReused
from twofold.history.boundary import EVERYTHING, Condition, Criterion, Selection
from twofold.history.record import Proposed, Submission
from twofold.history.store import Appended, Decision
from twofold.models import open_models
from twofold.node import Node, Role


class Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a task is told.

    Args:
        url: of the history and the read models that all share.
        name: of this process, a short word.
        count: how many events, commands or calls.
        seed: of its pauses and choices.
        planted: the name of a history with a bug that the checks must find; where it projects, a place to stop at.
        width: how many commands at once.
        roles: of the node.
        ids: the first of a row of command ids; with it every command has its own fixed id.
    """

    url: str
    name: str = "a"
    count: int = 100
    seed: int = 0
    planted: str = ""
    width: int = 10
    roles: tuple[Role, ...] = ("write",)
    ids: int = 0
    after: int = 0


def decision(name: str, numbers: Sequence[int], condition: Condition, tag: str) -> Decision:
    """Return a decision whose events carry the writer's name and a number each."""
    return Decision(
        Submission(new_uuid(), "Count", b"{}", principal=name),
        condition,
        tuple(
            Proposed(new_id(), "Counted", 1, (tag,), msgspec.json.encode({"writer": name, "number": number}))
            for number in numbers
        ),
    )


async def append(options: Options) -> None:
    """Append so many numbered events, some at a time, with pauses."""
    chance = Random(options.seed)
    history = await open_history(options.url, options.planted)
    number = 0
    while number < options.count:
        batch = []
        for _ in range(chance.choice((1, 1, 2, 5))):
            size = min(chance.choice((0, 1, 1, 2, 3)), options.count - number)
            numbers = range(number, number + size)
            batch.append(decision(options.name, numbers, Condition(Selection()), f"writer:{options.name}"))
            number += size
        outcomes = await history.append(batch)
        assert all(isinstance(outcome, Appended) for outcome in outcomes)
        if chance.random() < 0.2:
            await asyncio.sleep(chance.random() * 0.004)
    await history.close()


async def tail(options: Options) -> None:
    """Follow the history until so many events were seen; say each place where a position or a number was wrong."""
    chance = Random(options.seed)
    history = await open_history(options.url, options.planted)
    say("ready")
    seen = 0
    wrong: list[Any] = []
    numbers: dict[str, int] = {}
    last = options.after
    deadline = time.monotonic() + 80
    while last < options.after + options.count and not wrong and time.monotonic() < deadline:
        await asyncio.wait_for(history.changed(last), 80)
        async for batch in history.read(EVERYTHING, after=last, limit=chance.choice((None, 1, 7, 500))):
            for recorded in batch:
                content = msgspec.json.decode(recorded.payload)
                expected = numbers.get(content["writer"], -1) + 1
                if recorded.position != last + 1 or content["number"] != expected:
                    wrong.append([last, recorded.position, content["writer"], content["number"], expected])
                numbers[content["writer"]] = content["number"]
                last, seen = recorded.position, seen + 1
    say({"seen": seen, "wrong": wrong, "last": last})
    await history.close()


async def contend(options: Options) -> None:
    """Append to one boundary under conditions and read it; say each call as its caller saw it."""
    chance = Random(options.seed)
    history = await open_history(options.url, options.planted)
    boundary = Selection((Criterion(("Counted",), ("one:boundary",)),))
    known = 0
    say("ready")
    sys.stdin.readline()
    for number in range(options.count):
        started = time.monotonic()
        if chance.random() < 0.5:
            known = max([recorded.position async for batch in history.read(boundary) for recorded in batch], default=0)
            say([started, time.monotonic(), ["read"], known])
        else:
            after = known if chance.random() < 0.8 else max(0, known - chance.randrange(5))
            made = decision(options.name, [number], Condition(boundary, after), "one:boundary")
            other = decision(options.name, [number], Condition(Selection()), "another:boundary")
            outcome = (await history.append([other, made] if chance.random() < 0.5 else [made]))[-1]
            answer = outcome.last if isinstance(outcome, Appended) else None
            say([started, time.monotonic(), ["append", after], answer])
        if chance.random() < 0.1:
            await asyncio.sleep(chance.random() * 0.002)
    await history.close()


def commands_of(options: Options) -> list[tuple[UUID, Command]]:
    """Return the commands of a load, the same for the same seed, each with its id."""
    chance = Random(options.seed)
    names = [f"account-{n}" for n in range(20)]

    def one() -> Command:
        name, other, kind = chance.choice(names), chance.choice(names), chance.random()
        if kind < 0.5:
            return Deposit(name, chance.randint(1, 9))
        if kind < 0.7:
            return Withdraw(name)
        if kind < 0.9:
            return Move(name, other)
        return Inspect(name) if kind < 0.95 else Ponder(name, 2)

    return [(UUID(int=options.ids + number), one()) for number in range(options.count)]


async def load(options: Options) -> None:
    """Send commands, so many at once; say each receipt and between which times it was waited for.

    Those whose numbers come on standard input are left out.
    """
    answered = {int(word) for word in sys.stdin.readline().split()}
    waiting = [(each, command) for each, command in commands_of(options) if each.int not in answered]
    waiting.reverse()

    async def sender(node: Node) -> None:
        while waiting:
            command_id, command = waiting.pop()
            started = time.monotonic()
            try:
                receipt = await node.send(command, command_id=command_id)
                say([str(command_id), receipt.position, receipt.repeated, started, time.monotonic()])
            except Rejected as rejected:
                say([str(command_id), None, rejected.reason])

    async with node_at(options.url, options.roles, options.planted) as node:
        say("ready")
        await asyncio.gather(*(sender(node) for _ in range(options.width)))
        say("done")


async def storm(options: Options) -> None:
    """Send commands to one boundary, so many at once, until the history has so many events."""

    async def sender(node: Node) -> None:
        reached = 0
        while reached < options.count:
            reached = (await node.send(Deposit("hot"), principal=Principal(options.name))).position

    async with node_at(options.url, options.roles, options.planted) as node:
        say("ready")
        sys.stdin.readline()
        await asyncio.gather(*(sender(node) for _ in range(options.width)))


async def repeat(options: Options) -> None:
    """Send the same commands from several threads, each with a node of its own, and from several tasks in each.

    Say of each sending what was sent and what came of it: the position and whether it was a repeat, or None where the
    id was another command's.
    """

    async def storm(chance: Random) -> None:
        # Under a tenth of the ids, half of the senders send another command.
        others = {n for n in range(0, options.count, 10) if chance.random() < 0.5}
        sent = [(n, Deposit(f"account-{n % 7}", 2 if n in others else 1)) for n in range(options.count)]
        chance.shuffle(sent)

        async def sender(node: Node) -> None:
            while sent:
                number, command = sent.pop()
                try:
                    receipt = await node.send(command, command_id=UUID(int=options.ids + number))
                    say([number, command.amount, receipt.position, receipt.repeated])
                except CommandIdReused:
                    say([number, command.amount, None, True])

        async with node_at(options.url, options.roles, options.planted) as node:
            await asyncio.gather(*(sender(node) for _ in range(options.width)))

    say("ready")
    sys.stdin.readline()
    threads = [asyncio.to_thread(asyncio.run, storm(Random(options.seed + n))) for n in range(3)]
    await asyncio.gather(*threads)


def where_of(options: Options) -> Where:
    """Return the place that `planted` names."""
    where: Where = msgspec.convert(options.planted, Where)
    return where


async def project(options: Options) -> None:
    """Project until killed; `planted` says where to stop when asked to."""
    node = bank.open(options.url, roles=["project"])
    if options.planted:
        # Long enough for a slow machine; a test that wants it to end ends it in the database.
        node._parts.lease = 10.0
        node._parts.open_views = partial(open_halting, options.url, where_of(options), in_segments=False)
    async with node:
        say("ready")
        await asyncio.Event().wait()


async def share(options: Options) -> None:
    """Project segments among others until a line tells to leave; `planted` says where to stop when asked to."""
    node = spread_node(options.url, "project")
    if options.planted:
        node._parts.open_views = partial(open_halting, options.url, where_of(options), in_segments=True)
    async with node:
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)


async def rebuild(options: Options) -> None:
    """Rebuild the statements so many times, and undo every other one; say each beginning and end."""
    async with open_models(bank, options.url) as models:
        for number in range(options.count):
            say("begun")
            try:
                await models.rebuild("Statement", undo=number % 2 == 1)
            except CannotRebuild as refused:
                # Who was killed had the lease.
                say(refused.problem)
                await asyncio.sleep(0.1)
            else:
                say("exchanged")


TASKS: dict[str, Callable[[Options], Awaitable[None]]] = {
    "append": append,
    "tail": tail,
    "contend": contend,
    "load": load,
    "storm": storm,
    "repeat": repeat,
    "project": project,
    "share": share,
    "rebuild": rebuild,
}

if __name__ == "__main__":
    asyncio.run(TASKS[sys.argv[1]](msgspec.json.decode(sys.argv[2], type=Options)))  # type: ignore[arg-type]
