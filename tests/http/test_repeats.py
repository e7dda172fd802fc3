"""Exactly once over HTTP: the same key, the same effect, whatever happens in between and however many ask at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest

from tests.http.client import Client, problem, served
from twofold import App, Command, Event, Rejected, Tag, WriteModel
from twofold.write.sending import Sending

pytestmark = pytest.mark.anyio

KEY = {"Idempotency-Key": "the-key"}


class Gate:
    """Where the slow handler waits until the test lets it go on."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.opened = asyncio.Event()
        self.visits = 0


class Book(Command):
    seat: Annotated[str, Tag("seat")]
    price: int = 1


class BookSlowly(Command):
    seat: Annotated[str, Tag("seat")]


class Fail(Command):
    seat: Annotated[str, Tag("seat")]


class Booked(Event):
    seat: Annotated[str, Tag("seat")]


class Seat(WriteModel, tag="seat"):
    taken: bool = False

    def evolve(self, event: Booked) -> None:
        self.taken = True


app = App("seats")


@app.command
def book(command: Book, seat: Seat) -> Booked:
    if seat.taken:
        raise Rejected("taken")
    return Booked(command.seat)


@app.command
async def book_slowly(command: BookSlowly, seat: Seat, gate: Gate) -> Booked:
    gate.visits += 1
    gate.arrived.set()
    await gate.opened.wait()
    if seat.taken:
        raise Rejected("taken")
    return Booked(command.seat)


@app.command
def fail(command: Fail, seat: Seat) -> Booked:
    if not seat.taken:
        raise RuntimeError("no seat")
    return Booked(command.seat)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def client(tmp_path: Path, gate: Gate) -> AsyncIterator[Client]:
    async with served(f"sqlite:///{tmp_path}", app, provide=[gate]) as client:
        yield client


async def booked(client: Client) -> int:
    return await client.head()


async def test_a_repeat_of_a_command_whose_handler_is_at_work_is_told_so(client: Client, gate: Gate) -> None:
    first = asyncio.create_task(client.send("BookSlowly", {"seat": "1"}, KEY))
    await gate.arrived.wait()
    for _ in range(3):
        answer = await client.send("BookSlowly", {"seat": "1"}, KEY)
        told = problem(answer)
        assert (answer.status_code, told["code"], answer.headers["retry-after"]) == (409, "still_running", "1")
        assert UUID(told["command_id"])
    # Another command under the key is not told more before the first is decided.
    assert (await client.send("Book", {"seat": "2"}, KEY)).status_code == 409
    assert not first.done()
    gate.opened.set()
    receipt = (await first).json()
    again = await client.send("BookSlowly", {"seat": "1"}, KEY)
    assert again.json() == {**receipt, "repeated": True}
    assert (await client.send("Book", {"seat": "2"}, KEY)).status_code == 422
    assert (gate.visits, await booked(client)) == (2, 1)


async def test_commands_under_other_keys_do_not_wait_for_it(client: Client, gate: Gate) -> None:
    first = asyncio.create_task(client.send("BookSlowly", {"seat": "1"}, KEY))
    await gate.arrived.wait()
    assert (await client.send("Book", {"seat": "2"}, {"Idempotency-Key": "another"})).status_code == 200
    assert (await client.send("Book", {"seat": "3"})).status_code == 200
    gate.opened.set()
    assert (await first).status_code == 200


async def test_who_waits_when_the_handler_begins_is_told_too(client: Client, gate: Gate) -> None:
    answers = [asyncio.create_task(client.send("BookSlowly", {"seat": "1"}, KEY)) for _ in range(5)]
    await gate.arrived.wait()
    done, waiting = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
    while len(waiting) > 1:
        done, waiting = await asyncio.wait(answers, return_when=asyncio.ALL_COMPLETED, timeout=0.01)
    assert {answer.result().status_code for answer in done} == {409}
    gate.opened.set()
    assert (await waiting.pop()).status_code == 200
    assert (gate.visits, await booked(client)) == (1, 1)


async def test_in_process_a_repeat_waits_for_the_first(client: Client, gate: Gate) -> None:
    command_id = uuid4()
    first = asyncio.create_task(client.node.send(BookSlowly("1"), command_id=command_id))
    await gate.arrived.wait()
    again = [asyncio.create_task(client.node.send(BookSlowly("1"), command_id=command_id)) for _ in range(3)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert not any(each.done() for each in again)
    gate.opened.set()
    receipt = await first
    assert {(await each).position for each in again} == {receipt.position}


async def test_a_first_one_that_goes_away_leaves_no_claim(client: Client, gate: Gate) -> None:
    command_id = uuid4()
    first = asyncio.create_task(client.node.send(BookSlowly("1"), command_id=command_id))
    await gate.arrived.wait()
    key = {"Idempotency-Key": str(command_id)}
    assert (await client.send("Book", {"seat": "1"}, key)).status_code == 409
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await client.send("Book", {"seat": "1"}, key)).status_code == 200


async def test_failures_and_rejections_leave_no_claim(client: Client) -> None:
    assert (await client.send("Fail", {"seat": "1"}, KEY)).status_code == 500
    assert (await client.send("Book", {"seat": "1", "price": "much"}, KEY)).status_code == 422
    assert (await client.send("Book", {"seat": "2"})).status_code == 200
    assert problem(await client.send("Book", {"seat": "2"}, KEY))["code"] == "taken"
    accepted = await client.send("Book", {"seat": "1"}, KEY)
    assert accepted.status_code == 200
    # Now it is claimed: whatever another command would have come to.
    for name, fields in (("Fail", {"seat": "1"}), ("Book", {"seat": "2"}), ("Book", {"seat": "1", "price": 2})):
        assert problem(await client.send(name, fields, KEY))["code"] == "command_id_reused"
    assert (await client.send("Book", {"seat": "1"}, KEY)).json() == {**accepted.json(), "repeated": True}


async def test_a_key_is_remembered_across_restarts_and_services(tmp_path: Path, gate: Gate) -> None:
    url = f"sqlite:///{tmp_path}"
    async with served(url, app, provide=[gate]) as one, served(url, app, provide=[gate]) as other:
        first = (await one.send("Book", {"seat": "1"}, KEY)).json()
        assert (await other.send("Book", {"seat": "1"}, KEY)).json() == {**first, "repeated": True}
        assert (await other.send("Book", {"seat": "2"}, KEY)).status_code == 422
    async with served(url, app, provide=[gate]) as again:
        assert (await again.send("Book", {"seat": "1"}, KEY)).json() == {**first, "repeated": True}
        assert (await again.send("Book", {"seat": "2"}, KEY)).status_code == 422
        assert await booked(again) == 1


async def test_a_storm_of_repeats_on_two_services_has_one_effect_for_each_key(tmp_path: Path, gate: Gate) -> None:
    url = f"sqlite:///{tmp_path}"
    async with served(url, app, provide=[gate]) as one, served(url, app, provide=[gate]) as other:
        keys = [{"Idempotency-Key": f"key-{n}"} for n in range(10)]
        answers = await asyncio.gather(
            *(
                service.send("Book", {"seat": str(n)}, key)
                for _ in range(5)
                for n, key in enumerate(keys)
                for service in (one, other)
            )
        )
        assert {answer.status_code for answer in answers} == {200}
        receipts: dict[str, list[Any]] = {}
        for receipt in (answer.json() for answer in answers):
            receipts.setdefault(receipt["command_id"], []).append(receipt)
        assert len(receipts) == 10
        for of_one in receipts.values():
            assert len({receipt["position"] for receipt in of_one}) == 1
            assert [receipt["repeated"] for receipt in of_one].count(False) == 1
        assert await booked(one) == 10


async def test_a_handler_that_is_not_noticed_to_be_at_work_is_found(
    client: Client, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sending, "is_at_work", property(lambda _: False, lambda *_: None))
    first = asyncio.create_task(client.send("BookSlowly", {"seat": "1"}, KEY))
    await gate.arrived.wait()
    repeat = asyncio.create_task(client.send("BookSlowly", {"seat": "1"}, KEY))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not repeat.done()
    gate.opened.set()
    assert [(await each).status_code for each in (first, repeat)] == [200, 200]
