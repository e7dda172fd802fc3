"""A `Select` of SQLAlchemy is what its text would be, with its values bound."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from twofold.errors import InvalidFilter
from twofold.read.store import ViewStore
from twofold.read.view import View
from twofold.testing.contracts.rows import NOTES, everything, prepared, put
from twofold.testing.contracts.view_suite import ViewSuite
from twofold.testing.contracts.views_reading import ROWS

Made = Callable[[Any, Any], Any]

SELECTS: dict[str, tuple[Made, str]] = {
    "all": (lambda sa, t: sa.select(t).order_by(t.c.name), "abcdefg"),
    "a number": (lambda sa, t: sa.select(t).where(t.c.number > 2).order_by(t.c.name), "acf"),
    "a decimal by value": (
        lambda sa, t: sa.select(t).where(t.c.amount >= Decimal("9.50")).order_by(t.c.amount.desc(), t.c.name),
        "gaeb",
    ),
    "an order of decimals": (
        lambda sa, t: sa.select(t).where(t.c.amount.is_not(None)).order_by(t.c.amount, t.c.name),
        "cfbaeg",
    ),
    "one of several": (lambda sa, t: sa.select(t).where(t.c.name.in_(["b", "a", "x"])).order_by(t.c.name.desc()), "ba"),
    "one of none": (lambda sa, t: sa.select(t).where(t.c.name.in_([])), ""),
    "a page": (lambda sa, t: sa.select(t).order_by(t.c.name).limit(2).offset(3), "de"),
    "a boolean": (lambda sa, t: sa.select(t).where(t.c.done).order_by(t.c.name), "ad"),
    "either": (lambda sa, t: sa.select(t).where(sa.or_(t.c.rank.is_(None), t.c.text == "a")).order_by(t.c.name), "ade"),
    "text that looks like SQL": (lambda sa, t: sa.select(t).where(t.c.name == "'; drop table note; --"), ""),
    "text that looks like a parameter": (lambda sa, t: sa.select(t).where(t.c.name == ":name"), ""),
    "a function": (lambda sa, t: sa.select(t).where(sa.func.lower(t.c.text) == "b").order_by(t.c.name), "ab"),
}
REFUSED: dict[str, Made] = {
    "some columns": lambda sa, t: sa.select(t.c.name),
    "another table": lambda sa, t: sa.select(t).where(t.c.name == sa.table("other", sa.column("name")).c.name),
    "the table under another name": lambda sa, t: sa.select(t.alias()),
    "a CTE": lambda sa, t: sa.select(t).where(t.c.name.in_(sa.select(sa.select(t.c.name).cte().c.name))),
    "a DISTINCT": lambda sa, t: sa.select(t).distinct(),
    "an INSERT": lambda sa, t: t.insert().values(name="z"),
    "a DELETE": lambda sa, t: t.delete(),
    "text of SQLAlchemy": lambda sa, t: sa.text("delete from note"),
    "no statement": lambda sa, t: 7,
    "a parameter without a value": lambda sa, t: sa.select(t).where(t.c.name == sa.bindparam("missing")),
    "text that writes": lambda sa, t: sa.select(t).where(sa.text("1 = 1; delete from note")),
    "a value that no column holds": lambda sa, t: sa.select(t).where(t.c.number == 2**63),
}


class ViewSelects(ViewSuite):
    """Selects find what they say; they need the extra `sql`."""

    @pytest.mark.usefixtures("takes_sql")
    async def test_a_select_finds(self, store: ViewStore) -> None:
        sa = pytest.importorskip("sqlalchemy")
        await prepared(store, NOTES)
        await put(store, NOTES, *ROWS)
        view: View[Any] = View(store, NOTES)
        for case, (made, names) in SELECTS.items():
            assert "".join(note.name for note in await view.sql(made(sa, view.table))) == names, case
        chosen = sa.select(view.table).where(view.table.c.name == sa.bindparam("name"))
        assert await view.sql(chosen, name="c") == [ROWS[2]]

    @pytest.mark.usefixtures("takes_sql")
    @pytest.mark.parametrize("made", REFUSED.values(), ids=REFUSED.keys())
    async def test_a_select_is_refused_with(self, store: ViewStore, made: Made) -> None:
        sa = pytest.importorskip("sqlalchemy")
        await prepared(store, NOTES)
        await put(store, NOTES, *ROWS)
        view: View[Any] = View(store, NOTES)
        with pytest.raises(InvalidFilter):
            await view.sql(made(sa, view.table))
        assert await everything(store, NOTES) == ROWS
