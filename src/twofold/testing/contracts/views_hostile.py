"""Whatever comes from outside, in filters, orders, searches and cursors, is a value or is refused (fault A6)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twofold.errors import InvalidCursor, InvalidFilter
from twofold.read.range import Range
from twofold.read.store import ViewStore
from twofold.read.view import View
from twofold.testing.contracts.engine import ViewEngine
from twofold.testing.contracts.rows import everything, prepared, put
from twofold.testing.contracts.view_suite import ViewSuite
from twofold.testing.contracts.views_search import LETTERS, ROWS

_SCRAPS = [
    "'", '"', "`", ";", "--", "/*", "*/", "(", ")", "%", "_", "\\", "\0", "\n", "$1", "$$", "?", ":x", "::text", "||",
    "=", " or 1=1", " union select ", "drop table letter", "null", "name", "-name", "number", "letter", "NEAR", "*",
    "\ud800",
]  # fmt: skip
_texts = st.lists(st.sampled_from(_SCRAPS) | st.text(max_size=2), max_size=5).map("".join)
_values = _texts | st.integers() | st.none() | st.floats() | st.binary(max_size=3) | st.lists(_texts, max_size=2)
_PARAMETERS = frozenset(("order_by", "limit", "after", "self", "text"))


def _forged(content: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(content)).decode().rstrip("=")


def _is_json(value: Any) -> bool:
    try:
        return bool(msgspec.json.encode(value))
    except UnicodeEncodeError:
        return False


_cursors = _texts | st.lists(_values.filter(_is_json), max_size=3).map(
    lambda values: _forged(([("number", False), ("name", False)], values))
)


async def _asked(found: Awaitable[list[Any]]) -> list[Any] | None:
    """Return what is found, or None where it is refused; any other error is one of the test."""
    try:
        return list(await found)
    except (InvalidFilter, InvalidCursor):
        return None


async def _try(store: ViewStore, text: str, value: Any, cursor: str) -> None:
    view = View(store, LETTERS)
    for field in ("name", "title", "text", "number"):
        found = await _asked(view.find(**{field: value}))
        assert found in (None, [row for row in ROWS if getattr(row, field) == value])
        spans: dict[str, Any] = {field: Range(at_least=value)}
        assert await _asked(view.find(**spans)) is None or value is not None
    for order in (text, f"-{text}", ["number", text]):
        found = await _asked(view.find(order_by=order))
        assert found is None or sorted(row.name for row in found) == [row.name for row in ROWS]
    assert (
        text in _PARAMETERS
        or await _asked(view.find(**{text: value})) is None
        or text in LETTERS.model.__struct_fields__
    )
    assert await _asked(view.search(text)) is not None
    await _asked(view.find(order_by="number", limit=2, after=cursor))
    found = await _asked(view.sql("where name = :name", name=text))
    assert found in (None, [row for row in ROWS if row.name == text])


class ViewHostility(ViewSuite):
    """Nothing that is given to a view reaches the database as a part of a statement.

    Attributes:
        hostile_at_random: how many examples; a longer run overrides it.
    """

    hostile_at_random = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])

    @pytest.mark.usefixtures("finds", "searches", "takes_sql")
    def test_what_comes_from_outside_is_a_value_or_is_refused(self, engine: ViewEngine) -> None:
        @self.hostile_at_random
        @given(cases=st.lists(st.tuples(_texts, _values, _cursors), min_size=3, max_size=6))
        def check(cases: list[tuple[str, Any, str]]) -> None:
            async def run() -> None:
                async with engine.opened(engine.place()) as store:
                    await prepared(store, LETTERS)
                    await put(store, LETTERS, *ROWS)
                    for text, value, cursor in cases:
                        await _try(store, text, value, cursor)
                    assert await everything(store, LETTERS) == ROWS
                    assert await store.checkpoint(LETTERS) == 1

            asyncio.run(run())

        check()
