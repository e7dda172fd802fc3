"""Queries wait for longer than usual: a machine that stands still for some seconds is no failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from twofold import Node, Session

PATIENCE = 60.0
ASKING: tuple[Callable[..., Any], ...] = (
    Node.ask, Node.answer, Node.watch, Session.ask, Session.answer, Session.watch,
)  # fmt: skip


@pytest.fixture(autouse=True)
def patient() -> Iterator[None]:
    """Where a test gives a query no time of its own, it has a minute to be fresh enough."""
    with pytest.MonkeyPatch.context() as patch:
        for ask in ASKING:
            given = ask.__kwdefaults__
            assert given is not None
            assert "timeout" in given
            patch.setitem(given, "timeout", PATIENCE)
        yield
