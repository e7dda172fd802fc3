"""App: what a system is made of. It is a declaration; a Node runs it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

import msgspec

from twofold import wire
from twofold.context import Receipt
from twofold.errors import DeclarationError
from twofold.history.codec import Codec
from twofold.message import Command, Event, Query, tagged_fields
from twofold.model import ReadModel, fold_of
from twofold.place import where_is
from twofold.read.handler import QueryHandler
from twofold.read.kept import BYTES
from twofold.read.table import Table
from twofold.tag import Tag
from twofold.wall import ReadSide, WriteSide
from twofold.write.around import Around
from twofold.write.cache import CACHE_BYTES, CACHE_MODELS
from twofold.write.handler import CommandHandler

if TYPE_CHECKING:
    from datetime import timedelta

    from twofold.node import Node, Role
    from twofold.read.stores import Views
    from twofold.write.retention import Keeping

C = TypeVar("C", bound=Command)
Q = TypeVar("Q", bound=Query[Any])
Model = TypeVar("Model", bound=ReadModel)
Answer = TypeVar("Answer")
Middleware = TypeVar("Middleware", bound=Callable[..., Coroutine[Any, Any, Receipt]])
Decided = TypeVar("Decided", bound="Event | Iterable[Event] | Awaitable[Event | Iterable[Event] | None] | None")
W1 = TypeVar("W1", bound=WriteSide)
W2 = TypeVar("W2", bound=WriteSide)
W3 = TypeVar("W3", bound=WriteSide)
W4 = TypeVar("W4", bound=WriteSide)
W5 = TypeVar("W5", bound=WriteSide)
R1 = TypeVar("R1", bound=ReadSide)
R2 = TypeVar("R2", bound=ReadSide)
R3 = TypeVar("R3", bound=ReadSide)
R4 = TypeVar("R4", bound=ReadSide)
R5 = TypeVar("R5", bound=ReadSide)


class App:
    """A system's commands, events, read models and queries, gathered by decorators.

    Args:
        name: what the system is called, in its documentation and its console.
        views: where read models that name a store are kept unless `open` says otherwise, by the store's name: a URL, or
            `""` for where those are that name none.

    Attributes:
        commands: handlers by command class.
        queries: handlers by query class.
        tables: read models' tables by class.
        codec: the events, by name.
        statements: what makes the tables of handlers that ask for a `Transaction`.
    """

    def __init__(self, name: str, *, views: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.views = dict(views or {})
        self.commands: dict[type[Command], CommandHandler] = {}
        self.queries: dict[type[Query[Any]], QueryHandler] = {}
        self.tables: dict[type[ReadModel], Table[Any]] = {}
        self.codec = Codec()
        self.statements: list[str] = []
        self._names: dict[str, type[msgspec.Struct]] = {}
        self._around: list[Around] = []
        self._included: dict[type[Command], tuple[Around, ...]] = {}
        self._tags: dict[str, tuple[Tag, type[msgspec.Struct]]] = {}

    @property
    def events(self) -> tuple[type[Event], ...]:
        """The event classes that the application's handlers and models name, in the order of their names."""
        return tuple(sorted(self.codec.classes, key=lambda event: event.message_name))

    @property
    def arounds(self) -> dict[type[Command], tuple[Around, ...]]:
        """The middleware of each command, the outermost first: the application's own, then what was included."""
        return {
            command: (*(each for each in self._around if each.takes(command)), *self._included.get(command, ()))
            for command in self.commands
        }

    @overload
    def command(self, handler: Callable[[C], Decided]) -> Callable[[C], Decided]: ...
    @overload
    def command(self, handler: Callable[[C, W1], Decided]) -> Callable[[C, W1], Decided]: ...
    @overload
    def command(self, handler: Callable[[C, W1, W2], Decided]) -> Callable[[C, W1, W2], Decided]: ...
    @overload
    def command(self, handler: Callable[[C, W1, W2, W3], Decided]) -> Callable[[C, W1, W2, W3], Decided]: ...
    @overload
    def command(self, handler: Callable[[C, W1, W2, W3, W4], Decided]) -> Callable[[C, W1, W2, W3, W4], Decided]: ...
    @overload
    def command(
        self, handler: Callable[[C, W1, W2, W3, W4, W5], Decided]
    ) -> Callable[[C, W1, W2, W3, W4, W5], Decided]: ...
    def command(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """Declare the handler of a command: `(command, *write models) -> events`. Returns it unchanged.

        Raises:
            DeclarationError: its annotations do not tell how to wire it, or the command has a handler.
        """
        declared = CommandHandler(handler, _names_of_caller())
        self._add_command(declared)
        return handler

    @overload
    def query(self, handler: Callable[[Q], Answer]) -> Callable[[Q], Answer]: ...
    @overload
    def query(self, handler: Callable[[Q, R1], Answer]) -> Callable[[Q, R1], Answer]: ...
    @overload
    def query(self, handler: Callable[[Q, R1, R2], Answer]) -> Callable[[Q, R1, R2], Answer]: ...
    @overload
    def query(self, handler: Callable[[Q, R1, R2, R3], Answer]) -> Callable[[Q, R1, R2, R3], Answer]: ...
    @overload
    def query(self, handler: Callable[[Q, R1, R2, R3, R4], Answer]) -> Callable[[Q, R1, R2, R3, R4], Answer]: ...
    @overload
    def query(
        self, handler: Callable[[Q, R1, R2, R3, R4, R5], Answer]
    ) -> Callable[[Q, R1, R2, R3, R4, R5], Answer]: ...
    def query(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """Declare the handler of a query: `(query, *views) -> answer`. Returns it unchanged.

        Raises:
            DeclarationError: its annotations do not tell how to wire it, or the query has a handler.
        """
        declared = QueryHandler(handler, _names_of_caller())
        self._add_query(declared)
        return handler

    def read_model(self, model: type[Model]) -> type[Model]:
        """Declare a read model that no query asks for, such as one for SQL tools. Returns it unchanged.

        Read models that a query handler asks a view of need no declaration.

        Raises:
            DeclarationError: it cannot be kept in a table.
        """
        self._add_model(model)
        return model

    def own_tables(self, statements: str) -> None:
        """Declare the tables that handlers read and write with their `Transaction`.

            app.own_tables("create table if not exists stock (item text primary key, free integer not null)")

        The statements are run in one transaction whenever a writing node opens, in the history's database: let them
        change nothing where they have been run before. Names that begin with `twofold_` are reserved.

        Raises:
            DeclarationError: there is no statement.
        """
        if not isinstance(statements, str) or not statements.strip():
            raise DeclarationError(
                what="own_tables was given no statement",
                where=f"application {self.name!r}",
                mend='give it SQL text: `app.own_tables("create table if not exists …")`',
            )
        self.statements.append(statements.strip().rstrip(";"))

    def around_command(self, middleware: Middleware) -> Middleware:
        """Declare a function that surrounds the handling of commands, for logs, traces or checks. Returns it unchanged.

            @app.around_command
            async def timed(command: Command, context: Context, proceed: Proceed) -> Receipt:
                started = time.perf_counter()
                receipt = await proceed()
                log.info("%s took %.3f s", type(command).__name__, time.perf_counter() - started)
                return receipt

        It surrounds the commands of its first parameter's class, whenever they are declared; several surround a command
        in the order of their declaration, the first outermost. It is called once for a command, however often that is
        decided. It may raise `Rejected`; it cannot change the command, and must return what `proceed` gives.

        Raises:
            DeclarationError: its annotations do not tell how to wire it.
        """
        self._around.append(Around(middleware, _names_of_caller()))
        return middleware

    def include(self, other: App) -> None:
        """Take in all that another application declares. Its middleware surrounds its own commands, inside this one's.

        Raises:
            DeclarationError: both declare something of one name.
        """
        arounds = other.arounds
        for command_handler in other.commands.values():
            self._add_command(command_handler)
        self._included |= arounds
        for query_handler in other.queries.values():
            self._add_query(query_handler)
        for model in other.tables:
            self._add_model(model)
        self.statements.extend(other.statements)
        self.views = other.views | self.views

    def open(
        self,
        url: str,
        *,
        views: Views = None,
        roles: Collection[Role] | tuple[Role, ...] = ("write", "read", "project"),
        provide: Collection[Any] = (),
        cache_models: int = CACHE_MODELS,
        cache_bytes: int = CACHE_BYTES,
        max_waiting: int = 10_000,
        max_watchers: int = 10_000,
        cache_answers: int = BYTES,
        ledger: Keeping = "all",
        repeats: timedelta | None = None,
    ) -> Node:
        """Return a node that runs this application; use it as `async with app.open(url) as node:`.

        Args:
            url: where the history is: `sqlite:///FOLDER` (relative; four slashes for an absolute path) or `memory:`.
            views: where the read models are; beside the history when left out. Where some name a store, URLs by name:
                `{"analytics": "sqlite:///analytics"}`; those that name none are under `""`, or beside the history.
                In place of a URL, a function may open a store of your own.
            roles: which sides this node runs; `http` beside them says that they are served, which `twofold run` and
                `twofold.http` do.
            provide: objects that handlers ask for by their class.
            cache_models: how many folded write models are kept at most, the most recently used ones.
            cache_bytes: how much memory they may take, by estimate.
            max_waiting: how many commands may be on their way at once; more are refused with `Overloaded`.
            cache_answers: how many bytes the answers may take that are kept until their read models move; 0 keeps none.
            max_watchers: how many may watch queries at once; more are refused with `TooManyWatchers`.
            ledger: what the ledger keeps: `all` for ever; `keys`, which is all but payloads, tags and reasons; or
                entries for so long. See `docs/ledger.md`.
            repeats: for how long, at least, the id of an accepted command is remembered, so that a repeat is told as
                such; for ever when left out.

        Raises:
            InvalidSetting: `views`, `ledger` or `repeats` cannot be used.
            InvalidAddress: the URL names no engine.
            DeclarationError: a handler asks for an object that is not provided.
        """
        from twofold.node import Node

        return Node(
            self,
            url,
            views=views,
            roles=roles,
            provide=provide,
            cache_models=cache_models,
            cache_bytes=cache_bytes,
            max_waiting=max_waiting,
            max_watchers=max_watchers,
            cache_answers=cache_answers,
            ledger=ledger,
            repeats=repeats,
        )

    def _add_command(self, handler: CommandHandler) -> None:
        known = self.commands.get(handler.command)
        if known is not None:
            raise handler.signature.refuse(
                f"{handler.command.__name__} has a handler already, {known.signature.name} ({known.signature.where})",
                "keep one handler for a command; put what both do into functions that it calls",
            )
        for message in (handler.command, *handler.events):
            self._name(message)
        for wanted in handler.models:
            for event in fold_of(wanted.model).events:
                self._name(event)
        self.commands[handler.command] = handler
        self._widen()

    def _add_query(self, handler: QueryHandler) -> None:
        known = self.queries.get(handler.query)
        if known is not None:
            raise handler.signature.refuse(
                f"{handler.query.__name__} has a handler already, {known.signature.name} ({known.signature.where})",
                "keep one handler for a query",
            )
        self._name(handler.query)
        for wanted in handler.views:
            self._add_model(wanted.model)
        self.queries[handler.query] = handler

    def _add_model(self, model: type[ReadModel]) -> None:
        if model in self.tables:
            return
        if not (isinstance(model, type) and issubclass(model, ReadModel)):
            raise DeclarationError(
                what=f"{getattr(model, '__name__', model)} is no read model",
                where=where_is(model if isinstance(model, type) else type(model)),
                mend="give a subclass of ReadModel: `class Profile(ReadModel, key=…)`",
            )
        table = Table(model, self.events)
        for other in self.tables.values():
            if other.live_name == table.live_name:
                raise DeclarationError(
                    what=f"read models {other.model.__qualname__} and {model.__qualname__} are both kept as "
                    f"{table.live_name!r}",
                    where=where_is(model),
                    mend=f'give one of them another name: `class {model.__name__}(ReadModel, name="…", key=…)`',
                )
        if table.live_name.startswith(("twofold_", "sqlite_", "pg_")) or not table.live_name:
            raise DeclarationError(
                what=f"a read model cannot be kept as {table.live_name!r}: the name is reserved",
                where=where_is(model),
                mend=f'give it another name: `class {model.__name__}(ReadModel, name="…", key=…)`',
            )
        for event in fold_of(model).events:
            if event is not Event:
                self._name(event)
        self.tables[model] = table
        self._widen()

    def _widen(self) -> None:
        """Let read models that take every event take those that were declared since."""
        names = [event.message_name for event in self.events]
        for model, table in self.tables.items():
            if fold_of(model).takes_all and list(table.event_names) != names:
                self.tables[model] = Table(model, self.events)

    def _name(self, message: type[msgspec.Struct]) -> None:
        name = message.message_name  # type: ignore[attr-defined]
        known = self._names.setdefault(name, message)
        if known is not message:
            raise DeclarationError(
                what=f"two messages are named {name!r}: {known.__module__}.{known.__qualname__} and "
                f"{message.__module__}.{message.__qualname__}",
                where=where_is(message),
                mend=f'give one of them another name: `class {message.__name__}(…, name="…")`',
            )
        wire.check_fields(message)
        for field in tagged_fields(message):
            self._agree(field.tag, message)
        if issubclass(message, Event):
            self.codec.learn(message)

    def _agree(self, tag: Tag, message: type[msgspec.Struct]) -> None:
        # A boundary would else be looked for under another text than its events are stored with.
        known, by = self._tags.setdefault(tag.kind, (tag, message))
        if known != tag:
            raise DeclarationError(
                what=f"{message.__qualname__} has {tag}, {by.__qualname__} has {known}"
                f"{' with another key' if repr(known) == repr(tag) else ''}",
                where=where_is(message),
                mend=f'declare the type once, and use it in both: `… = Annotated[str, Tag("{tag.kind}", …)]`',
            )


def _names_of_caller() -> dict[str, Any]:
    # Classes that are declared inside a function (in a test, say) are found among its local names.
    return dict(sys._getframe(2).f_locals)
