"""What a handler asks for, read from its signature: the signature is the wiring."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from twofold.errors import DeclarationError
from twofold.model import hints_of
from twofold.place import where_is


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
    function: Callable[..., Any], base: type[msgspec.Struct], names: dict[str, Any] | None = None
) -> Signature:
    """Read a handler's signature.

    Args:
        function: the handler.
        base: what its first parameter must be a subclass of: `Command` or `Query`.
        names: what may be named in annotations besides the module's own names.

    Raises:
        DeclarationError: an annotation is missing, or the first parameter is no such message.
    """
    name, where = function.__qualname__, where_is(function)
    parameters = list(inspect.signature(function).parameters.values())
    hints = hints_of(function, names)
    kind = base.__name__.lower()
    first = hints.get(parameters[0].name) if parameters else None
    if not (isinstance(first, type) and issubclass(first, base) and first is not base):
        raise DeclarationError(
            what=f"{name}: the first parameter must be the {kind}, found {_shown(first)}",
            where=where,
            mend=f"annotate it with a subclass of {base.__name__}: `{kind}: Do…`",
        )
    for parameter in parameters:
        if parameter.name not in hints or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise DeclarationError(
                what=f"{name}: parameter {parameter.name!r} has no annotation, or takes any number of arguments",
                where=where,
                mend="annotate every parameter: annotations tell what the handler is given",
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
