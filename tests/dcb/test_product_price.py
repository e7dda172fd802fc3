"""A product is bought at the price that was shown, though the price may have changed some minutes ago.

https://dcb.events/examples/dynamic-product-price/
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

ProductId = Annotated[str, Tag("product")]
GRACE = timedelta(minutes=10)


class SetPrice(Command):
    product: ProductId
    cents: int


class Buy(Command):
    """Buy these products at the prices that were shown, in the same order."""

    products: list[ProductId]
    shown: list[int]


class PriceSet(Event):
    product: ProductId
    cents: int


class Bought(Event):
    products: list[ProductId]
    cents: list[int]


class Price(WriteModel, tag="product"):
    cents: int | None = None
    before: list[tuple[int, datetime]] = []

    def evolve(self, event: PriceSet, meta: Metadata) -> None:
        if self.cents is not None:
            self.before = [*self.before[-9:], (self.cents, meta.time)]
        self.cents = event.cents

    def holds(self, shown: int, now: datetime) -> bool:
        """Tell whether a price is the present one, or was so until some minutes ago."""
        return shown == self.cents or any(shown == cents and now - until < GRACE for cents, until in self.before)


app = App("prices")


@app.command
def set_price(command: SetPrice, price: Price) -> PriceSet | None:
    return None if command.cents == price.cents else PriceSet(command.product, command.cents)


@app.command
def buy(command: Buy, products: list[Price], context: Context) -> Bought:
    if len(command.shown) != len(products) or not products:
        raise Rejected("incomplete")
    for name, shown, price in zip(command.products, command.shown, products, strict=True):
        if not price.holds(shown, context.now):
            raise Rejected("price_changed", name, cents=price.cents)
    return Bought(command.products, command.shown)


NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PRICED = scenario(app).at(NOON).given(PriceSet("pen", 100), PriceSet("ink", 500))


def test_a_product_is_bought_at_its_price() -> None:
    PRICED.when(Buy(["pen"], [100])).then(Bought(["pen"], [100]))
    PRICED.when(Buy(["pen"], [90])).then(Rejected("price_changed", "pen", cents=100))
    PRICED.when(Buy(["brush"], [90])).then(Rejected("price_changed", "brush", cents=None))


def test_an_old_price_holds_for_ten_minutes() -> None:
    changed = PRICED.at(NOON + timedelta(hours=1)).given(PriceSet("pen", 120))
    soon, late = (changed.at(NOON + timedelta(hours=1, minutes=minutes)) for minutes in (9, 10))
    soon.when(Buy(["pen"], [100])).then(Bought(["pen"], [100]))
    late.when(Buy(["pen"], [100])).then(Rejected("price_changed", "pen", cents=120))
    late.when(Buy(["pen"], [120])).then(Bought(["pen"], [120]))


def test_several_products_are_bought_together_or_not_at_all() -> None:
    PRICED.when(Buy(["pen", "ink"], [100, 500])).then(Bought(["pen", "ink"], [100, 500]))
    PRICED.when(Buy(["pen", "ink"], [100, 400])).then(Rejected("price_changed", "ink", cents=500))
    PRICED.when(Buy(["pen", "ink"], [100])).then(Rejected("incomplete"))


@pytest.mark.anyio
async def test_purchases_of_several_products_and_changes_of_their_prices_go_on_together(both: Both) -> None:
    names = [f"product-{n}" for n in range(5)]
    async with both(app) as nodes:
        await asyncio.gather(*(nodes[0].send(SetPrice(name, 100)) for name in names))
        buying = [nodes[n % 2].send(Buy(names[n % 3 :], [100] * (5 - n % 3))) for n in range(40)]
        changing = [nodes[n % 2].send(SetPrice(names[n % 5], 100 + n)) for n in range(20)]
        answers = await asyncio.gather(*buying, *changing, return_exceptions=True)
        # The first price held until a moment ago at most.
        assert Counter(type(answer) for answer in answers) == {Receipt: 60}
