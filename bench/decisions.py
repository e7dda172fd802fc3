"""Decisions over two write models against decisions over one, and with half of the commands rejected."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

from bench.result import Row, Target, check, row
from bench.rounds import Readings, Run
from twofold import App, Command, Event, Node, Rejected, Tag, WriteModel
from twofold.clock import new_uuid

AccountId = Annotated[str, Tag("account")]


class Pay(Command):
    account: AccountId
    cents: int
    note: str = "for machines that are not built yet, and for long letters about music and mathematics"


class Transfer(Command):
    source: AccountId
    target: AccountId
    cents: int
    note: str = "for machines that are not built yet, and for long letters about music"


class Paid(Event):
    account: AccountId
    cents: int
    note: str


class Transferred(Event):
    source: AccountId
    target: AccountId
    cents: int
    note: str


class Account(WriteModel, tag="account"):
    movements: int = 0

    def evolve(self, event: Paid | Transferred) -> None:
        self.movements += 1


app = App("decisions")


@app.command
def pay(command: Pay, account: Account) -> Paid:
    if command.cents < 0:
        raise Rejected("nothing_to_pay", f"after {account.movements} movements")
    return Paid(command.account, command.cents, command.note)


@app.command
def transfer(command: Transfer, source: Account, target: Account) -> Transferred:
    return Transferred(command.source, command.target, command.cents, command.note)


def payments(accounts: Sequence[str], count: int, *, rejected: bool = False) -> Iterator[Command]:
    """Yield payments spread over the accounts; of `rejected` ones every other is to be refused."""
    chance = random.Random(20)
    for number in range(count):
        yield Pay(chance.choice(accounts), -1 if rejected and number % 2 else number)


def transfers(accounts: Sequence[str], count: int) -> Iterator[Command]:
    """Yield transfers between two different accounts."""
    chance = random.Random(20)
    for number in range(count):
        source, target = chance.sample(accounts, 2)
        yield Transfer(source, target, number)


async def send_all(node: Node, commands: Iterable[Command], in_flight: int) -> tuple[int, int]:
    """Send commands under ids of their own, so many at a time; return how many were accepted, and rejected."""
    waiting = iter(commands)
    accepted = rejected = 0

    async def sender() -> None:
        nonlocal accepted, rejected
        for command in waiting:
            try:
                await node.send(command, command_id=new_uuid())
                accepted += 1
            except Rejected:
                rejected += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(sender())
    return accepted, rejected


async def timed(folder: Path, accounts: Sequence[str], commands: Sequence[Command], in_flight: int) -> float:
    """Return the seconds from the first command to the last answer, when all accounts are known; check the result."""
    async with app.open(f"sqlite:///{folder}", roles=("write",)) as node:
        await send_all(node, [Pay(account, 1) for account in accounts], in_flight)
        started = time.perf_counter()
        accepted, rejected = await send_all(node, commands, in_flight)
        seconds = time.perf_counter() - started
        refused = sum(isinstance(command, Pay) and command.cents < 0 for command in commands)
        check(rejected == refused, f"{refused} commands were to be rejected, {rejected} were")
        check(accepted == len(commands) - refused, f"{accepted} of {len(commands)} commands were accepted")
        stored = await node.history.head()
        check(stored == len(accounts) + accepted, f"{accepted} were accepted, {stored - len(accounts)} are stored")
    return seconds


def rate(name: str, accounts: Sequence[str], commands: Sequence[Command], in_flight: int, folder: Path) -> Readings:
    """Return a writing node's commands a second."""
    return {name: len(commands) / asyncio.run(timed(folder, accounts, commands, in_flight))}


def measure(run: Run) -> Sequence[Row]:
    """Measure one model, two models, and one model with every other command rejected, in turn."""
    sizes = run.sizes
    accounts = [f"account-{number}" for number in range(sizes.users)]
    contenders: dict[str, list[Command]] = {
        "one model": list(payments(accounts, sizes.commands)),
        "two models": list(transfers(accounts, sizes.commands)),
        "half rejected": list(payments(accounts, sizes.commands, rejected=True)),
    }
    series = run.interleave(
        *(partial(rate, name, accounts, commands, sizes.in_flight) for name, commands in contenders.items())
    )
    loop = f"{sizes.in_flight} in flight, {sizes.commands:,} commands over {sizes.users:,} boundaries; roles: write"
    return [
        row(
            "decisions over two models", f"{loop}; each event carries both tags", "/s",
            series["two models"], floor=series["one model"], floor_measured="decisions over one model",
            target=Target(ratio_at_least=0.7),
        ),
        row(
            "half of them rejected", f"{loop}; every other command is rejected, and in the ledger", "/s",
            series["half rejected"], floor=series["one model"], floor_measured="the same, none rejected",
            target=Target(ratio_at_least=1.0),
        ),
    ]  # fmt: skip
