"""A form that is sent twice makes one record, by a token of the form or by the command's id.

https://dcb.events/examples/prevent-record-duplication/
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated
from uuid import uuid4

import pytest

from tests.dcb.conftest import Both
from twofold import App, Command, Event, Receipt, Rejected, Tag, WriteModel
from twofold.testing import scenario

OrderId = Annotated[str, Tag("order")]
FormToken = Annotated[str, Tag("form")]


class PlaceOrder(Command):
    order: OrderId
    form: FormToken


class OrderPlaced(Event):
    order: OrderId
    form: FormToken


class Order(WriteModel, tag="order"):
    placed: bool = False

    def evolve(self, event: OrderPlaced) -> None:
        self.placed = True


class Form(WriteModel, tag="form"):
    used: bool = False

    def evolve(self, event: OrderPlaced) -> None:
        self.used = True


app = App("orders")


@app.command
def place_order(command: PlaceOrder, order: Order, form: Form) -> OrderPlaced:
    if order.placed:
        raise Rejected("order_placed")
    if form.used:
        raise Rejected("sent_again")
    return OrderPlaced(command.order, command.form)


def test_a_form_counts_once_under_whatever_order_it_is_sent_again() -> None:
    placed = scenario(app).when(PlaceOrder("o1", "form")).then(OrderPlaced("o1", "form"))
    placed.when(PlaceOrder("o2", "form")).then(Rejected("sent_again"))
    placed.when(PlaceOrder("o1", "another form")).then(Rejected("order_placed"))
    placed.when(PlaceOrder("o2", "another form")).then(OrderPlaced("o2", "another form"))


@pytest.mark.anyio
async def test_a_form_that_is_sent_by_many_at_once_makes_one_order(both: Both) -> None:
    async with both(app) as nodes:
        sending = (nodes[n % 2].send(PlaceOrder(f"order-{n}", f"form-{n % 3}")) for n in range(30))
        answers = await asyncio.gather(*sending, return_exceptions=True)
        assert Counter(type(answer) for answer in answers) == {Receipt: 3, Rejected: 27}


@pytest.mark.anyio
async def test_a_command_that_is_sent_again_under_its_id_gets_the_first_receipt(both: Both) -> None:
    command_id = uuid4()
    async with both(app) as nodes:
        sending = (nodes[n % 2].send(PlaceOrder("order", "form"), command_id=command_id) for n in range(10))
        receipts = await asyncio.gather(*sending)
        assert {receipt.position for receipt in receipts} == {1}
        assert sum(receipt.repeated for receipt in receipts) == 9
