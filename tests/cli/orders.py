"""An application with every kind of field, for the command line's tests."""

from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from twofold import App, Command, Event, Query, ReadModel, Rejected, Tag, View, WriteModel

POISON = "poison"
OrderId = Annotated[UUID, Tag("order")]
Customer = Annotated[str, Tag("customer"), Meta(min_length=1, max_length=40, description="Who orders.")]


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    item: str
    count: Annotated[int, Meta(ge=1)]


class PlaceOrder(Command):
    """Order something.

    An order is placed once.
    """

    order_id: OrderId
    customer: Customer
    lines: tuple[Line, ...] = ()
    size: Size = Size.SMALL
    gift: bool = False
    due: date | None = None
    discount: Decimal = Decimal("0")
    weight: float = 0.0
    note: str | None = None
    id: int = 0


class CancelOrder(Command):
    order_id: OrderId
    reason: str


class BreakDown(Command):
    order_id: OrderId


class OrderPlaced(Event):
    order_id: OrderId
    customer: Customer
    lines: tuple[Line, ...]
    size: Size
    gift: bool
    due: date | None
    discount: Decimal
    weight: float
    note: str | None
    id: int


class OrderCancelled(Event, name="order-cancelled"):
    order_id: OrderId
    reason: str


class PlacedOrder(WriteModel, tag="order"):
    placed: bool = False

    def evolve(self, event: OrderPlaced) -> None:
        self.placed = True


class Order(ReadModel, key="order_id"):
    order_id: OrderId
    customer: str = ""
    lines: tuple[Line, ...] = ()
    gift: bool = False
    cancelled: str | None = None

    def evolve(self, event: OrderPlaced | OrderCancelled) -> None:
        match event:
            case OrderPlaced(customer=customer, lines=lines, gift=gift):
                self.customer, self.lines, self.gift = customer, lines, gift
            case OrderCancelled(reason=reason):
                self.cancelled = reason


class CustomerCard(ReadModel, key="customer"):
    customer: str
    orders: int = 0

    def evolve(self, event: OrderPlaced) -> None:
        if event.customer == POISON:
            raise ValueError("cannot take it")
        self.orders += 1


class GetOrder(Query[Order | None]):
    order_id: OrderId


class ListCustomers(Query[list[CustomerCard]]):
    """Customers by name, a page at a time."""

    limit: int = 100
    after: str | None = None


class CountOrders(Query[int]):
    pass


class Explode(Query[int]):
    pass


app = App("orders")


@app.command
def place_order(command: PlaceOrder, order: PlacedOrder) -> OrderPlaced:
    if order.placed:
        raise Rejected("order_exists", f"order {command.order_id} of \x1b[31m{command.customer} is placed already")
    return OrderPlaced(**{name: getattr(command, name) for name in command.__struct_fields__})


@app.command
def cancel_order(command: CancelOrder, order: PlacedOrder) -> OrderCancelled:
    """Take an order back."""
    if not order.placed:
        raise Rejected("unknown_order")
    return OrderCancelled(command.order_id, command.reason)


@app.command
def break_down(command: BreakDown, order: PlacedOrder) -> None:
    raise RuntimeError("the handler broke")


@app.query
async def get_order(query: GetOrder, orders: View[Order]) -> Order | None:
    return await orders.get(query.order_id)


@app.query
async def list_customers(query: ListCustomers, customers: View[CustomerCard]) -> list[CustomerCard]:
    return await customers.find(order_by="customer", limit=query.limit, after=query.after)


@app.query
async def count_orders(query: CountOrders, orders: View[Order]) -> int:
    return await orders.count()


@app.query
async def explode(query: Explode, orders: View[Order]) -> int:
    raise ValueError("the query broke")


not_an_app = "profiles"
