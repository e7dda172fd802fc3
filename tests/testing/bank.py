"""A small application with everything that a scenario has to support; some of its handlers are wrong on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from twofold import App, Command, Context, Event, Metadata, Query, ReadModel, Rejected, Tag, View, WriteModel

AccountId = Annotated[str, Tag("account")]


class OpenAccount(Command):
    account: AccountId


class Transfer(Command):
    source: AccountId
    target: AccountId
    amount: int


class CloseAccount(Command):
    account: AccountId


class Audit(Command):
    account: AccountId


class Misbehave(Command):
    account: AccountId
    how: str


class Opened(Event):
    account: AccountId


class Withdrawn(Event):
    account: AccountId
    amount: int


class Deposited(Event):
    account: AccountId
    amount: int


class Closed(Event):
    account: AccountId
    by: str
    at: datetime


class Audited(Event):
    account: AccountId
    finding: str
    last_movement: datetime | None


class Broken(Event):
    account: AccountId


class Account(WriteModel, tag="account"):
    is_open: bool = False
    balance: int = 0

    def evolve(self, event: Opened | Withdrawn | Deposited | Closed | Broken) -> None:
        match event:
            case Opened():
                self.is_open = True
            case Withdrawn(amount=amount):
                self.balance -= amount
            case Deposited(amount=amount):
                self.balance += amount
            case Closed():
                self.is_open = False
            case Broken():
                raise LookupError("nobody can take this")


class Movements(WriteModel, tag="account"):
    last: datetime | None = None

    def evolve(self, event: Withdrawn | Deposited, meta: Metadata) -> None:
        self.last = meta.time


class Auditor:
    async def look_at(self, account: str) -> str:
        await asyncio.sleep(0)
        return f"{account} is in order"


class Balance(ReadModel, key="account"):
    account: AccountId
    amount: int = 0
    last_by: str = ""
    history: list[int] = []

    def evolve(self, event: Opened | Withdrawn | Deposited, meta: Metadata) -> None:
        self.last_by = meta.principal
        if isinstance(event, Withdrawn | Deposited):
            change = event.amount if isinstance(event, Deposited) else -event.amount
            self.amount += change
            self.history = [*self.history, change]
        if self.amount < -1_000:
            raise ValueError("the bank is robbed")


class GetBalance(Query[Balance | None]):
    account: str


class Richest(Query[list[str]]):
    at_least: int = 0


class Report(Query[str]):
    account: str


class Fail(Query[int]):
    pass


app = App("bank")


@app.command
def open_account(command: OpenAccount, account: Account) -> Opened | None:
    return None if account.is_open else Opened(command.account)


@app.command
def transfer(command: Transfer, source: Account, target: Account) -> list[Withdrawn | Deposited]:
    if not (source.is_open and target.is_open):
        raise Rejected("account_closed")
    if source.balance < command.amount:
        raise Rejected("too_little", f"{command.source} holds {source.balance}", balance=source.balance)
    return [Withdrawn(command.source, command.amount), Deposited(command.target, command.amount)]


@app.command
def close_account(command: CloseAccount, context: Context, account: Account) -> Closed:
    return Closed(command.account, context.principal.name, context.now)


@app.command
async def audit(command: Audit, auditor: Auditor, movements: Movements) -> Audited:
    return Audited(command.account, await auditor.look_at(command.account), movements.last)


@app.command
def misbehave(command: Misbehave, account: Account) -> Iterable[Opened | Deposited | Broken]:
    match command.how:
        case "mutate":
            account.balance += 1
        case "mutate, then reject":
            account.balance += 1
            raise Rejected("no")
        case "raise":
            raise ZeroDivisionError("by hand")
        case "return what is not announced":
            yield Closed(command.account, "", datetime.now())  # type: ignore[misc]
        case "return what does not validate":
            yield Deposited(command.account, "much")  # type: ignore[arg-type]
        case "return what evolve cannot take":
            yield Broken(command.account)
        case _:
            yield Opened(command.account)


@app.query
async def get_balance(query: GetBalance, balances: View[Balance]) -> Balance | None:
    return await balances.get(query.account)


@app.query
async def richest(query: Richest, balances: View[Balance]) -> list[str]:
    found = await balances.sql("where amount >= :least order by amount desc", least=query.at_least)
    return [balance.account for balance in found]


@app.query
async def report(query: Report, balances: View[Balance], auditor: Auditor, context: Context) -> str:
    found = await balances.get(query.account)
    return f"{await auditor.look_at(query.account)}, {found and found.amount}, {context.principal.name}"


@app.query
def fail(query: Fail) -> int:
    raise ZeroDivisionError("by hand")
