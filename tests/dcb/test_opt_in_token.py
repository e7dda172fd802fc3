"""A sign-up is confirmed with a token that was sent by mail: once, by who has it, within the hour.

https://dcb.events/examples/opt-in-token/ ; here neither address nor token is in the history.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Annotated

import pytest

from tests.dcb.conftest import Both
from twofold import App, Command, Context, Event, Hashed, Metadata, Receipt, Rejected, Tag, WriteModel
from twofold.testing import scenario

EMAIL = Tag("email", hashed=True, key=b"kept outside of the code")
TOKEN = Tag("token", hashed=True, key=b"kept outside of the code")
Email = Annotated[str, EMAIL]
Token = Annotated[str, TOKEN]
EmailHash = Annotated[Hashed, EMAIL]
TokenHash = Annotated[Hashed, TOKEN]
VALID = timedelta(minutes=60)


class SignUp(Command):
    email: Email
    name: str
    token: Token


class ConfirmSignUp(Command):
    email: Email
    token: Token


class SignUpStarted(Event):
    email: EmailHash
    token: TokenHash
    name: str


class SignUpConfirmed(Event):
    email: EmailHash
    token: TokenHash
    name: str


class Pending(WriteModel, tag=("token", "email")):
    """A sign-up by its token and its address: who has but one of them finds nothing."""

    name: str | None = None
    started: datetime | None = None
    confirmed: bool = False

    def evolve(self, event: SignUpStarted | SignUpConfirmed, meta: Metadata) -> None:
        if isinstance(event, SignUpStarted):
            self.name, self.started = event.name, meta.time
        else:
            self.confirmed = True


class Address(WriteModel, tag="email"):
    taken: bool = False

    def evolve(self, event: SignUpConfirmed) -> None:
        self.taken = True


app = App("sign-ups")


@app.command
def sign_up(command: SignUp, address: Address) -> SignUpStarted:
    if address.taken:
        raise Rejected("email_taken")
    return SignUpStarted(EMAIL.hash(command.email), TOKEN.hash(command.token), command.name)


@app.command
def confirm_sign_up(command: ConfirmSignUp, pending: Pending, address: Address, context: Context) -> SignUpConfirmed:
    if pending.started is None or pending.name is None:
        raise Rejected("no_pending_sign_up")
    if pending.confirmed:
        raise Rejected("token_used")
    if context.now - pending.started >= VALID:
        raise Rejected("token_expired")
    if address.taken:
        raise Rejected("email_taken")
    return SignUpConfirmed(EMAIL.hash(command.email), TOKEN.hash(command.token), pending.name)


NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CONFIRM = ConfirmSignUp("ada@example.org", "314159")
STARTED = SignUpStarted(EMAIL.hash("ada@example.org"), TOKEN.hash("314159"), "Ada")
CONFIRMED = SignUpConfirmed(STARTED.email, STARTED.token, "Ada")


def test_a_sign_up_is_confirmed_with_its_token() -> None:
    started = scenario(app).at(NOON).when(SignUp("ada@example.org", "Ada", "314159")).then(STARTED)
    started.when(CONFIRM).then(CONFIRMED)


def test_a_token_alone_or_an_address_alone_confirms_nothing() -> None:
    started = scenario(app).given(STARTED)
    started.when(ConfirmSignUp("eva@example.org", "314159")).then(Rejected("no_pending_sign_up"))
    started.when(ConfirmSignUp("ada@example.org", "271828")).then(Rejected("no_pending_sign_up"))


def test_a_token_is_used_once_and_within_the_hour() -> None:
    started = scenario(app).at(NOON).given(STARTED)
    started.given(CONFIRMED).when(CONFIRM).then(Rejected("token_used"))
    started.at(NOON + VALID - timedelta(seconds=1)).when(CONFIRM).then(CONFIRMED)
    started.at(NOON + VALID).when(CONFIRM).then(Rejected("token_expired"))


def test_another_token_of_an_address_that_is_taken_confirms_nothing() -> None:
    other = SignUpStarted(STARTED.email, TOKEN.hash("271828"), "Ada again")
    both = scenario(app).at(NOON).given(STARTED, other, CONFIRMED)
    both.when(ConfirmSignUp("ada@example.org", "271828")).then(Rejected("email_taken"))
    both.when(SignUp("ada@example.org", "Ada", "161803")).then(Rejected("email_taken"))


@pytest.mark.anyio
async def test_one_of_many_confirmations_counts_and_nothing_private_is_stored(both: Both) -> None:
    async with both(app) as nodes:
        tokens = ["314159", "271828", "161803"]
        await asyncio.gather(*(nodes[0].send(SignUp("ada@example.org", "Ada", token)) for token in tokens))
        confirming = (nodes[n % 2].send(ConfirmSignUp("ada@example.org", tokens[n % 3])) for n in range(30))
        answers = await asyncio.gather(*confirming, return_exceptions=True)
        assert Counter(type(answer) for answer in answers) == {Receipt: 1, Rejected: 29}
        stored = [(recorded.payload, recorded.tag_text) async for recorded in nodes[0].events()]
    assert len(stored) == 4
    assert not any(private in f"{stored}" for private in ("ada@example.org", *tokens))
