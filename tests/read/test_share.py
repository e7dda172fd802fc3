"""Sharing segments out: whatever nodes come and go, all is held, evenly, and nothing is moved for nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.read.share import Attendance, Segment, shares

Held: TypeAlias = dict[Segment, str | None]

TABLES = {"Profile__1": 4, "Order__1": 1, "Day__1": 2, "Account__1": 3, "Note__1": 1}
NODES = ("one", "two", "three", "four", "five")


def segments(tables: Mapping[str, int]) -> list[Segment]:
    return [Segment(table, number) for table, count in tables.items() for number in range(count)]


def attendance(held: Held, *nodes: str) -> Attendance:
    return Attendance({node: list(TABLES) for node in nodes}, held)


def settled(held: Held, *nodes: str) -> Held:
    return {**held, **shares(attendance(held, *nodes))}


def loads(held: Held, nodes: tuple[str, ...], table: str | None = None) -> list[int]:
    counted = Counter(node for segment, node in held.items() if table in (None, segment.table))
    return [counted[node] for node in nodes]


def test_the_first_node_takes_all_and_the_second_half_of_it() -> None:
    held = settled(dict.fromkeys(segments(TABLES)), "one")
    assert set(held.values()) == {"one"}
    both = settled(held, "one", "two")
    assert sorted(loads(both, ("one", "two"))) == [5, 6]
    assert loads(both, ("one", "two"), "Profile__1") == [2, 2]
    assert loads(both, ("one", "two"), "Day__1") == [1, 1]


def test_what_is_even_stays_as_it_is_though_it_might_be_otherwise() -> None:
    held: Held = {Segment("Order__1", 0): "two", Segment("Note__1", 0): "one", Segment("Day__1", 1): "two"}
    assert settled(held, "one", "two") == held


def test_a_node_is_given_only_what_it_can_project() -> None:
    held: Held = dict.fromkeys(segments(TABLES))
    found = shares(Attendance({"old": ["Order__1"], "new": ["Profile__1", "Note__1"]}, held))
    assert found == {
        Segment("Order__1", 0): "old",
        Segment("Note__1", 0): "new",
        **dict.fromkeys(segments({"Profile__1": 4}), "new"),
    }


def test_what_a_lost_node_still_holds_is_nobodys_until_its_lease_ends() -> None:
    lost, free = Segment("Day__1", 0), Segment("Day__1", 1)
    assert shares(attendance({lost: "gone", free: None}, "one")) == {free: "one"}


def moves(count: int) -> st.SearchStrategy[list[set[str]]]:
    return st.lists(st.sets(st.sampled_from(NODES)), min_size=count, max_size=count)


@given(moves(6))
def test_whoever_comes_and_goes_all_is_held_and_evenly(stages: list[set[str]]) -> None:
    held: Held = dict.fromkeys(segments(TABLES))
    for there in stages:
        nodes = tuple(sorted(there))
        # The leases of those that are gone have run out.
        held = {segment: node if node in there else None for segment, node in held.items()}
        held = settled(held, *nodes)
        if not nodes:
            continue
        assert None not in held.values()
        assert max(loads(held, nodes)) - min(loads(held, nodes)) <= 1
        for table in TABLES:
            assert max(loads(held, nodes, table)) - min(loads(held, nodes, table)) <= 1
        assert settled(held, *nodes) == held, "it goes on moving"


@given(st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(("joins", "leaves", "acts"))), max_size=40))
def test_nodes_that_act_one_by_one_on_what_they_see_come_to_the_same(steps: list[tuple[str, str]]) -> None:
    there: set[str] = set()
    held: Held = dict.fromkeys(segments(TABLES))

    def act(node: str) -> None:
        for segment, wanted in shares(attendance(held, *sorted(there))).items():
            if wanted == node and held[segment] is None:
                held[segment] = node
            elif wanted != node and held[segment] == node:
                held[segment] = None

    for node, what in steps:
        if what == "joins":
            there.add(node)
        elif what == "leaves":
            there.discard(node)
            held |= {segment: None for segment, holder in held.items() if holder == node}
        elif node in there:
            act(node)
    rounds = 0
    while there and settled(held, *sorted(there)) != held:
        for node in sorted(there):
            act(node)
        rounds += 1
        assert rounds < 5, "it does not come to rest"
    if there:
        assert max(loads(held, tuple(there))) - min(loads(held, tuple(there))) <= 1
        assert None not in held.values()


def restless(attendance: Attendance) -> Mapping[Segment, str]:
    """A planted bug: deals the segments out anew whenever the nodes are others, as a modulo does."""
    nodes = sorted(attendance.nodes)
    return {segment: nodes[place % len(nodes)] for place, segment in enumerate(sorted(attendance.held)) if nodes}


def test_control_dealing_out_anew_moves_what_need_not_be_moved() -> None:
    held: Held = dict.fromkeys(segments(TABLES))
    three = {**held, **restless(attendance(held, "one", "three", "two"))}
    four = attendance(three, "four", "one", "three", "two")
    kept = [segment for segment, node in shares(four).items() if three[segment] == node]
    assert len(kept) >= 8
    assert len([segment for segment, node in restless(four).items() if three[segment] == node]) < 8


@pytest.mark.parametrize("nodes", range(1, 6))
def test_no_more_is_moved_to_one_that_joins_than_its_share(nodes: int) -> None:
    held: Held = dict.fromkeys(segments({"Profile__1": 24}))
    before = settled(held, *NODES[:nodes])
    after = settled(before, *NODES[:nodes], "new")
    moved = [segment for segment, node in after.items() if before[segment] != node]
    assert {after[segment] for segment in moved} == {"new"}
    assert len(moved) == 24 // (nodes + 1)
