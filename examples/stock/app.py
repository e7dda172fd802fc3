"""A stock whose levels are rows, not events: a command changes the rows and tells the world what happened in one step.

Nothing is folded to decide. The events are the outbox: a read model is made from them here, and other systems may be.
"""

from typing import Annotated

from msgspec import Meta

from twofold import App, Command, Event, Query, ReadModel, Rejected, Tag, Transaction, View

Item = Annotated[str, Tag("item")]
OrderId = Annotated[str, Tag("order")]
Number = Annotated[int, Meta(ge=1)]

app = App("stock")

app.own_tables("""
    create table if not exists stock (
        item text primary key,
        free integer not null check (free >= 0)
    );
    create table if not exists reservations (
        order_id text not null,
        item     text not null references stock (item),
        number   integer not null,
        primary key (order_id, item)
    );
""")


class Receive(Command):
    item: Item
    number: Number


class Reserve(Command):
    order_id: OrderId
    lines: dict[str, Number]


class Ship(Command):
    order_id: OrderId


class Received(Event):
    item: Item
    number: int


class Reserved(Event):
    order_id: OrderId
    item: Item
    number: int


class Shipped(Event):
    order_id: OrderId
    item: Item
    number: int


@app.command
async def receive(command: Receive, tx: Transaction) -> Received:
    await tx.execute(
        "insert into stock (item, free) values (:item, :number) "
        "on conflict (item) do update set free = stock.free + excluded.free",
        item=command.item,
        number=command.number,
    )
    return Received(command.item, command.number)


@app.command
async def reserve(command: Reserve, tx: Transaction) -> list[Reserved]:
    if await tx.fetch("select 1 as found from reservations where order_id = :id", id=command.order_id):
        raise Rejected("reserved_already", f"order {command.order_id} has its reservation")
    for item, number in command.lines.items():
        changed = await tx.execute(
            "update stock set free = free - :number where item = :item and free >= :number", item=item, number=number
        )
        if not changed:
            raise Rejected("too_little", f"there are not {number} of {item}", item=item)
        await tx.execute(
            "insert into reservations values (:id, :item, :number)", id=command.order_id, item=item, number=number
        )
    return [Reserved(command.order_id, item, number) for item, number in command.lines.items()]


@app.command
async def ship(command: Ship, tx: Transaction) -> list[Shipped]:
    rows = await tx.fetch("delete from reservations where order_id = :id returning item, number", id=command.order_id)
    if not rows:
        raise Rejected("nothing_reserved", f"nothing is reserved for order {command.order_id}")
    return [Shipped(command.order_id, row["item"], row["number"]) for row in rows]


class Level(ReadModel, key="item"):
    """How much of an item there is, and how much of that is promised."""

    item: Item
    held: int = 0
    reserved: int = 0

    def evolve(self, event: Received | Reserved | Shipped) -> None:
        match event:
            case Received(number=number):
                self.held += number
            case Reserved(number=number):
                self.reserved += number
            case Shipped(number=number):
                self.held -= number
                self.reserved -= number


class GetLevels(Query[list[Level]]):
    pass


@app.query
async def get_levels(query: GetLevels, levels: View[Level]) -> list[Level]:
    return await levels.find(order_by="item")
