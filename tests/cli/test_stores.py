"""`--views` and `TWOFOLD_VIEWS`: read models in several stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ended

Run = Callable[..., Ended]
STOCKS = "tests.read.stocks:app"
ANALYTICS = ("--views", "analytics=sqlite:///my analytics")


def test_each_store_has_its_url(cli: Run, folder: Path) -> None:
    assert cli("send", STOCKS, "Sell", "item=tea", "count=3").status == 0
    assert cli("ask", STOCKS, "GetBoth", "item=tea", "--views", "sqlite:///views", *ANALYTICS).json == [3, 1]
    assert {path.parent.name for path in folder.rglob("views.db")} == {"views", "my analytics"}
    found = cli("models", STOCKS, "--views", "sqlite:///views", *ANALYTICS).json
    assert [(each["name"], each["store"]) for each in found] == [("Item", ""), ("Takings", "analytics")]
    assert [each["rows"] for each in found] == [1, 1]


def test_the_environment_may_say_where_they_are(cli: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("send", STOCKS, "Sell", "item=tea")
    monkeypatch.setenv("TWOFOLD_VIEWS", "sqlite:///the views analytics=sqlite:///my analytics")
    assert cli("ask", STOCKS, "GetBoth", "item=tea").json == [1, 1]
    assert {path.parent.name for path in folder.rglob("views.db")} == {"the views", "my analytics"}


def test_models_tells_of_stores_that_were_made_and_of_those_that_were_not(cli: Run, people: Run, folder: Path) -> None:
    cli("send", STOCKS, "Sell", "item=tea")
    cli("ask", STOCKS, "GetItem", "item=tea", "--views", "analytics=memory:")
    found = cli("models", STOCKS, *ANALYTICS).json
    assert [(each["name"], each["live"], each["lag"]) for each in found] == [("Item", True, 0), ("Takings", False, 1)]
    assert not (folder / "my analytics").exists()
    assert "analytics" in people("models", STOCKS, *ANALYTICS).out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "give it one: views={\"analytics\": \"URL\"}, or --views analytics=URL"),
        (("--views", "analitics=memory:", *ANALYTICS), "which no read model names (they name: analytics)"),
        ((*ANALYTICS, *ANALYTICS), "--views is given twice for store 'analytics'"),
        (("--views", "memory:", "--views", "memory:", *ANALYTICS), "--views is given twice for all other read models"),
        (("--views", "analytics="), "'' is no storage address"),
    ],
)  # fmt: skip
def test_what_is_missing_or_too_much_is_told(cli: Run, words: tuple[str, ...], told: str) -> None:
    cli("send", STOCKS, "Sell", "item=tea")
    for command in (["models", STOCKS], ["ask", STOCKS, "GetBoth", "item=tea"], ["run", STOCKS, "--port", "0"]):
        ended = cli(*command, *words)
        assert (ended.status, told in ended.err) in ((2, True), (3, True)), ended.err
