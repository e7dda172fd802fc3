"""What a model is made of, in a few characters: its definition, and the code that folds it.

What was made by another definition or other code is recognised by it, and made anew. Comments, docstrings and layout
do not count.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import inspect
import sys
import textwrap
import types
from collections.abc import Iterable, Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, get_args
from uuid import UUID

import msgspec

_PLAIN = (bool, int, float, str, bytes, type(None), Enum, UUID, Decimal, date, time, timedelta)
_MOST = 1_000


def digest(parts: Iterable[str]) -> str:
    """Return what changes when one of the parts does."""
    return hashlib.sha256("\x1e".join(parts).encode()).hexdigest()[:12]


def schema_of(struct: type[msgspec.Struct]) -> str:
    """Return the fields of a class with their types and plain defaults, as text."""
    try:
        return msgspec.json.encode(msgspec.json.schema(struct), order="deterministic").decode()
    except TypeError:
        # Not every type has a form in JSON.
        return ",".join(f"{field.name}:{field.type}={field.default!r}" for field in msgspec.structs.fields(struct))


def type_text(annotation: Any) -> str:
    """Return what values of a type look like, as text."""
    try:
        return msgspec.json.encode(msgspec.json.schema(annotation), order="deterministic").decode()
    except TypeError:
        # Not every type has a form in JSON.
        return repr(annotation)


def code_of(kind: type, *, but: tuple[type, ...] = ()) -> Iterator[str]:
    """Yield a class's own functions, and those that it inherits from classes other than `but` and their bases."""
    for base, name, function in _functions_of(kind, but):
        if function.__module__ == base.__module__:
            yield f"{name}:{_normal_form(function)}"


def reached_from(kind: type[msgspec.Struct]) -> Iterator[str]:
    """Yield a class's functions, and the application's own functions, classes and constants that they name in turn.

    What lies in other packages is not followed.
    """
    home = kind.__module__
    seen: set[int] = set()
    left: list[tuple[str, Any]] = [("", kind)]
    found: dict[str, str] = {}
    while left and len(found) < _MOST:
        name, thing = left.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        thing = inspect.unwrap(thing) if isinstance(thing, types.FunctionType) else thing
        if isinstance(thing, types.FunctionType) and _is_own(thing.__module__, home):
            found[f"{thing.__module__}.{thing.__qualname__}"] = _normal_form(thing)
            left.extend(_named_in(thing, home))
        elif isinstance(thing, type) and _is_own(thing.__module__, home):
            found[f"{thing.__module__}.{thing.__qualname__}"] = _definition_of(thing)
            left.extend(("", part) for part in _parts_of(thing))
        elif not callable(thing):
            found[name] = _constant(thing)
    return iter([f"{label}={text}" for label, text in sorted(found.items())])


def _functions_of(kind: type, but: tuple[type, ...]) -> Iterator[tuple[type, str, types.FunctionType]]:
    for base in kind.__mro__:
        if base in but:
            return
        for name, member in sorted(vars(base).items()):
            function = member.__func__ if isinstance(member, staticmethod | classmethod) else member
            function = function.fget if isinstance(function, property) else function
            if isinstance(function, types.FunctionType):
                yield base, name, function


def _normal_form(function: types.FunctionType) -> str:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        code = function.__code__
        return f"{code.co_code.hex()}{code.co_names}{[c for c in code.co_consts if not isinstance(c, types.CodeType)]}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            documented = ast.get_docstring(node) is not None
            node.body = node.body[1:] if documented and len(node.body) > 1 else node.body
    return ast.unparse(tree)


def _named_in(function: types.FunctionType, home: str) -> Iterator[tuple[str, Any]]:
    names = sorted(set(_names_in(function.__code__)))
    for name in names:
        thing = function.__globals__.get(name, function)
        if isinstance(thing, types.ModuleType):
            if _is_own(thing.__name__, home):
                yield from (
                    (f"{thing.__name__}.{each}", getattr(thing, each)) for each in names if hasattr(thing, each)
                )
        elif thing is not function:
            yield f"{function.__module__}.{name}", thing
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):
            yield f"{function.__module__}.{function.__qualname__}.{name}", cell.cell_contents


def _names_in(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)


def _is_own(module: str, home: str) -> bool:
    top = module.partition(".")[0]
    if top == home.partition(".")[0]:
        return True
    file = getattr(sys.modules.get(module), "__file__", None) or "site-packages"
    return top not in sys.stdlib_module_names and top != "twofold" and "site-packages" not in file


def _definition_of(kind: type) -> str:
    if issubclass(kind, msgspec.Struct):
        return schema_of(kind)
    return _constant({name: member for name, member in vars(kind).items() if isinstance(member, _PLAIN)})


def _parts_of(kind: type) -> Iterator[Any]:
    """Yield a class's functions, and the classes and functions that its fields name."""
    yield from (function for _, _, function in _functions_of(kind, ()))
    if issubclass(kind, msgspec.Struct):
        for field in msgspec.structs.fields(kind):
            yield field.default_factory
            yield from _types_in(field.type)


def _types_in(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for part in get_args(annotation):
        yield from _types_in(part)


def _constant(value: Any) -> str:
    """Return a constant as text; what is not plain in it is left out, because its text may be another every time."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, msgspec.Struct):
        return f"{type(value).__qualname__}{_constant(msgspec.structs.astuple(value))}"
    if isinstance(value, dict):
        return f"{{{','.join(f'{_constant(key)}:{_constant(part)}' for key, part in value.items())}}}"
    if isinstance(value, set | frozenset):
        return f"{{{','.join(sorted(map(_constant, value)))}}}"
    return f"({','.join(map(_constant, value))})" if isinstance(value, tuple | list) else ""
