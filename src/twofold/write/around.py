"""Middleware: functions that surround the handling of commands, from their arrival to their receipt."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeAlias

from twofold.context import Context, Receipt
from twofold.message import Command, Event, Query
from twofold.signature import Signature, read_signature, refuse_value, resolve
from twofold.wall import side_of


class Proceed(Protocol):
    """What middleware goes on with: `await proceed()` has the command decided, and returns when it is durable."""

    def __call__(self) -> Coroutine[Any, Any, Receipt]:
        """Go on, once."""
        ...


Passing: TypeAlias = Callable[[Command, Context, Proceed], Awaitable[Receipt]]


class Around:
    """A function that surrounds the handling of commands.

    Args:
        function: `async (command, …) -> Receipt`; its annotations tell which commands it surrounds, and what it is
            given besides: the `Context`, `Proceed`, objects that are provided at open.
        names: what may be named in annotations besides the module's own names.

    Raises:
        DeclarationError: the wiring cannot be told from the annotations.
    """

    def __init__(self, function: Callable[..., Any], names: dict[str, Any] | None = None) -> None:
        self.signature: Signature = read_signature(function, Command, names, base_too=True)
        self.dependencies: dict[str, type] = {}
        self.context_name: str | None = None
        self.proceed_name: str | None = None
        for parameter in self.signature.parameters:
            self._take(parameter.name, parameter.annotation)
        if not self.signature.is_async or inspect.isasyncgenfunction(function):
            raise self.signature.refuse(
                "it is no coroutine function, and could not wait for the commit", "declare it with `async def`"
            )
        if self.proceed_name is None:
            raise self.signature.refuse(
                "it does not ask for Proceed, so that no command would ever be decided",
                "add a parameter `proceed: Proceed`, and return what `await proceed()` gives",
            )
        if self.signature.returns is not Receipt:
            raise self.signature.refuse(
                "it does not return a Receipt", "annotate it `-> Receipt`, and return what `await proceed()` gives"
            )

    def takes(self, command: type[Command]) -> bool:
        """Tell whether it surrounds a kind of command: that of its first parameter, or a kind of that."""
        return issubclass(command, self.signature.message)

    def bind(self, provided: Mapping[type, Any]) -> Passing:
        """Return it as a function of command, context and what to proceed with, dependencies filled in.

        Raises:
            DeclarationError: a dependency was not provided.
        """
        function, context_name, proceed_name = self.signature.function, self.context_name, self.proceed_name
        found = resolve(self.dependencies.values(), provided, self.signature)
        constant: dict[str, Any] = {name: found[kind] for name, kind in self.dependencies.items()}

        def call(command: Command, context: Context, proceed: Proceed) -> Awaitable[Receipt]:
            given = {**constant, str(proceed_name): proceed}
            if context_name is not None:
                given[context_name] = context
            answer: Awaitable[Receipt] = function(command, **given)
            return answer

        return call

    def _take(self, name: str, annotation: Any) -> None:
        if annotation is Context and self.context_name is None:
            self.context_name = name
        elif annotation is Proceed and self.proceed_name is None:
            self.proceed_name = name
        elif side_of(annotation) is not None:
            raise self.signature.refuse(
                f"parameter {name!r} asks for {getattr(annotation, '__name__', annotation)}; middleware decides "
                "nothing, so it is given no model and no view",
                "let the command's handler ask for it, or provide an object of your own at open",
            )
        elif annotation not in (Context, Proceed) and _is_dependency(annotation):
            refuse_value(self.signature, name, annotation)
            self.dependencies[name] = annotation
        else:
            raise self.signature.refuse(
                f"parameter {name!r} is annotated with {annotation!r}, which no middleware can be given",
                "ask once for Proceed, once for Context, or for an object of a class provided at open",
            )


def _is_dependency(annotation: Any) -> bool:
    return isinstance(annotation, type) and not issubclass(annotation, Command | Event | Query)
