"""What is given beside a message is looked at at the door: a mistake says what is wrong, and fails alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.faults.bank import Deposit, GetStatement, bank
from twofold import Principal, Receipt
from twofold.errors import InvalidAddress, InvalidMessage, InvalidSetting
from twofold.node import Node

pytestmark = pytest.mark.anyio

NO_UUID = "0191e0f0-0000-7000-8000-000000000001"
RECEIPT = Receipt(UUID(NO_UUID), 1)


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with bank.open("memory:") as node:
        yield node


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}"
    new: Callable[[], str] = request.getfixturevalue("initialised")
    return new()


SENDING: list[tuple[str, Any, str]] = [
    ("principal", "ada", 'expected a Principal, as in Principal("ada"); found a str'),
    ("principal", None, "found a NoneType"),
    ("command_id", NO_UUID, "expected a UUID; make one of text with uuid.UUID(…); found a str"),
    ("command_id", 7, "found 7"),
    ("correlation_id", NO_UUID, "found a str"),
    ("causation_id", RECEIPT, "expected the UUID of a command or an event; found a Receipt"),
    ("expected", -1, "expected a receipt, or a position: 0, 1, 2 …; found -1"),
    ("expected", "1", "found a str"),
    ("expected", True, "found True"),
    ("expected", 2**63, "found 9223372036854775808"),
]


@pytest.mark.parametrize(("name", "value", "told"), SENDING)
async def test_what_is_given_beside_a_command_is_checked(node: Node, name: str, value: Any, told: str) -> None:
    for call in (node.send, node.preview):
        with pytest.raises(InvalidMessage) as caught:
            await call(Deposit("a"), **{name: value})
        assert (caught.value.message, caught.value.field) == ("Deposit", name)
        assert told in str(caught.value)
    assert await node.history.head() == 0
    assert [entry async for entry in node.ledger()] == []


@pytest.mark.parametrize("timeout", ["1", float("nan"), timedelta(seconds=1)])
async def test_a_deadline_is_a_number_of_seconds(node: Node, timeout: Any) -> None:
    with pytest.raises(InvalidMessage, match="timeout: expected a number of seconds"):
        await node.send(Deposit("a"), timeout=timeout)


@pytest.mark.parametrize("beside", [{"correlation_id": NO_UUID}, {"causation_id": 7}, {"command_id": NO_UUID}])
async def test_a_mistake_beside_one_command_fails_it_alone(beside: dict[str, Any], tmp_path: Path) -> None:
    async with bank.open(f"sqlite:///{tmp_path}", roles=["write"]) as node:
        answers = await asyncio.gather(
            node.send(Deposit("a")), node.send(Deposit("a"), **beside), node.send(Deposit("a")), return_exceptions=True
        )
    assert [type(answer) for answer in answers] == [Receipt, InvalidMessage, Receipt]


async def test_the_longest_name_of_a_principal_is_kept_and_a_longer_one_is_refused(url: str) -> None:
    # Characters of four bytes that no compression makes shorter: what an index of PostgreSQL holds is limited.
    name = "".join(chr(0x10000 + 997 * n % 0xEFFFF) for n in range(512))
    async with bank.open(url, roles=["write"]) as node:
        await node.send(Deposit("a"), principal=Principal(name))
        assert [entry.principal async for entry in node.ledger()] == [name]
    with pytest.raises(InvalidMessage, match="name: expected 512 characters at most, found 513"):
        Principal(name + "x")


@pytest.mark.parametrize("name", [5, None, b"ada"])
def test_the_name_of_a_principal_is_text(name: Any) -> None:
    with pytest.raises(InvalidMessage, match="name: expected text, found"):
        Principal(name)


def test_scopes_are_no_text_of_which_a_part_would_do() -> None:
    scopes: Any = "editor"
    with pytest.raises(InvalidMessage, match="scopes: expected a frozenset, found str"):
        Principal("ada", scopes)


SEARCHES: list[tuple[str, Any, str]] = [
    ("command", Deposit("a"), "expected a class of commands, or its name; found a Deposit"),
    ("command_id", NO_UUID, "found a str"),
    ("principal", Principal("ada"), "expected the principal's name, a str; found a Principal"),
    ("tags", "account:a", "put the one into a list: tags=[…]; found a str"),
    ("tags", [7], "expected texts alone; found 7"),
    ("outcome", "refused", "expected one of accepted, rejected, failed"),
    ("since", datetime(2026, 1, 1), "expected a time with its zone"),
    ("until", "1h", "found a str"),
    ("correlation_id", RECEIPT, "found a Receipt"),
    ("position", RECEIPT, "expected a position; found a Receipt"),
    ("after", 2**63, "expected 0 or more, in 64 bits"),
    ("limit", -1, "found -1"),
]


@pytest.mark.parametrize(("name", "value", "told"), SEARCHES)
async def test_what_could_find_nothing_in_the_ledger_is_refused(node: Node, name: str, value: Any, told: str) -> None:
    await node.send(Deposit("a"))
    with pytest.raises(InvalidMessage) as caught:
        await anext(node.ledger(**{name: value}))
    assert (caught.value.message, caught.value.field) == ("ledger", name)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"), [("types", "Deposited"), ("tags", "account:a"), ("after", -1), ("limit", -1)]
)
async def test_what_could_find_nothing_among_the_events_is_refused(node: Node, name: str, value: Any) -> None:
    with pytest.raises(InvalidMessage, match=name):
        await anext(node.events(**{name: value}))


async def test_a_chain_of_causation_is_asked_for_by_an_id(node: Node) -> None:
    wrong: Any = RECEIPT
    with pytest.raises(InvalidMessage, match="command_id: expected a UUID"):
        await node.causation(wrong)


async def test_a_query_is_asked_after_a_receipt_or_a_position(node: Node) -> None:
    wrong: Any = "1"
    with pytest.raises(InvalidMessage, match="after: expected a receipt, or a position"):
        await node.ask(GetStatement("a"), after=wrong)
    with pytest.raises(InvalidMessage, match="after: expected a receipt, or a position"):
        await node.caught_up(after=wrong)


@pytest.mark.parametrize(
    ("setting", "value"), [("max_waiting", 0), ("max_waiting", "9"), ("cache_models", -1), ("cache_bytes", 0.5)]
)
def test_a_setting_that_counts_is_a_number(setting: str, value: Any) -> None:
    with pytest.raises(InvalidSetting, match=f"{setting}=: expected . or more, found"):
        bank.open("memory:", **{setting: value})


def test_one_role_is_given_in_a_list() -> None:
    roles: Any = "write"
    with pytest.raises(InvalidAddress, match=r"roles are some of .* found 'write'"):
        bank.open("memory:", roles=roles)
