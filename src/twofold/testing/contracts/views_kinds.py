"""A value of any kind comes back as it was stored, is found by equality, and orders rows."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twofold.read.view import View
from twofold.testing.contracts.engine import ViewEngine
from twofold.testing.contracts.kinds import EVERY_KIND, INSTANCES, EveryKind
from twofold.testing.contracts.rows import everything, prepared, put
from twofold.testing.contracts.view_suite import ViewSuite

SOME_INSTANCES = st.lists(INSTANCES, min_size=1, max_size=3, unique_by=lambda each: (each.name, each.place))
_NESTED = frozenset(column.name for column in EVERY_KIND.columns if column.kind == "json")


class ViewKinds(ViewSuite):
    """Columns of every kind, with values at random.

    Attributes:
        kinds_at_random: how many examples; a longer run overrides it.
    """

    kinds_at_random = settings(
        max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
    )

    def test_rows_of_any_kind_come_back(self, engine: ViewEngine) -> None:
        @self.kinds_at_random
        @given(SOME_INSTANCES)
        def check(instances: list[EveryKind]) -> None:
            asyncio.run(_check_rows(engine, instances))

        check()

    @pytest.mark.usefixtures("finds")
    def test_rows_of_any_kind_are_found_by_it(self, engine: ViewEngine) -> None:
        @self.kinds_at_random
        @given(SOME_INSTANCES)
        def check(instances: list[EveryKind]) -> None:
            asyncio.run(_check_finding(engine, instances))

        check()


async def _check_rows(engine: ViewEngine, instances: list[EveryKind]) -> None:
    async with engine.opened(engine.place()) as store:
        view = View(store, EVERY_KIND)
        await prepared(store, EVERY_KIND)
        await put(store, EVERY_KIND, *instances)
        for instance in instances:
            assert await view.get(instance.name, instance.place) == instance
        loaded = await store.load(EVERY_KIND, [EVERY_KIND.key_of((each.name, each.place)) for each in instances])
        assert len(loaded) == len(instances)
        assert sorted(map(repr, await everything(store, EVERY_KIND))) == sorted(map(_as_read, instances))


async def _check_finding(engine: ViewEngine, instances: list[EveryKind]) -> None:
    async with engine.opened(engine.place()) as store:
        view = View(store, EVERY_KIND)
        await prepared(store, EVERY_KIND)
        await put(store, EVERY_KIND, *instances)
        first = instances[0]
        for name in EVERY_KIND.model.__struct_fields__:
            found = await view.find(**{name: getattr(first, name)})
            assert first in found, f"not found by {name}"
            assert await view.count(**{name: getattr(first, name)}) == len(found)
            if name not in _NESTED:
                up = [getattr(each, name) for each in await view.find(order_by=[name, "name", "place"])]
                down = [getattr(each, name) for each in await view.find(order_by=[f"-{name}", "-name", "-place"])]
                assert up == down[::-1]


def _as_read(instance: EveryKind) -> str:
    return repr(EVERY_KIND.instance(EVERY_KIND.row(instance)))
