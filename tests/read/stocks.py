"""An application whose read models are kept in several stores."""

from __future__ import annotations

from twofold import App, Command, Event, Query, ReadModel, View


class Sell(Command):
    item: str
    count: int = 1


class Sold(Event):
    item: str
    count: int


class Item(ReadModel, key="item"):
    item: str
    sold: int = 0

    def evolve(self, event: Sold) -> None:
        self.sold += event.count


class Takings(ReadModel, key="item", store="analytics"):
    item: str
    times: int = 0

    def evolve(self, event: Sold) -> None:
        self.times += 1


class GetBoth(Query[list[int]]):
    item: str


class GetItem(Query[int]):
    item: str


class GetTakings(Query[int]):
    item: str


app = App("stocks")


@app.command
def sell(command: Sell) -> Sold:
    return Sold(command.item, command.count)


@app.query
async def get_both(query: GetBoth, items: View[Item], takings: View[Takings]) -> list[int]:
    item, taking = await items.get(query.item), await takings.get(query.item)
    return [item.sold if item else 0, taking.times if taking else 0]


@app.query
async def get_item(query: GetItem, items: View[Item]) -> int:
    item = await items.get(query.item)
    return item.sold if item else 0


@app.query
async def get_takings(query: GetTakings, takings: View[Takings]) -> int:
    taking = await takings.get(query.item)
    return taking.times if taking else 0
