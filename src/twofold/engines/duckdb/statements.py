"""The engine's SQL, read once from the `.sql` files beside this module."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def statement(name: str) -> str:
    """Return the text of `sql/NAME.sql` without its leading comment lines."""
    text = resources.files("twofold.engines.duckdb").joinpath("sql", f"{name}.sql").read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip()
