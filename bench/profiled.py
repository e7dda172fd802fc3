"""The works that can be profiled: each prepares, does its hottest part while it is watched, and checks the result."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, TypeAlias
from uuid import UUID

from examples.profiles.app import GetProfile, UpdateProfile

from bench.application import ProfilePage, app
from bench.ask import PAGE
from bench.commands import WRITE
from bench.filled import append_all
from bench.http_load import requests
from bench.result import check
from bench.rounds import Run
from bench.workload import closed_loop, registrations, updates, users
from twofold import Node
from twofold.http import asgi

Watch: TypeAlias = Callable[[], AbstractContextManager[None]]
_IN_FLIGHT = 64


async def commands(boundaries: int, url: str, run: Run, watch: Watch) -> int:
    """Send commands, 64 in flight."""
    return await _sent(url, min(boundaries, run.sizes.users), run.sizes.commands, _IN_FLIGHT, watch)


async def one_at_a_time(url: str, run: Run, watch: Watch) -> int:
    """Send commands, each after the receipt before it."""
    return await _sent(url, run.sizes.users, run.sizes.commands // 4, 1, watch)


async def _sent(url: str, boundaries: int, count: int, in_flight: int, watch: Watch) -> int:
    ids = users(boundaries)
    async with app.open(url, roles=WRITE) as node:
        await closed_loop(node, registrations(ids), _IN_FLIGHT)
        sent = list(updates(ids, count))
        with watch():
            receipts = await closed_loop(node, sent, in_flight)
        reached = {receipt.position for receipt in receipts}
        check(len(reached) == count == await node.history.head() - boundaries, "events are missing")
    return count


async def catch_up(url: str, run: Run, watch: Watch) -> int:
    """Fill a read model from a history; opening is watched too."""
    sizes = run.sizes
    await _filled(url, users(sizes.few_keys), sizes.events)
    with watch():
        node = app.open(url, roles=("read", "project"))
        await node.__aenter__()
        await node.caught_up(timeout=600)
    (status,) = await node.models()
    await node.close()
    check(status.checkpoint == sizes.events and status.rows == sizes.few_keys, f"rows are missing: {status}")
    return sizes.events


async def ask(url: str, run: Run, watch: Watch) -> int:
    """Ask by key, one after another."""
    sizes = run.sizes
    ids = users(sizes.rows)
    keys = random.Random(50).choices(ids, k=sizes.asks)
    await _filled(url, ids, sizes.rows)
    async with await _projected(url) as node:
        with watch():
            found = [await node.ask(GetProfile(key)) for key in keys]
    check([profile and profile.user_id for profile in found] == keys, "a query by key found another row, or none")
    return len(keys)


async def page(url: str, run: Run, watch: Watch) -> int:
    """Ask for pages of 50, each beginning where the one before ended."""
    sizes = run.sizes
    await _filled(url, users(sizes.rows), sizes.rows)
    rows = 0
    async with await _projected(url) as node:
        with watch():
            cursor: str | None = None
            for _ in range(sizes.pages):
                found = await node.ask(ProfilePage(PAGE, cursor))
                cursor, rows = found.next, rows + len(found)
    check(rows > 0, "the pages are empty")
    return sizes.pages


async def freshness(url: str, run: Run, watch: Watch) -> int:
    """Send, then ask for what was sent, one after another."""
    sizes = run.sizes
    (user,) = users(1)
    async with app.open(url) as node:
        await closed_loop(node, registrations([user]), 1)
        await node.caught_up()
        with watch():
            for number in range(sizes.probes):
                receipt = await node.send(UpdateProfile(user, f"Probe {number}"))
                profile = await node.ask(GetProfile(user), after=receipt)
                check(profile is not None and profile.name == f"Probe {number}", "an older row was seen")
    return sizes.probes


async def http_commands(url: str, run: Run, watch: Watch) -> int:
    """Give commands to the ASGI application, one after another, without a server."""
    return await _over_http(url, "UpdateProfile", run, watch)


async def http_queries(url: str, run: Run, watch: Watch) -> int:
    """Give queries to the ASGI application, one after another, without a server."""
    return await _over_http(url, "GetProfile", run, watch)


async def _over_http(url: str, work: str, run: Run, watch: Watch) -> int:
    sizes = run.sizes
    ids = users(sizes.users)
    count = sizes.commands // 4
    async with app.open(url) as node:
        await closed_loop(node, registrations(ids), _IN_FLIGHT)
        await node.caught_up()
        service = asgi(app, node=node)
        calls = [_call(request) for request in requests(work, [str(user) for user in ids], count)]
        statuses: list[int] = []
        with watch():
            for scope, body in calls:
                await service(scope, *_ends(body, statuses))
    check(statuses == [200] * count, f"expected {count} answers of 200, found others")
    return count


def _call(request: bytes) -> tuple[dict[str, Any], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *fields = head.split(b"\r\n")
    method, target, _ = first.decode().split(" ")
    path, _, query = target.partition("?")
    headers = [tuple(part.strip() for part in field.lower().split(b":", 1)) for field in fields if field]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": query.encode(), "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    return scope, body


def _ends(body: bytes, statuses: list[int]) -> tuple[Any, Any]:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    return receive, send


async def _filled(url: str, ids: list[UUID], events: int) -> None:
    def sent() -> Iterator[Any]:
        yield from registrations(ids)
        yield from updates(ids, events - len(ids))

    async with app.open(url, roles=WRITE) as node:
        await append_all(node.history, sent())


async def _projected(url: str) -> Node:
    async with app.open(url, roles=("read", "project")) as node:
        await node.caught_up(timeout=600)
    return app.open(url, roles=("read",))
