"""Values by name in SQL text: `:least` becomes `$least`, as DuckDB has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PARTS = re.compile(
    r"""
      [eE]'(?:[^'\\]|\\.|'')*'          # a string with escapes
    | '(?:[^']|'')*'                    # a string
    | "(?:[^"]|"")*"                    # a quoted name
    | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$   # a dollar-quoted string
    | --[^\n]*                          # comments
    | /\*.*?\*/
    | ::                                # a cast
    | :(?P<name>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)


def with_values(text: str, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the text as DuckDB takes it, with the values that it names, and no others.

    Raises:
        KeyError: no value has one of the names.
    """
    used: dict[str, Any] = {}

    def replace(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            return found[0]
        used[name] = values[name]
        return f"${name}"

    return _PARTS.sub(replace, text), used
