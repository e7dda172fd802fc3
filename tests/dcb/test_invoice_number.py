"""Invoices are numbered one after another, without a gap.

https://dcb.events/examples/invoice-number/
"""

from __future__ import annotations

import asyncio

import pytest

from tests.dcb.conftest import Both
from twofold import App, Command, Event, Rejected, WriteModel
from twofold.testing import scenario


class CreateInvoice(Command):
    cents: int


class InvoiceCreated(Event):
    number: int
    cents: int


class Invoices(WriteModel, tag=None):
    last: int = 0

    def evolve(self, event: InvoiceCreated) -> None:
        self.last = event.number


app = App("invoices")


@app.command
def create_invoice(command: CreateInvoice, invoices: Invoices) -> InvoiceCreated:
    if command.cents <= 0:
        raise Rejected("nothing_to_pay")
    return InvoiceCreated(invoices.last + 1, command.cents)


def test_the_first_is_number_one_and_each_other_the_next() -> None:
    first = scenario(app).when(CreateInvoice(100)).then(InvoiceCreated(1, 100))
    first.when(CreateInvoice(200)).then(InvoiceCreated(2, 200))


@pytest.mark.anyio
async def test_two_nodes_at_once_leave_no_gap_and_give_no_number_twice(both: Both) -> None:
    async with both(app) as nodes:
        commands = [CreateInvoice(n % 4) for n in range(200)]
        await asyncio.gather(*(nodes[n % 2].send(each) for n, each in enumerate(commands)), return_exceptions=True)
        events = [app.codec.decode(recorded) async for recorded in nodes[0].events()]
    assert [event.number for event in events if isinstance(event, InvoiceCreated)] == list(range(1, 151))
