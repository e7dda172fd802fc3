"""Decisions over many boundaries: lists of models, models of several tags, models of none, private tags."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.faults.nodes import cache_of, entries_of
from tests.write.shop import (
    EMAIL,
    Deliver,
    Delivered,
    Line,
    Order,
    Ordered,
    OrderMany,
    Register,
    Registered,
    Review,
    ReviewAll,
    Reviewed,
    Swap,
    Swapped,
    shop,
)
from twofold import Command, Event, Node, Receipt, Rejected
from twofold.errors import InvalidMessage
from twofold.testing import scenario
from twofold.write.handler import Boundary

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite"])
async def node(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Node]:
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}"
    async with shop.open(url, roles=["write"]) as node:
        yield node


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Sequence[Node]]:
    """Two nodes on one folder."""
    url = f"sqlite:///{tmp_path}"
    async with shop.open(url, roles=["write"]) as one, shop.open(url, roles=["write"]) as other:
        yield one, other


async def stored(node: Node, *types: str) -> list[Any]:
    return [shop.codec.decode(recorded) async for recorded in node.events(types=types)]


async def rejection(node: Node, command: Command) -> Rejected:
    with pytest.raises(Rejected) as rejected:
        await node.send(command)
    return rejected.value


# lists


async def test_a_list_has_a_model_for_each_value_in_their_order(node: Node) -> None:
    await node.send(Deliver("pen", 1))
    await node.send(Deliver("ink", 2))
    await node.send(Order("ada", ["ink", "pen"]))
    assert (await rejection(node, Order("ada", ["ink", "pen"]))).reason == "pen"
    await node.send(Order("ada", ["ink"]))
    assert (await rejection(node, Order("ada", ["ink"], gift="pen"))).left == 0
    assert [event.items for event in await stored(node, "Ordered")] == [["ink", "pen"], ["ink"]]


async def test_a_list_follows_the_tags_inside_a_list_of_structs(node: Node) -> None:
    await node.send(Deliver("pen", 5))
    await node.send(Deliver("ink", 1))
    assert (await rejection(node, OrderMany("ada", [Line("pen", 5), Line("ink", 2)]))).reason == "ink"
    await node.send(OrderMany("ada", [Line("ink", 1), Line("pen", 5)]))
    assert (await stored(node, "Ordered"))[0].items == ["ink", "pen"]


async def test_a_value_that_is_named_twice_has_one_model_twice(node: Node) -> None:
    await node.send(Deliver("pen", 2))
    assert (await rejection(node, Order("ada", ["pen", "pen", "pen"]))).left == 2
    await node.send(Order("ada", ["pen", "pen"]))
    # The event carries the tag once, and is folded once.
    assert (await rejection(node, Order("ada", ["pen", "pen"]))).left == 1


async def test_an_empty_list_has_no_models(node: Node) -> None:
    await node.send(Order("ada", []))
    assert [event.number for event in await stored(node)] == [1]


async def test_a_list_takes_all_fields_of_the_tag_where_it_is_named_after_none(node: Node) -> None:
    await node.send(Deliver("ink", 3))
    assert (await rejection(node, Swap("pen", "ink"))).reason == "0 3"
    await node.send(Swap("ink", "pen"))


async def test_a_list_that_holds_what_is_no_tag_is_refused(node: Node) -> None:
    with pytest.raises(InvalidMessage, match="items: expected 1 to 512 characters"):
        await node.send(Order("ada", ["pen", ""]))


async def test_every_model_of_a_list_is_part_of_the_decision(pair: Sequence[Node]) -> None:
    # Both nodes sell the first item of some orders and the last of others; whoever is first, all of them is sold.
    for item in ("first", "last", "with-first-0", "with-first-1", "with-last-0", "with-last-1"):
        await pair[0].send(Deliver(item, 0))
        await pair[1].send(Deliver(item, 5))
    orders = [
        (node, Order("ada", items))
        for _ in range(5)
        for n, node in enumerate(pair)
        for items in (["first", f"with-first-{n}"], [f"with-last-{n}", "last"])
    ]
    answers = await asyncio.gather(*(node.send(each) for node, each in orders), return_exceptions=True)
    assert Counter(type(answer) for answer in answers) == {Receipt: 10, Rejected: 10}
    sold = Counter(item for event in await stored(pair[0], "Ordered") for item in event.items)
    assert (sold["first"], sold["last"], sold.total()) == (5, 5, 20)


# several tags


async def test_a_model_of_two_tags_takes_events_that_carry_both(node: Node) -> None:
    for customer in ("ada", "eva"):
        for item in ("pen", "ink"):
            for time in (1, 2):
                await node.send(Review(customer, item))
                assert (await stored(node))[-1].time == time
            assert (await rejection(node, Review(customer, item))).code == "twice_is_enough"
    assert len(cache_of(node)) == 4
    cache_of(node).clear()
    assert (await rejection(node, Review("ada", "pen"))).code == "twice_is_enough"


async def test_two_tags_with_several_values_name_every_combination(node: Node) -> None:
    await node.send(Review("eva", "ink"))
    await node.send(ReviewAll(["ada", "eva"], ["pen", "ink"]))
    assert [(each.item, each.customer, each.time) for each in (await stored(node))[1:]] == [
        ("pen", "ada", 1), ("pen", "eva", 1), ("ink", "ada", 1), ("ink", "eva", 2),
    ]  # fmt: skip
    kept = {entry.boundary.tags for entry in entries_of(node)}
    assert ("item:pen", "customer:eva") in kept
    assert len(kept) == 4


async def test_a_model_of_two_tags_conflicts_with_no_event_that_carries_one_of_them(pair: Sequence[Node]) -> None:
    one, other = pair
    await one.send(Review("ada", "pen"))
    await other.send(Review("ada", "ink"))
    await other.send(Review("eva", "pen"))
    boundary = next(iter(entries_of(one))).boundary
    entry = cache_of(one).get(boundary)
    await one.send(Review("ada", "pen"))
    assert cache_of(one).get(boundary) is entry
    await other.send(Review("eva", "ink"))
    assert [each.time for each in await stored(one)] == [1, 1, 1, 2, 1]


async def test_reviews_by_two_nodes_are_counted_without_a_gap(pair: Sequence[Node]) -> None:
    commands = [Review(customer, item) for customer in "ab" for item in "xyz"] * 4
    answers = await asyncio.gather(*(pair[n % 2].send(each) for n, each in enumerate(commands)), return_exceptions=True)
    assert Counter(type(answer) for answer in answers) == {Receipt: 12, Rejected: 12}
    counted = Counter((each.customer, each.item, each.time) for each in await stored(pair[0]))
    assert set(counted) == {(customer, item, time) for customer in "ab" for item in "xyz" for time in (1, 2)}
    assert set(counted.values()) == {1}


async def test_a_model_of_two_tags_is_found_among_many_under_one_of_them(node: Node) -> None:
    await asyncio.gather(*(node.send(Review(f"customer-{n}", "pen")) for n in range(300)))
    cache = cache_of(node)
    # All carry item:pen, but each is filed under the tag that it shares with fewest.
    assert max(len(entries) for entries in cache._by_mark.values()) < 10
    assert len(list(cache.touched("Reviewed", ("customer:customer-7", "item:pen")))) == 1


# no tag


async def test_a_model_without_tag_numbers_without_gaps(pair: Sequence[Node]) -> None:
    await asyncio.gather(*(pair[n % 2].send(Order(f"customer-{n}", [])) for n in range(200)))
    assert [event.number for event in await stored(pair[0], "Ordered")] == list(range(1, 201))


async def test_what_a_model_without_tag_does_not_take_is_no_conflict(pair: Sequence[Node]) -> None:
    one, other = pair
    await one.send(Order("ada", []))
    entry = next(entry for entry in entries_of(one) if entry.boundary.tags == ())
    await other.send(Deliver("pen", 1))
    await one.send(Order("ada", []))
    assert cache_of(one).get(entry.boundary) is entry
    assert [event.number for event in await stored(one, "Ordered")] == [1, 2]


# private values


async def test_an_address_is_taken_once_and_stands_in_no_event_and_no_index(pair: Sequence[Node]) -> None:
    answers = await asyncio.gather(
        *(pair[n % 2].send(Register(f"customer-{n}", f"address-{n % 5}@example.org")) for n in range(20)),
        return_exceptions=True,
    )
    assert Counter(type(answer) for answer in answers) == {Receipt: 5, Rejected: 15}
    async for recorded in pair[0].events():
        assert b"address" not in recorded.payload
        assert "address" not in recorded.tag_text
    found = [each async for each in pair[0].events(tags=[EMAIL.text("address-3@example.org")])]
    assert len(found) == 1


async def test_what_a_node_keeps_in_memory_names_no_address(node: Node) -> None:
    await node.send(Register("ada", "ada@example.org"))
    assert all("ada@" not in tag for entry in entries_of(node) for tag in entry.boundary.tags)


# the scenario kit


SCENARIOS: list[tuple[Sequence[Event], Command, Event | Rejected]] = [
    ((Delivered("pen", 1),), Order("ada", ["pen"]), Ordered(1, "ada", ["pen"])),
    ((Delivered("pen", 1),), Order("ada", ["pen", "ink"]), Rejected("sold_out", "ink", left=0)),
    ((Ordered(7, "eva", []),), Order("ada", []), Ordered(8, "ada", [])),
    ((Delivered("pen", 1),), Swap("pen", "ink"), Swapped(["pen"])),
    ((Reviewed("ada", "pen", 1), Reviewed("ada", "ink", 1)), Review("ada", "pen"), Reviewed("ada", "pen", 2)),
    (
        (Reviewed("ada", "pen", 1), Reviewed("ada", "pen", 2)),
        Review("ada", "pen"),
        Rejected("twice_is_enough"),
    ),
    ((), Register("ada", "a@example.org"), Registered("ada", EMAIL.hash("a@example.org"))),
    (
        (Registered("eva", EMAIL.hash("a@example.org")),),
        Register("ada", "a@example.org"),
        Rejected("email_taken"),
    ),
]


@pytest.mark.parametrize(("given", "command", "outcome"), SCENARIOS)
def test_scenarios_decide_as_nodes_do(given: Sequence[Event], command: Command, outcome: Event | Rejected) -> None:
    scenario(shop).given(*given).when(command).then(outcome)


def test_a_boundary_names_all_tags_in_the_models_order() -> None:
    handler = shop.commands[Review]
    (boundary,) = handler.boundaries(Review("ada", "pen"))
    assert boundary == Boundary(handler.models[0].model, ("item:pen", "customer:ada"))
    assert boundary.criterion.places == (
        (("Reviewed", "item:pen"),),
        (("Reviewed", "customer:ada"),),
    )
