"""Where queries see later what was stored, as on a replica, nothing is promised that they do not see yet."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import pytest

from tests.faults.virtual import run_virtually
from tests.read.test_freshness import Ring
from tests.read.test_rewritten import Chimes, app
from twofold.engines.memory import MemoryViews
from twofold.errors import NotFresh
from twofold.read.store import Page, Standing
from twofold.read.table import Row, Table


class Behind(MemoryViews):
    """Answers queries from what there was when it was last followed."""

    def __init__(self) -> None:
        super().__init__()
        self.replica = MemoryViews()

    def follow(self) -> None:
        self.replica._tables = copy.deepcopy(self._tables)

    def lags(self, table: Table[Any]) -> bool:
        return True

    async def standings(self, table: Table[Any]) -> Sequence[Standing]:
        return await self.replica.standings(table)

    async def standing(self, table: Table[Any], segment: int = 0) -> Standing | None:
        found = await super().standings(table)
        return found[segment] if found else None

    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        return await self.replica.find(table, page)


class SaysItIsNot(Behind):
    """A planted mistake: it does not say that it is behind."""

    def lags(self, table: Table[Any]) -> bool:
        return False


async def behind(views: Behind) -> None:
    node = app.open("memory:")
    node._parts.open_views = lambda: views
    async with node:
        await views.changed(0)
        views.follow()
        async with aclosing(node.watch(Chimes())) as answers:
            assert await anext(answers) == {}
            receipt = await node.send(Ring("a"))
            with pytest.raises(NotFresh):
                await node.ask(Chimes(), after=receipt, timeout=5)
            assert [(await node.answer(Chimes())).position for _ in range(4)] == [0] * 4
            views.follow()
            assert await node.ask(Chimes(), after=receipt, timeout=5) == {"a": 1}
            assert (await node.answer(Chimes())).position == 1
            assert await anext(answers) == {"a": 1}


def test_nothing_is_promised_that_queries_do_not_see() -> None:
    run_virtually(behind(Behind()))


def test_control_who_projects_and_does_not_know_that_queries_are_behind_promises_too_much() -> None:
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        run_virtually(behind(SaysItIsNot()))
