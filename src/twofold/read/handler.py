"""A query handler: which views it is given, and what it answers."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any, ForwardRef, get_args, get_origin

import msgspec

from twofold.context import Context
from twofold.message import Command, Event, Query
from twofold.model import ReadModel, check_read_model, members_of
from twofold.read.view import View
from twofold.signature import Signature, read_signature, refuse_value, resolve
from twofold.wall import side_of


class ViewParameter(msgspec.Struct, frozen=True):
    """A view that a handler asks for."""

    name: str
    model: type[ReadModel]


class QueryHandler:
    """A function that answers one kind of query.

    Args:
        function: `(query, *views) -> answer`, plain or async; its annotations are the wiring.
        names: what may be named in annotations besides the module's own names.

    Raises:
        DeclarationError: the wiring cannot be told from the annotations, or crosses the wall to the write side.
    """

    def __init__(self, function: Callable[..., Any], names: dict[str, Any] | None = None) -> None:
        self.signature: Signature = read_signature(function, Query, names)
        self.query: type[Query[Any]] = typing.cast(type[Query[Any]], self.signature.message)
        self.views: tuple[ViewParameter, ...] = ()
        self.dependencies: dict[str, type] = {}
        self.context_name: str | None = None
        self.answer = answer_of(self.query, names)
        for parameter in self.signature.parameters:
            self._take(parameter.name, parameter.annotation)
        if inspect.isgeneratorfunction(function):
            raise self.signature.refuse("it is a generator, which answers nothing", "return the answer instead")
        if not _fits(self.signature.returns, self.answer):
            raise self.signature.refuse(
                f"it returns {_shown(self.signature.returns)}, {self.query.__name__} asks for {_shown(self.answer)}",
                "make the return annotation the one in `Query[…]`",
            )

    def bind(self, provided: Mapping[type, Any], views: Mapping[type[ReadModel], View[Any]]) -> Callable[..., Any]:
        """Return the handler as an async function of query and context, everything else filled in.

        Raises:
            DeclarationError: a dependency was not provided.
        """
        function, is_async, context_name = self.signature.function, self.signature.is_async, self.context_name
        found = resolve(self.dependencies.values(), provided, self.signature)
        given: dict[str, Any] = {name: found[kind] for name, kind in self.dependencies.items()}
        given |= {wanted.name: views[wanted.model] for wanted in self.views}

        async def call(query: Query[Any], context: Context) -> Any:
            more = given if context_name is None else {**given, context_name: context}
            answer = function(query, **more)
            return await answer if is_async or inspect.isawaitable(answer) else answer

        return call

    def _take(self, name: str, annotation: Any) -> None:
        if annotation is Context and self.context_name is None:
            self.context_name = name
        elif get_origin(annotation) is View:
            model = get_args(annotation)[0]
            if not (isinstance(model, type) and issubclass(model, ReadModel)):
                raise self.signature.refuse(
                    f"parameter {name!r} is a View of {_shown(model)}, which is no read model",
                    "name a subclass of ReadModel: `View[Profile]`",
                )
            check_read_model(model)
            self.views = (*self.views, ViewParameter(name, model))
        elif annotation is View:
            raise self.signature.refuse(
                f"parameter {name!r} does not say of what it is a view", "name the read model: `View[Profile]`"
            )
        elif side_of(annotation) is not None:
            raise self.signature.refuse(
                f"parameter {name!r} asks for {_shown(annotation)}; queries are answered from views alone",
                "ask for a view of a read model: `View[Profile]`",
            )
        elif isinstance(annotation, type) and not issubclass(annotation, Command | Event | Query | Context):
            refuse_value(self.signature, name, annotation)
            self.dependencies[name] = annotation
        else:
            raise self.signature.refuse(
                f"parameter {name!r} is annotated with {_shown(annotation)}, which no query handler can be given",
                "ask for a View, once for Context, or for an object of a class that is provided at open",
            )


def answer_of(query: type[Query[Any]], names: dict[str, Any] | None = None) -> Any:
    """Return the type that a query is answered with: `Profile | None` for a `Query[Profile | None]`."""
    for base in query.__mro__:
        for original in getattr(base, "__orig_bases__", ()):
            if get_origin(original) is Query:
                answer = get_args(original)[0]
                if isinstance(answer, ForwardRef):
                    space = {**vars(sys.modules[query.__module__]), **(names or {})}
                    return typing.get_type_hints(_holder(answer.__forward_arg__), space)["answer"]
                return answer
    return Any


def _holder(annotation: str) -> Any:
    def holder(answer: Any) -> None: ...

    holder.__annotations__ = {"answer": annotation}
    return holder


def _fits(returned: Any, answer: Any) -> bool:
    if returned == answer or Any in (returned, answer):
        return True
    wanted = members_of(answer)
    return all(any(_is_a(part, one) for one in wanted) for part in members_of(returned))


def _is_a(one: Any, other: Any) -> bool:
    if one == other or Any in (one, other):
        return True
    if one is None or other is None:
        return one in (None, type(None)) and other in (None, type(None))
    one_class, other_class = get_origin(one) or one, get_origin(other) or other
    return isinstance(one_class, type) and isinstance(other_class, type) and issubclass(one_class, other_class)


def _shown(annotation: Any) -> str:
    return str(getattr(annotation, "__name__", annotation)) if not get_args(annotation) else str(annotation)
