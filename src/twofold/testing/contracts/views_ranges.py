"""Ranges: rows whose fields lie between bounds, in any order, page by page."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twofold.errors import InvalidFilter
from twofold.read.range import Range
from twofold.read.store import ViewStore
from twofold.read.view import View
from twofold.testing.contracts.engine import ViewEngine
from twofold.testing.contracts.rows import NOTES, Note, prepared, put
from twofold.testing.contracts.view_suite import ViewSuite
from twofold.testing.contracts.views_paging import ANY_NOTES, ANY_ORDER, pages, sorted_as_told
from twofold.testing.contracts.views_reading import ROWS

RANGES: dict[str, tuple[dict[str, Any], str]] = {
    "at least": ({"number": Range(at_least=2)}, "acdfg"),
    "above": ({"number": Range(above=2)}, "acf"),
    "at most": ({"number": Range(at_most=2)}, "bdeg"),
    "below": ({"number": Range(below=2)}, "be"),
    "between, both included": ({"number": Range(at_least=2, at_most=3)}, "acdfg"),
    "between, the upper left out": ({"number": Range(at_least=2, below=3)}, "dg"),
    "empty fields are in no range": ({"rank": Range(at_most=1)}, "cfg"),
    "empty fields are above nothing": ({"rank": Range(above=-5)}, "bcdfg"),
    "decimals by value": ({"amount": Range(above=Decimal("9.50"), at_most=Decimal("1e2"))}, "aeg"),
    "a decimal that is padded otherwise is a bound": ({"amount": Range(at_least=Decimal("9.500"))}, "abeg"),
    "text by code points": ({"text": Range(at_least="a", below="é")}, "ad"),
    "text beyond the first 65,536 characters": ({"text": Range(above="\uffee")}, "f"),
    "booleans": ({"done": Range(above=False)}, "ad"),
    "the key": ({"name": Range(above="c", below="f")}, "de"),
    "with equal fields": ({"number": Range(at_least=2), "done": True}, "ad"),
    "of several fields": ({"number": Range(at_least=2), "rank": Range(at_least=1)}, "cd"),
    "between bounds the wrong way round": ({"number": Range(above=3, below=1)}, ""),
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no bound": ({"number": Range()}, "expected a bound"),
    "a bound of another type": ({"number": Range(at_least="2")}, "number"),
    "a bound that no column holds": ({"number": Range(at_least=2**63)}, "number"),
    "a field that is not there": ({"nosuch": Range(at_least=2)}, "no field 'nosuch'"),
    "a nested value": ({"labels": Range(at_least=["a"])}, "labels, a nested value"),
}


class ViewRanges(ViewSuite):
    """Ranges take the same rows on every engine.

    Attributes:
        ranges_at_random: how many examples; a longer run overrides it.
    """

    ranges_at_random = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

    @pytest.mark.usefixtures("finds")
    @pytest.mark.parametrize(("wanted", "names"), RANGES.values(), ids=RANGES.keys())
    async def test_a_range_takes_rows(self, store: ViewStore, wanted: dict[str, Any], names: str) -> None:
        await prepared(store, NOTES)
        await put(store, NOTES, *ROWS)
        notes = View(store, NOTES)
        assert await notes.find(**wanted) == [row for row in ROWS if row.name in names]
        assert await notes.count(**wanted) == len(names)

    @pytest.mark.usefixtures("finds")
    @pytest.mark.parametrize(("wanted", "problem"), REFUSED.values(), ids=REFUSED.keys())
    async def test_a_range_is_refused_with(self, store: ViewStore, wanted: dict[str, Any], problem: str) -> None:
        await prepared(store, NOTES)
        with pytest.raises(InvalidFilter, match=problem):
            await View(store, NOTES).find(**wanted)

    @pytest.mark.usefixtures("finds")
    def test_pages_of_a_range_are_the_whole(self, engine: ViewEngine) -> None:
        @self.ranges_at_random
        @given(notes=ANY_NOTES, order=ANY_ORDER, size=st.integers(1, 4), bound=st.integers(-1, 1))
        def check(notes: list[Note], order: list[str], size: int, bound: int) -> None:
            async def run() -> None:
                async with engine.opened(engine.place()) as store:
                    await prepared(store, NOTES)
                    await put(store, NOTES, *notes)
                    some = [n for n in notes if n.rank is not None and n.rank >= bound and n.number < 2]
                    wanted = {"rank": Range(at_least=bound), "number": Range(below=2)}
                    assert await pages(store, order, size, wanted) == sorted_as_told(some, order)

            asyncio.run(run())

        check()
