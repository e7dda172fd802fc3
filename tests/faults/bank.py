"""An application whose events tell what they were decided on, so that a history proves or refutes itself.

Every event carries how many events of its account the handler had seen. `examine` counts them again: a decision that
rested on something that never committed, or that missed something that had, contradicts its own place in the history.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from twofold import App, Command, Context, Event, Metadata, Query, ReadModel, Rejected, Tag, View, WriteModel
from twofold.history.record import Recorded

AccountId = Annotated[str, Tag("account")]
BranchId = Annotated[str, Tag("branch", hashed=True)]
MOST_VISITS = 3


class Deposit(Command):
    account: AccountId
    amount: int = 1


class Withdraw(Command):
    account: AccountId
    amount: int = 1


class Move(Command):
    source: AccountId
    target: AccountId
    amount: int = 1


class Link(Command):
    one: AccountId
    other: AccountId


class Inspect(Command):
    account: AccountId


class Ponder(Command):
    """Decided by an async handler, which waits so many turns of the event loop."""

    account: AccountId
    turns: int = 1


class Survey(Command):
    """Decided on two models, of which the first cannot be loaded while an event of its own waits."""

    account: AccountId


class Glance(Command):
    """Accepted without events."""

    account: AccountId


class Announce(Command):
    """Decided without any write model."""

    account: AccountId


class Visit(Command):
    """Decided on a model of two tags, and on one of one."""

    account: AccountId
    branch: BranchId


class Audit(Command):
    """Decided on a model without tag."""

    account: AccountId


class Collect(Command):
    """Decided on a list of models and on one without tag."""

    accounts: list[AccountId]


class Deposited(Event):
    account: AccountId
    amount: int
    seen: int


class Withdrawn(Event):
    account: AccountId
    amount: int
    seen: int


class Linked(Event):
    one: AccountId
    other: AccountId
    seen_one: int
    seen_other: int


class Pondered(Event):
    account: AccountId
    seen: int


class Inspected(Event):
    account: AccountId
    seen: int
    last: int
    at: datetime | None


class Announced(Event):
    account: AccountId


class Visited(Event):
    account: AccountId
    branch: BranchId
    seen: int
    times: int


class Audited(Event):
    account: AccountId
    number: int


class Collected(Event):
    accounts: list[AccountId]
    seen: list[int]
    audits: int


class Account(WriteModel, tag="account"):
    seen: int = 0
    balance: int = 0
    order: int = 0

    def evolve(self, event: Deposited | Withdrawn | Linked | Pondered | Announced | Collected) -> None:
        self.seen += 1
        self.order = (self.order * 31 + ord(type(event).__name__[0])) % 1_000_003
        if isinstance(event, Deposited):
            self.balance += event.amount
        elif isinstance(event, Withdrawn):
            self.balance -= event.amount


class Trail(WriteModel, tag="account"):
    """Takes the metadata: it must see each event at its real position and time."""

    seen: int = 0
    last: int = 0
    at: datetime | None = None
    positions: list[int] = []

    def evolve(self, event: Deposited | Withdrawn | Linked | Inspected, meta: Metadata) -> None:
        self.seen += 1
        self.last, self.at = meta.position, meta.time
        self.positions.append(meta.position)


class Visits(WriteModel, tag=("branch", "account")):
    times: int = 0

    def evolve(self, event: Visited) -> None:
        self.times += 1


class Audits(WriteModel, tag=None):
    count: int = 0

    def evolve(self, event: Audited) -> None:
        self.count += 1


class Statement(ReadModel, key="account"):
    account: AccountId
    balance: int = 0
    entries: int = 0
    last: int = 0
    trail: list[int] = []

    def evolve(self, event: Deposited | Withdrawn | Pondered, meta: Metadata) -> None:
        if isinstance(event, Deposited):
            self.balance += event.amount
        elif isinstance(event, Withdrawn):
            self.balance -= event.amount
        self.entries += 1
        self.last = meta.position
        self.trail = [*self.trail[-4:], meta.position]


class GetStatement(Query[Statement | None]):
    account: AccountId


bank = App("bank")


@bank.command
def deposit(command: Deposit, account: Account) -> Deposited:
    return Deposited(command.account, command.amount, account.seen)


@bank.command
def withdraw(command: Withdraw, account: Account) -> Withdrawn:
    if account.balance < command.amount:
        raise Rejected("too_little", f"{command.account}:{account.seen}")
    return Withdrawn(command.account, command.amount, account.seen)


@bank.command
def move(command: Move, source: Account, target: Account) -> Iterable[Withdrawn | Deposited]:
    if source.balance < command.amount:
        raise Rejected("too_little", f"{command.source}:{source.seen}")
    yield Withdrawn(command.source, command.amount, source.seen)
    yield Deposited(command.target, command.amount, target.seen + (command.source == command.target))


@bank.command
def link(command: Link, one: Account, other: Account) -> Linked:
    return Linked(command.one, command.other, one.seen, other.seen)


@bank.command
def inspect(command: Inspect, trail: Trail) -> Inspected:
    return Inspected(command.account, trail.seen, trail.last, trail.at)


@bank.command
def survey(command: Survey, trail: Trail, account: Account) -> Linked:
    return Linked(command.account, command.account, account.seen, account.seen)


@bank.command
async def ponder(command: Ponder, account: Account, context: Context) -> Pondered:
    for _ in range(command.turns):
        await asyncio.sleep(0)
    if context.principal.name == "rash":
        raise Rejected("too_rash", f"{command.account}:{account.seen}")
    return Pondered(command.account, account.seen)


@bank.command
def glance(command: Glance, account: Account) -> None:
    return None


@bank.command
def announce(command: Announce) -> Announced:
    return Announced(command.account)


@bank.command
def visit(command: Visit, account: Account, visits: Visits) -> Visited:
    if visits.times == MOST_VISITS:
        raise Rejected("too_often", f"{command.account}/{command.branch}:{visits.times}")
    return Visited(command.account, command.branch, account.seen, visits.times)


@bank.command
def audit(command: Audit, audits: Audits) -> Audited:
    return Audited(command.account, audits.count + 1)


@bank.command
def collect(command: Collect, accounts: list[Account], audits: Audits) -> Collected:
    return Collected(command.accounts, [account.seen for account in accounts], audits.count)


@bank.query
async def get_statement(query: GetStatement, statements: View[Statement]) -> Statement | None:
    return await statements.get(query.account)


class Contradiction(AssertionError):
    """A stored event does not follow from the events before it."""


def examine(history: Iterable[Recorded], rejections: Iterable[tuple[str, int]] = ()) -> int:
    """Check that every event follows from those before it, and every rejection from those before its position.

    Args:
        history: all events, in order.
        rejections: reason and position of each ledger entry of a rejected command.

    Returns:
        The number of events.

    Raises:
        Contradiction: one does not.
    """
    seen: defaultdict[str, list[int]] = defaultdict(list)
    trails: defaultdict[str, list[Recorded]] = defaultdict(list)
    balances: defaultdict[str, int] = defaultdict(int)
    position = 0
    for recorded in history:
        position += 1
        if recorded.position != position:
            raise Contradiction(f"expected position {position}, found {recorded.position}")
        event = bank.codec.decode(recorded)
        expected, found = _told(event, {name: len(places) for name, places in seen.items()}, trails)
        if found != expected:
            raise Contradiction(f"position {position}, {event}: it had seen {found}, before it are {expected}")
        if isinstance(event, Deposited | Withdrawn):
            balances[event.account] += event.amount if isinstance(event, Deposited) else -event.amount
            if balances[event.account] < 0:
                raise Contradiction(f"position {position}: the balance of {event.account} is negative")
        for name in _touched_by(event, recorded):
            seen[name].append(position)
        if isinstance(event, Deposited | Withdrawn | Linked | Inspected):
            for name in _accounts_of(recorded):
                trails[name].append(recorded)
    for reason, at in rejections:
        name, _, count = reason.rpartition(":")
        before = sum(1 for place in seen[name] if place <= at)
        if before != int(count):
            raise Contradiction(f"a rejection at {at} had seen {count} events of {name}, there are {before}")
    return position


def _told(event: Event, before: Mapping[str, int], trails: Mapping[str, Sequence[Recorded]]) -> tuple[Any, Any]:
    """Return what an event should tell that its handler had seen, and what it tells."""

    def of(name: str) -> int:
        return before.get(name, 0)

    match event:
        case Linked():
            return (of(event.one), of(event.other)), (event.seen_one, event.seen_other)
        case Inspected():
            trail = trails.get(event.account, ())
            last = trail[-1] if trail else None
            expected = (len(trail), last and (last.position, last.metadata.time))
            return expected, (event.seen, last and (event.last, event.at))
        case Visited():
            pair = f"{event.account}/{event.branch}"
            return (of(event.account), of(pair)), (event.seen, event.times)
        case Audited():
            return of("audits") + 1, event.number
        case Collected():
            return ([of(name) for name in event.accounts], of("audits")), (event.seen, event.audits)
        case Announced():
            return None, None
        case Deposited() | Withdrawn() | Pondered():
            return of(event.account), event.seen
    raise Contradiction(f"the history holds {type(event).__name__}")


def _touched_by(event: Event, recorded: Recorded) -> Iterable[str]:
    """Return the names of what an event belongs to: an account, a pair of account and branch, the audits."""
    match event:
        case Inspected():
            return ()
        case Visited():
            return (f"{event.account}/{event.branch}",)
        case Audited():
            return ("audits",)
    return _accounts_of(recorded)


def _accounts_of(recorded: Recorded) -> list[str]:
    return [tag.removeprefix("account:") for tag in recorded.tags if tag.startswith("account:")]
