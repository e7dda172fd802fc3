"""Parts: what a node is made of by its roles, started in order and ended in order."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import msgspec

from twofold import clock
from twofold.arguments import check_limit
from twofold.errors import InvalidAddress, NodeClosed, NoTransactions, RoleMissing
from twofold.history.store import History, TransactionalHistory
from twofold.read.asking import Asking
from twofold.read.freshness import Freshness
from twofold.read.projecting import Projecting
from twofold.read.projector import LEASE
from twofold.read.store import ViewStore
from twofold.read.stores import Views
from twofold.storage import ROLES, SIDES, Role, storage_at
from twofold.view_storages import ViewStorages
from twofold.write.cache import Cache
from twofold.write.decide import Decider
from twofold.write.preview import Previewer
from twofold.write.retention import Retention
from twofold.write.sender import Sender
from twofold.write.snapshots import Snapshots

if TYPE_CHECKING:
    from twofold.app import App

Opened = TypeVar("Opened")
Opener: TypeAlias = Callable[[], Opened | Awaitable[Opened]]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a node keeps in memory, and takes on at once; see `App.open`.

    Raises:
        InvalidSetting: one is no number, or too small.
    """

    cache_models: int
    cache_bytes: int
    cache_answers: int
    max_waiting: int
    max_watchers: int

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            check_limit(name, getattr(self, name), least=1 if name == "max_waiting" else 0)


class Parts:
    """What one node is made of. Nothing is touched before it is opened; it can be opened again when it was closed.

    Args:
        app: what the node runs.
        name: the node's.
        url: where the history is.
        views: where the read models are.
        roles: which sides of the application it runs.
        provided: dependencies by type.
        limits: how much it keeps and takes.
        retention: what the ledger keeps.

    Attributes:
        roles, retention: the same.
        now: tells the time.
        lease: for how many seconds it holds what it projects.
        history, views, sender, asking, projecting: None while it is closed, or where its roles do without.

    Raises:
        InvalidAddress: there is nothing at such an address, or no such role.
        DeclarationError: a dependency was not provided.
    """

    def __init__(
        self,
        app: App,
        name: str,
        url: str,
        views: Views,
        roles: Collection[Role],
        provided: dict[type, Any],
        limits: Limits,
        retention: Retention,
    ) -> None:
        self._app, self._name, self._provided, self._limits = app, name, provided, limits
        self.roles = frozenset(roles)
        self.retention = retention
        self.now: Callable[[], datetime] = clock.now
        self.lease = LEASE
        storage = storage_at(url)
        if isinstance(roles, str) or not self.roles & set(SIDES) or not self.roles <= set(ROLES):
            found = repr(roles) if isinstance(roles, str) else sorted(roles)
            problem = f"roles are some of {', '.join(SIDES)}, and http where they are served; found {found}"
            raise InvalidAddress(address=storage.shown, problem=problem)
        self._shown = storage.shown
        self.open_history: Opener[History | None] = partial(storage.history, self.roles)
        self._open_snapshots = storage.snapshots
        if self.roles & {"read", "project"}:
            places = ViewStorages(url, views, app.tables.values(), app.views)
            self.open_views: Opener[ViewStore] = partial(places.open, self.roles)
        self._is_open = False
        self._pruning: asyncio.Task[None] | None = None
        self.history: History | None = None
        self.views: ViewStore | None = None
        self.sender: Sender | None = None
        self.asking: Asking | None = None
        self.projecting: Projecting | None = None
        if "write" in self.roles:
            for handler in app.commands.values():
                handler.bind(provided)
            for around in {each for them in app.arounds.values() for each in them}:
                around.bind(provided)

    async def open(self) -> None:
        """Start what the roles need; where that fails, `close` ends what was started.

        Raises:
            NoTransactions: handlers ask for a transaction, and the history has none to give.
            StoreError: a place cannot be opened.
        """
        self.history = await _opened(self.open_history())
        self._is_open = True
        if "write" in self.roles:
            await self._open_writing(self.read_history())
        if self.roles & {"read", "project"}:
            await self._open_reading()

    async def close(self) -> None:
        """Take no more commands, make durable what waits, stop projecting, release the files. May be called twice."""
        sender, self.sender = self.sender, None
        asking, self.asking = self.asking, None
        if sender is not None:
            await sender.stop()
        if asking is not None:
            await asking.close()
        pruning, self._pruning = self._pruning, None
        if pruning is not None:
            pruning.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pruning
        projecting, self.projecting = self.projecting, None
        if projecting is not None:
            await projecting.stop()
        self._is_open = False
        views, self.views = self.views, None
        history, self.history = self.history, None
        if views is not None:
            await views.close()
        if history is not None:
            await history.close()

    def read_history(self) -> History:
        """Return the history.

        Raises:
            NodeClosed: it is not open.
            RoleMissing: the node neither writes nor projects, and where its read models are nothing else may be read.
        """
        if self.history is None:
            raise self.missing("project")
        return self.history

    def missing(self, role: Role) -> NodeClosed | RoleMissing:
        """Return the error that what a role does is not done here, or not now."""
        if not self._is_open or role in self.roles:
            return NodeClosed()
        return RoleMissing(role=role, roles=", ".join(sorted(self.roles)))

    async def _open_writing(self, history: History) -> None:
        await self._make_tables(history)
        app, limits = self._app, self._limits
        cache = Cache(limits.cache_models, limits.cache_bytes)
        snapshots = Snapshots(await self._open_snapshots())
        decider = Decider(app.commands, self._provided, history, app.codec, clock.new_id, cache, snapshots)
        previewer = Previewer(app.commands, self._provided, history, app.codec, decider.failure)
        sender = Sender(decider, previewer, app.arounds, self._provided, limits.max_waiting)
        await decider.start()
        self.sender = sender
        pruning = self.retention.run(history, lambda: self.now())
        self._pruning = asyncio.create_task(pruning, name="twofold-prune-ledger")

    async def _open_reading(self) -> None:
        app, limits = self._app, self._limits
        views = self.views = await _opened(self.open_views())
        freshness = Freshness(views)
        if "project" in self.roles:
            self.projecting = Projecting(
                app.tables.values(), self.read_history(), views, app.codec, freshness, self._name, self.lease
            )
            await self.projecting.start()
        # Bound on every such node, so that a dependency that is missing is told wherever it is.
        asking = Asking(
            app.queries,
            app.tables,
            self._provided,
            views,
            freshness,
            self.read_history,
            app.codec,
            limits.max_watchers,
            limits.cache_answers,
        )
        if "read" in self.roles:
            self.asking = asking

    async def _make_tables(self, history: History) -> None:
        handlers = [h.signature.name for h in self._app.commands.values() if h.transaction_name is not None]
        if not handlers and not self._app.statements:
            return
        if not isinstance(history, TransactionalHistory):
            names = ", ".join(handlers) or f"application {self._app.name!r}"
            raise NoTransactions(address=self._shown, handlers=names)
        if self._app.statements:
            await history.make_tables(";\n".join(self._app.statements))


async def _opened(opening: Opened | Awaitable[Opened]) -> Opened:
    return cast("Opened", await opening if inspect.isawaitable(opening) else opening)
