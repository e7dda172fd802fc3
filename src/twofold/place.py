"""Where a function or class is declared: errors of declarations name it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def where_is(thing: Callable[..., Any] | type) -> str:
    """Return `file:line` of a function or class, as far as Python knows it."""
    code = getattr(inspect.unwrap(thing), "__code__", None)
    if code is not None:
        return f"{code.co_filename}:{code.co_firstlineno}"
    try:
        return f"{inspect.getsourcefile(thing)}:{inspect.getsourcelines(thing)[1]}"
    except (OSError, TypeError):
        return str(getattr(thing, "__module__", "unknown"))
