"""Values by name in SQL text: `:least` becomes `$least`, as DuckDB has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twofold.statements import with_names


def with_values(text: str, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the text as DuckDB takes it, with the values that it names, and no others.

    Raises:
        KeyError: no value has one of the names.
    """
    used: dict[str, Any] = {}

    def take(name: str) -> str:
        used[name] = values[name]
        return f"${name}"

    return with_names(text, take), used
