"""What a handler asks for, read from its signature: the signature is the wiring."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from twofold.errors import DeclarationError
from twofold.model import hints_of
from twofold.place import where_is

_IN_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Parameter(msgspec.Struct, frozen=True):
    """One thing that a handler asks for besides its message."""

    name: str
    annotation: Any


class Signature(msgspec.Struct, frozen=True):
    """A handler's message, what else it asks for, and what it returns."""

    function: Callable[..., Any]
    name: str
    where: str
    message: type[msgspec.Struct]
    parameters: tuple[Parameter, ...]
    returns: Any
    is_async: bool

    def refuse(self, what: str, mend: str) -> DeclarationError:
        """Return the error that this handler is declared wrongly."""
        return DeclarationError(what=f"{self.name}: {what}", where=self.where, mend=mend)


def read_signature(
    function: Callable[..., Any],
    base: type[msgspec.Struct],
    names: dict[str, Any] | None = None,
    *,
    base_too: bool = False,
) -> Signature:
    """Read a handler's signature.

    Args:
        function: the handler.
        base: what its first parameter must be a subclass of: `Command` or `Query`.
        names: what may be named in annotations besides the module's own names.
        base_too: whether it may be `base` itself, for what takes messages of every kind.

    Raises:
        DeclarationError: an annotation is missing, or the first parameter is no such message.
    """
    if not inspect.isroutine(function) or inspect.isasyncgenfunction(function):
        raise _no_function(function)
    name, where = function.__qualname__, where_is(function)
    parameters = list(inspect.signature(function).parameters.values())
    hints = hints_of(function, names)
    kind = base.__name__.lower()
    first = hints.get(parameters[0].name) if parameters and parameters[0].kind in _IN_PLACE else None
    if not (isinstance(first, type) and issubclass(first, base) and (base_too or first is not base)):
        raise DeclarationError(
            what=f"{name}: the first parameter must be the {kind}, found {_shown(first)}",
            where=where,
            mend=f"annotate it with a subclass of {base.__name__}: `{kind}: Do…`"
            + (f", or with {base.__name__} itself" if base_too else ""),
        )
    for parameter in parameters[1:]:
        if parameter.name not in hints or parameter.kind != parameter.POSITIONAL_OR_KEYWORD:
            raise DeclarationError(
                what=f"{name}: parameter {parameter.name!r} has no annotation, or is no ordinary parameter",
                where=where,
                mend="annotate every parameter: annotations tell what the handler is given; leave out *, ** and /",
            )
    if "return" not in hints:
        raise DeclarationError(
            what=f"{name}: the return annotation is missing",
            where=where,
            mend="say what it returns: the event or events of a command, the answer of a query",
        )
    return Signature(
        function=function,
        name=name,
        where=where,
        message=first,
        parameters=tuple(Parameter(p.name, hints[p.name]) for p in parameters[1:]),
        returns=hints["return"],
        is_async=inspect.iscoroutinefunction(function),
    )


def _no_function(handler: Any) -> DeclarationError:
    is_generator = inspect.isasyncgenfunction(handler)
    name = getattr(handler, "__qualname__", None) or f"an object of class {type(handler).__name__}"
    # A partial, and an object that can be called, have no place of their own.
    place = handler if hasattr(handler, "__qualname__") else getattr(handler, "func", type(handler))
    return DeclarationError(
        what=f"{name} is {'an async generator' if is_generator else 'no function'}, which cannot be a handler",
        where=where_is(place),
        mend="collect what it yields in a list and return that" if is_generator else "declare it with def or async def",
    )


def refuse_value(signature: Signature, name: str, annotation: type) -> None:
    """Refuse a parameter that asks for a plain value, as a dependency is asked for.

    Raises:
        DeclarationError: the annotation is `str`, `int` or another built-in class.
    """
    if annotation is Any or annotation.__module__ == "builtins":
        raise signature.refuse(
            f"parameter {name!r} asks for {annotation.__name__}, and nothing tells which one",
            "read it from a field of the message, or ask for an object of a class of your own that is provided at open",
        )


def resolve(wanted: Iterable[type], provided: Mapping[type, Any], signature: Signature) -> dict[type, Any]:
    """Return the dependencies that a handler asks for, by type.

    Raises:
        DeclarationError: one was not given to `open`.
    """
    found: dict[type, Any] = {}
    for kind in wanted:
        if kind not in provided:
            raise signature.refuse(
                f"nothing of type {_shown(kind)} was provided",
                f"open the application with it: `app.open(url, provide=[a_{_shown(kind).lower()}])`",
            )
        found[kind] = provided[kind]
    return found


def _shown(annotation: Any) -> str:
    return "nothing" if annotation is None else str(getattr(annotation, "__name__", annotation))
