"""Queries a second, asked in the process of the node: by key, and by page."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from pathlib import Path
from uuid import UUID

from examples.profiles.app import GetProfile

from bench.application import PageByName, ProfilePage, app, indexed
from bench.filled import fill, project
from bench.reading import reading
from bench.result import Row, Target, check, row
from bench.rounds import Readings, Run
from bench.workload import users
from twofold import Node
from twofold.node import Role

PAGE = 50
_KEY = "SELECT user_id, name, bio, updates FROM profile WHERE user_id = ?"
_PAGE = "SELECT user_id, name, bio, updates FROM profile WHERE user_id > ? ORDER BY user_id LIMIT ?"
_NAMES = "SELECT user_id, name, bio, updates FROM named WHERE (name, user_id) > (?, ?) ORDER BY name, user_id LIMIT ?"
READ: tuple[Role, ...] = ("read",)
Measure = Callable[[Node], Coroutine[None, None, float]]


def bare_keys(data: Path, keys: Sequence[UUID], _: Path) -> Readings:
    """Return how many rows by key a second plain apsw reads."""
    with reading(data / "views.db") as connection:
        bound = [(str(key),) for key in keys]
        started = time.perf_counter()
        found = [connection.execute(_KEY, key).fetchall()[0] for key in bound]
        seconds = time.perf_counter() - started
    check([row[0] for row in found] == [key for (key,) in bound], "the floor did not find every row")
    return {"floor, key": len(keys) / seconds}


def bare_pages(data: Path, pages: int, _: Path) -> Readings:
    """Return how many pages a second plain apsw reads, each beginning where the one before ended."""
    last, seen = "", 0
    with reading(data / "views.db") as connection:
        started = time.perf_counter()
        for _number in range(pages):
            rows = connection.execute(_PAGE, (last, PAGE)).fetchall()
            seen += len(rows)
            last = str(rows[-1][0]) if len(rows) == PAGE else ""
        seconds = time.perf_counter() - started
    check(seen > 0, "the floor found no page")
    return {"floor, page": pages / seconds}


def bare_names(data: Path, pages: int, _: Path) -> Readings:
    """Return how many pages in the order of the names plain apsw reads a second, by the same index."""
    last, seen = ("", ""), 0
    with reading(data / "indexed" / "views.db") as connection:
        started = time.perf_counter()
        for _number in range(pages):
            rows = connection.execute(_NAMES, (*last, PAGE)).fetchall()
            seen += len(rows)
            last = (str(rows[-1][1]), str(rows[-1][0])) if len(rows) == PAGE else ("", "")
        seconds = time.perf_counter() - started
    check(seen > 0, "the floor found no page")
    return {"floor, names": pages / seconds}


def with_names(data: Path, pages: int, rows: int, _: Path) -> Readings:
    """Return the pages in the order of the names that a reading node answers a second."""

    async def run() -> float:
        async with indexed.open(f"sqlite:///{data}", views=f"sqlite:///{data}/indexed", roles=READ) as node:
            return await by_name(pages, rows, node)

    return {"names": asyncio.run(run())}


async def by_name(pages: int, rows: int, node: Node) -> float:
    """Return the pages a second in the order of the names, each beginning where the one before ended."""
    cursor: str | None = None
    walk: list[tuple[str, UUID]] = []
    started = time.perf_counter()
    for _ in range(pages):
        found = await node.ask(PageByName(PAGE, cursor))
        walk.extend((profile.name, profile.user_id) for profile in found)
        cursor = found.next
    seconds = time.perf_counter() - started
    first = walk[:rows]
    check(first == sorted(set(first)) and len(first) == min(rows, pages * PAGE), "the pages do not follow each other")
    return pages / seconds


async def project_names(data: Path) -> None:
    """Make the read model that has an index, in a folder of its own."""
    async with indexed.open(f"sqlite:///{data}", views=f"sqlite:///{data}/indexed", roles=("read", "project")) as node:
        await node.caught_up(timeout=600)


def with_node(name: str, data: Path, measured: Measure, _: Path) -> Readings:
    """Return what a reading node measures."""

    async def run() -> float:
        async with app.open(f"sqlite:///{data}", roles=READ) as node:
            return await measured(node)

    return {name: asyncio.run(run())}


async def by_key(keys: Sequence[UUID], in_flight: int, node: Node) -> float:
    """Return the queries by key a second, so many at a time."""
    waiting = iter(keys)
    answered: list[UUID] = []

    async def asker(left: Iterator[UUID]) -> None:
        for key in left:
            profile = await node.ask(GetProfile(key))
            answered.append(profile.user_id if profile is not None else UUID(int=0))

    started = time.perf_counter()
    if in_flight == 1:
        await asker(waiting)
    else:
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(asker(waiting))
    seconds = time.perf_counter() - started
    check(sorted(answered) == sorted(keys), "some queries by key were not answered with their own row")
    return len(keys) / seconds


async def by_page(pages: int, rows: int, node: Node) -> float:
    """Return the pages a second, each beginning where the one before ended."""
    cursor: str | None = None
    walk: list[UUID] = []
    started = time.perf_counter()
    for _ in range(pages):
        found = await node.ask(ProfilePage(PAGE, cursor))
        walk.extend(profile.user_id for profile in found)
        cursor = found.next
    seconds = time.perf_counter() - started
    first = walk[:rows]
    check(first == sorted(set(first)) and len(first) == min(rows, pages * PAGE), "the pages do not follow each other")
    return pages / seconds


def measure(run: Run) -> Sequence[Row]:
    """Measure queries by key, one after another and many in flight, and pages."""
    sizes = run.sizes
    ids = users(sizes.rows)
    keys = random.Random(50).choices(ids, k=sizes.asks)
    with run.new_folder() as data:
        fill(data, ids, sizes.rows * 2)
        project(data)
        asyncio.run(project_names(data))
        series = run.interleave(
            partial(bare_keys, data, keys),
            partial(with_node, "key", data, partial(by_key, keys, 1)),
            partial(with_node, "key, in flight", data, partial(by_key, keys, sizes.in_flight)),
            partial(bare_pages, data, sizes.pages),
            partial(with_node, "page", data, partial(by_page, sizes.pages, sizes.rows)),
            partial(bare_names, data, sizes.pages),
            partial(with_names, data, sizes.pages, sizes.rows),
        )
    keyed = f"{sizes.asks:,} queries for random ones of {sizes.rows:,} rows"
    bare = "SELECT by key through apsw, rows as tuples"
    return [
        row(
            "ask by key", f"{keyed}, one after another", "/s",
            series["key"], floor=series["floor, key"], floor_measured=bare, target=Target(at_least=20_000),
        ),
        row(
            "ask by key, in flight", f"{keyed}, {sizes.in_flight} in flight", "/s",
            series["key, in flight"], floor=series["floor, key"], floor_measured=bare, target=Target(at_least=20_000),
        ),
        row(
            f"ask for a page of {PAGE}", f"{sizes.pages:,} pages by find(order_by=key, limit, after=cursor)", "/s",
            series["page"], floor=series["floor, page"], floor_measured="SELECT … WHERE key > ? LIMIT through apsw",
        ),
        row(
            f"ask for a page of {PAGE} by an index",
            f"{sizes.pages:,} pages by find(order_by=name, limit, after=cursor)", "/s",
            series["names"], floor=series["floor, names"], target=Target(at_least=3_000),
            floor_measured="SELECT … WHERE (name, key) > (?, ?) LIMIT through apsw",
        ),
    ]  # fmt: skip
