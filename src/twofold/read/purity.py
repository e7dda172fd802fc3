"""Whether a query handler's answer rests on the query and its views alone, as far as its code shows.

Only such answers may be kept. What cannot be seen to be harmless is taken for something that changes: a clock, a random
source, a module, an object that others may change.
"""

from __future__ import annotations

import builtins
import dis
import re
import types
from collections.abc import Callable, Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, get_args, get_origin
from uuid import UUID

import msgspec

_CONSTANTS = (bool, int, float, complex, str, bytes, type(None), UUID, Decimal, date, time, timedelta, Enum, re.Pattern)
_STEADY = frozenset(
    ("builtins", "collections", "datetime", "decimal", "enum", "fractions", "functools", "itertools", "math", "msgspec",
     "operator", "re", "statistics", "string", "textwrap", "twofold", "typing", "unicodedata", "uuid")
)  # fmt: skip
_CHANGING = frozenset(
    ("open", "input", "eval", "exec", "compile", "globals", "locals", "vars", "id", "hash", "__import__", "print",
     "getattr", "setattr", "delattr")
)  # fmt: skip
_CLOCKS = frozenset(("now", "utcnow", "today", "uuid1", "uuid4", "getnode"))
_WRITES = frozenset(("STORE_GLOBAL", "DELETE_GLOBAL", "IMPORT_NAME"))
# They are run when events are projected, not when a query is answered.
_FOLDS = frozenset(("evolve", "keys"))
_MOST = 500


def rests_on_views_alone(function: Callable[..., Any], kinds: tuple[type, ...]) -> bool:
    """Tell whether a handler's code reaches nothing that changes by itself.

    Args:
        function: the handler.
        kinds: classes of what it is given, whose methods it may call.
    """
    left: list[Any] = [function, *kinds]
    seen: set[int] = set()
    while left:
        thing = left.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        reached = _reached(thing)
        if reached is None or len(seen) > _MOST:
            return False
        left.extend(reached)
    return True


def _reached(thing: Any) -> list[Any] | None:
    """Return what a thing leads to, None where it may change."""
    if isinstance(thing, _CONSTANTS):
        return []
    if isinstance(thing, tuple | frozenset):
        return list(thing)
    if isinstance(thing, types.FunctionType):
        return [] if _is_steady(thing) else _reached_by(thing)
    if isinstance(thing, type):
        return [] if _is_steady(thing) else _parts_of(thing)
    if get_origin(thing) is not None:
        return [get_origin(thing), *get_args(thing)]
    # A module's own names are seen where they are used.
    is_known = isinstance(thing, types.ModuleType | types.BuiltinFunctionType) and _is_steady(thing)
    return [] if is_known else None


def _is_steady(thing: Any) -> bool:
    home = thing.__name__ if isinstance(thing, types.ModuleType) else getattr(thing, "__module__", "") or ""
    return home.partition(".")[0] in _STEADY and getattr(thing, "__name__", "") not in _CHANGING | _CLOCKS


def _parts_of(kind: type) -> list[Any] | None:
    parts: list[Any] = []
    for base in kind.__mro__:
        if not _is_steady(base):
            own = (member for name, member in vars(base).items() if name not in _FOLDS)
            members = (each.fget if isinstance(each, property) else each for each in own)
            parts.extend(each for each in members if isinstance(each, types.FunctionType))
    if issubclass(kind, msgspec.Struct):
        parts.extend(part for field in msgspec.structs.fields(kind) for part in _classes_in(field.type))
        return parts
    return parts if issubclass(kind, Enum | Exception) else None


def _classes_in(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for part in get_args(annotation):
        yield from _classes_in(part)


def _reached_by(function: types.FunctionType) -> list[Any] | None:
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    found: list[Any] = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for code in _codes(function.__code__):
        for step in dis.get_instructions(code):
            if step.opname in _WRITES or (step.opname in ("LOAD_ATTR", "LOAD_METHOD") and step.argval in _CLOCKS):
                return None
            if step.opname == "STORE_DEREF" and step.argval in cells:
                return None
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                if step.argval not in function.__globals__ and not hasattr(builtins, step.argval):
                    return None
                found.append(function.__globals__.get(step.argval, getattr(builtins, step.argval, None)))
    try:
        return [*found, *(cell.cell_contents for cell in cells.values())]
    except ValueError:
        return None


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)
