"""Which handlers' answers may be kept: those whose code reaches nothing but the query, its views, and what stays."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import uuid4

import pytest
from msgspec import Struct

from tests.read.test_freshness import Bell
from twofold import Found, Query, Rejected, View
from twofold.clock import now
from twofold.read.purity import rests_on_views_alone

LIMIT = 10
WORDS = ("a", frozenset("b"), re.compile("c"))
SEEN: list[str] = []
LOG = logging.getLogger("bells")
calls = 0


class Loudness(Enum):
    QUIET = 1
    LOUD = 2


class Shown(Struct):
    bell: str
    rings: int

    @property
    def loudness(self) -> Loudness:
        return Loudness.LOUD if self.rings > LIMIT else Loudness.QUIET


class Aged(Bell, key="bell"):
    def is_old(self) -> bool:
        return self.rings < time.monotonic()


class Ask(Query[Any]):
    bell: str = ""

    def month(self) -> date:
        return date(2026, 11, 1) + timedelta(days=30)


class Late(Query[Any]):
    until: date | None = None

    def moment(self) -> date:
        return self.until or date.today()


def shown(bell: Bell) -> Shown:
    return Shown(bell.bell, bell.rings)


def ticking() -> float:
    return math.sqrt(deep())


def deep() -> float:
    return time.time()


async def finds(query: Ask, view: View[Bell]) -> list[Shown]:
    found = await view.find(limit=LIMIT, order_by="bell")
    return sorted((shown(bell) for bell in found if bell.bell not in WORDS), key=lambda each: each.rings)


async def counts(query: Ask, view: View[Bell]) -> Counter[str]:
    if query.month() > date(2026, 1, 1) and math.isfinite(1.0):
        raise Rejected("closed", f"the {query.bell} is closed", today=Loudness["LOUD"].value)
    return Counter({bell.bell: bell.rings for bell in await view.find()})


async def changes_what_it_found(query: Ask, view: View[Bell]) -> Found[Bell]:
    found = await view.find()
    for bell in found:
        bell.rings = bell.rings * 2
    return found


def closing(limit: Any) -> Callable[..., Any]:
    async def handler(query: Ask, view: View[Bell]) -> Any:
        return await view.find(limit=limit)

    return handler


async def takes_the_time(query: Ask, view: View[Bell]) -> Any:
    return time.time()


async def takes_the_day(query: Ask, view: View[Bell]) -> Any:
    return datetime.now()


async def takes_the_time_of_a_function(query: Ask, view: View[Bell]) -> Any:
    return now()


async def takes_the_time_far_away(query: Ask, view: View[Bell]) -> Any:
    return [ticking() for _ in await view.find()]


async def takes_chances(query: Ask, view: View[Bell]) -> Any:
    return random.random()


async def makes_an_id(query: Ask, view: View[Bell]) -> Any:
    return uuid4()


async def remembers(query: Ask, view: View[Bell]) -> Any:
    SEEN.append(query.bell)


async def counts_itself(query: Ask, view: View[Bell]) -> Any:
    global calls
    calls += 1


async def writes_a_line(query: Ask, view: View[Bell]) -> Any:
    LOG.info("asked")


async def reads_a_file(query: Ask, view: View[Bell]) -> Any:
    return open("bells").read()


async def waits(query: Ask, view: View[Bell]) -> Any:
    await asyncio.sleep(0)


async def imports(query: Ask, view: View[Bell]) -> Any:
    import os

    return os.environ


async def gets_by_name(query: Ask, view: View[Bell]) -> Any:
    return getattr(datetime, "n" + "ow")()


async def takes_a_default(query: Ask, view: View[Bell], cache: Any = SEEN) -> Any:
    return cache


@pytest.mark.parametrize("handler", [finds, counts, changes_what_it_found, closing(3), closing(Loudness.LOUD)])
def test_a_handler_that_reaches_only_what_stays_may_be_kept(handler: Callable[..., Any]) -> None:
    assert rests_on_views_alone(handler, (Ask, Bell))


@pytest.mark.parametrize(
    "handler",
    [
        takes_the_time, takes_the_day, takes_the_time_of_a_function, takes_the_time_far_away, takes_chances,
        makes_an_id, remembers, counts_itself, writes_a_line, reads_a_file, waits, imports, gets_by_name,
        takes_a_default, closing(SEEN), closing(lambda: time.time()), closing(Bell("a")), print,
    ],
)  # fmt: skip
def test_a_handler_that_reaches_what_changes_may_not(handler: Callable[..., Any]) -> None:
    assert not rests_on_views_alone(handler, (Ask, Bell))


@pytest.mark.parametrize("kinds", [(Ask, Aged), (Late, Bell)])
def test_methods_of_what_a_handler_is_given_count(kinds: tuple[type, ...]) -> None:
    assert not rests_on_views_alone(finds, kinds)
