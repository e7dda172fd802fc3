"""An application whose decisions rest on lists of models, on models of two tags, and on one of none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from twofold import App, Command, Event, Hashed, Rejected, Tag, WriteModel

EMAIL = Tag("email", hashed=True, key=b"a secret of this test alone")
Email = Annotated[str, EMAIL]
ItemId = Annotated[str, Tag("item")]
CustomerId = Annotated[str, Tag("customer")]


class Deliver(Command):
    item: ItemId
    count: int


class Order(Command):
    customer: CustomerId
    items: list[ItemId]
    gift: ItemId | None = None


class Line(msgspec.Struct):
    item: ItemId
    count: int


class OrderMany(Command):
    """Tags inside a list of structs."""

    customer: CustomerId
    lines: list[Line]


class Swap(Command):
    """Two fields of one tag, taken as a list."""

    taken: ItemId
    given: ItemId


class Review(Command):
    customer: CustomerId
    item: ItemId


class ReviewAll(Command):
    customers: list[CustomerId]
    items: list[ItemId]


class Register(Command):
    customer: CustomerId
    email: Email


class Delivered(Event):
    item: ItemId
    count: int


class Ordered(Event):
    number: int
    customer: CustomerId
    items: list[ItemId]


class Swapped(Event):
    items: list[ItemId]


class Reviewed(Event):
    customer: CustomerId
    item: ItemId
    time: int


class Registered(Event):
    customer: CustomerId
    email: Annotated[Hashed, EMAIL]


class Stock(WriteModel, tag="item"):
    count: int = 0

    def evolve(self, event: Delivered | Ordered | Swapped) -> None:
        match event:
            case Delivered(count=count):
                self.count += count
            case _:
                self.count -= 1


class Orders(WriteModel, tag=None):
    last: int = 0

    def evolve(self, event: Ordered) -> None:
        self.last = event.number


class Reviews(WriteModel, tag=("item", "customer")):
    times: int = 0

    def evolve(self, event: Reviewed) -> None:
        self.times += 1


class Address(WriteModel, tag="email"):
    taken: bool = False

    def evolve(self, event: Registered) -> None:
        self.taken = True


shop = App("shop")


@shop.command
def deliver(command: Deliver) -> Delivered:
    return Delivered(command.item, command.count)


@shop.command
def order(command: Order, items: list[Stock], orders: Orders) -> Ordered:
    for item, stock in zip(command.items, items, strict=True):
        if stock.count < command.items.count(item):
            raise Rejected("sold_out", item, left=stock.count)
    return Ordered(orders.last + 1, command.customer, command.items)


@shop.command
def order_many(command: OrderMany, lines: list[Stock], orders: Orders) -> Iterator[Ordered]:
    for line, stock in zip(command.lines, lines, strict=True):
        if stock.count < line.count:
            raise Rejected("sold_out", line.item, left=stock.count)
    items = [line.item for line in command.lines]
    yield Ordered(orders.last + 1, command.customer, items)


@shop.command
def swap(command: Swap, stocks: list[Stock]) -> Swapped:
    taken, given = stocks
    if taken.count < 1:
        raise Rejected("sold_out", f"{taken.count} {given.count}")
    return Swapped([command.taken])


@shop.command
def review(command: Review, reviews: Reviews) -> Reviewed:
    if reviews.times == 2:
        raise Rejected("twice_is_enough")
    return Reviewed(command.customer, command.item, reviews.times + 1)


@shop.command
async def review_all(command: ReviewAll, all_of_them: list[Reviews]) -> Iterator[Reviewed]:
    left = iter(all_of_them)
    return iter([Reviewed(c, i, next(left).times + 1) for i in command.items for c in command.customers])


@shop.command
def register(command: Register, address: Address) -> Registered:
    if address.taken:
        raise Rejected("email_taken")
    return Registered(command.customer, EMAIL.hash(command.email))
