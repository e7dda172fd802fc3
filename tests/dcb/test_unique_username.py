"""A username belongs to one account; who gives it up keeps others from it for some days.

https://dcb.events/examples/unique-username/
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Annotated

import pytest

from tests.dcb.conftest import Both
from twofold import App, Command, Context, Event, Metadata, Receipt, Rejected, Tag, WriteModel
from twofold.testing import scenario

AccountId = Annotated[str, Tag("account")]
Username = Annotated[str, Tag("username")]
RETENTION = timedelta(days=3)


class Register(Command):
    account: AccountId
    username: Username


class ChangeUsername(Command):
    account: AccountId
    username: Username


class CloseAccount(Command):
    account: AccountId


class NameClaimed(Event):
    account: AccountId
    username: Username


class NameReleased(Event):
    account: AccountId
    username: Username


class Name(WriteModel, tag="username"):
    owner: str | None = None
    released_by: str | None = None
    released_at: datetime | None = None

    def evolve(self, event: NameClaimed | NameReleased, meta: Metadata) -> None:
        if isinstance(event, NameClaimed):
            self.owner, self.released_at = event.account, None
        else:
            self.owner, self.released_by, self.released_at = None, event.account, meta.time


class Account(WriteModel, tag="account"):
    username: str | None = None
    registered: bool = False

    def evolve(self, event: NameClaimed | NameReleased) -> None:
        self.registered = True
        self.username = event.username if isinstance(event, NameClaimed) else None


app = App("usernames")


@app.command
def register(command: Register, account: Account, name: Name, context: Context) -> NameClaimed:
    if account.registered:
        raise Rejected("registered")
    _refuse_taken(command.account, name, context.now)
    return NameClaimed(command.account, command.username)


@app.command
def change_username(
    command: ChangeUsername, account: Account, name: Name, context: Context
) -> tuple[NameReleased, NameClaimed]:
    if account.username is None:
        raise Rejected("no_account")
    _refuse_taken(command.account, name, context.now)
    return NameReleased(command.account, account.username), NameClaimed(command.account, command.username)


@app.command
def close_account(command: CloseAccount, account: Account) -> NameReleased:
    if account.username is None:
        raise Rejected("no_account")
    return NameReleased(command.account, account.username)


def _refuse_taken(account: str, name: Name, now: datetime) -> None:
    if name.owner is not None:
        raise Rejected("name_taken")
    if name.released_at is not None and name.released_by != account and now - name.released_at < RETENTION:
        raise Rejected("name_retained", until=name.released_at + RETENTION)


MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
TAKEN = scenario(app).at(MONDAY).given(NameClaimed("a", "ada"))


def test_a_free_name_is_claimed() -> None:
    scenario(app).when(Register("a", "ada")).then(NameClaimed("a", "ada"))


def test_a_taken_name_is_not() -> None:
    TAKEN.when(Register("b", "ada")).then(Rejected("name_taken"))
    TAKEN.when(Register("b", "eva")).then(NameClaimed("b", "eva"))


def test_changing_the_name_frees_the_old_one_and_claims_the_new_one() -> None:
    changed = TAKEN.when(ChangeUsername("a", "eva")).then(NameReleased("a", "ada"), NameClaimed("a", "eva"))
    changed.when(Register("b", "eva")).then(Rejected("name_taken"))
    changed.when(ChangeUsername("b", "zoe")).then(Rejected("no_account"))


def test_a_released_name_is_kept_for_three_days_from_all_but_its_owner() -> None:
    closed = TAKEN.when(CloseAccount("a")).then(NameReleased("a", "ada"))
    retained = Rejected("name_retained", until=MONDAY + RETENTION)
    closed.when(Register("b", "ada")).then(retained)
    closed.at(MONDAY + RETENTION - timedelta(seconds=1)).when(Register("b", "ada")).then(retained)
    again = closed.at(MONDAY + RETENTION).when(Register("b", "ada")).then(NameClaimed("b", "ada"))
    again.when(Register("c", "ada")).then(Rejected("name_taken"))
    TAKEN.given(NameReleased("a", "ada"), NameClaimed("a", "eva")).when(ChangeUsername("a", "ada")).then(
        NameReleased("a", "eva"), NameClaimed("a", "ada")
    )


@pytest.mark.anyio
async def test_of_many_who_claim_a_name_at_once_one_gets_it(both: Both) -> None:
    async with both(app) as nodes:
        claims = (nodes[n % 2].send(Register(f"account-{n}", f"name-{n % 4}")) for n in range(40))
        answers = await asyncio.gather(*claims, return_exceptions=True)
        assert Counter(type(answer) for answer in answers) == {Receipt: 4, Rejected: 36}
        events = [app.codec.decode(recorded) async for recorded in nodes[0].events()]
    assert {event.username for event in events if isinstance(event, NameClaimed)} == {f"name-{n}" for n in range(4)}
