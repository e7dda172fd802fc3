"""Where an application's read models are kept: one place for all, or a place for each store that they name."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Protocol

from twofold.errors import InvalidSetting
from twofold.read.store import ViewStore
from twofold.read.stores import OwnStore, Stores, Views
from twofold.read.table import Table
from twofold.storage import Kind, Role, storage_at


class ViewStorage(Protocol):
    """The part of a `Storage` that read models need."""

    async def views(self, roles: Collection[Role]) -> ViewStore:
        """Open the read models as a node with these roles needs them."""
        ...

    async def stored(self) -> frozenset[Kind]:
        """Return what is kept there already; nothing is made."""
        ...


class OwnStorage:
    """A place that the application brings along.

    Args:
        make: opens the store.
    """

    def __init__(self, make: OwnStore) -> None:
        self._make = make

    async def views(self, roles: Collection[Role]) -> ViewStore:
        """Open the store."""
        opened = self._make()
        return await opened if inspect.isawaitable(opened) else opened

    async def stored(self) -> frozenset[Kind]:
        """Return that there are read models: only the store knows."""
        return frozenset(("views",))


class ViewStorages:
    """The places of an application's read models. Until they are opened, nothing is touched or made.

    Args:
        url: where the history is, beside which read models are that name no store.
        views: where the others are.
        tables: the read models.
        otherwise: where they are by store, as far as `views` does not say it; see `App`.

    Raises:
        InvalidSetting: a store that a read model names has no URL, or a URL is given for a store that none names.
        InvalidAddress: a URL names no engine.
        MissingExtra: an engine's packages are not installed.
    """

    def __init__(
        self, url: str, views: Views, tables: Iterable[Table[Any]], otherwise: Mapping[str, str] | None = None
    ) -> None:
        models: dict[str, list[str]] = {}
        for table in tables:
            models.setdefault(table.store, []).append(table.name)
        # Of a history in memory nothing outlives the node, wherever its read models are.
        unsaid = dict.fromkeys(models, url) if url == "memory:" else otherwise or {}
        said: dict[str, str | OwnStore] = {"": url, **_by_name(views)}
        urls = {name: each or said[""] for name, each in unsaid.items() if name in models} | said
        _refuse_missing(models, urls)
        _refuse_unused(models, urls)
        at: dict[str | OwnStore, ViewStorage] = {
            each: storage_at(each) if isinstance(each, str) else OwnStorage(each) for each in urls.values()
        }
        self.storages: dict[str, ViewStorage] = {name: at[urls[name]] for name in models or [""]}

    async def open(self, roles: Collection[Role]) -> ViewStore:
        """Open them as a node with these roles needs them: all, or none if one cannot be opened.

        Raises:
            StoreError: one cannot be opened.
        """
        async with AsyncExitStack() as opening:
            opened: dict[ViewStorage, ViewStore] = {}
            for storage in self.storages.values():
                if storage not in opened:
                    opened[storage] = await storage.views(roles)
                    opening.push_async_callback(opened[storage].close)
            opening.pop_all()
        if len(opened) == 1:
            return next(iter(opened.values()))
        return Stores({name: opened[storage] for name, storage in self.storages.items()})


def _by_name(views: Views) -> Mapping[str, str | OwnStore]:
    if views is None:
        return {}
    found: Mapping[Any, Any] = views if isinstance(views, Mapping) else {"": views}
    if not all(isinstance(name, str) and (isinstance(each, str) or callable(each)) for name, each in found.items()):
        problem = (
            f'expected a URL, or URLs by store: {{"analytics": "sqlite:///analytics"}}; found {type(views).__name__}'
        )
        raise InvalidSetting(setting="views", problem=problem)
    return found


def _refuse_missing(models: Mapping[str, list[str]], urls: Mapping[str, str | OwnStore]) -> None:
    missing = [name for name in models if name not in urls]
    if missing:
        kept = "; ".join(f"store {name!r}, which {_listed(models[name])}" for name in missing)
        mend = ", ".join(f'"{name}": "URL"' for name in missing)
        problem = f"no URL is given for {kept} is kept in; give it one: views={{{mend}}}, or --views {missing[0]}=URL"
        raise InvalidSetting(setting="views", problem=problem)


def _refuse_unused(models: Mapping[str, list[str]], urls: Mapping[str, str | OwnStore]) -> None:
    unused = [name for name in urls if name and name not in models]
    if unused:
        named = _listed(sorted(filter(None, models))) or "none"
        problem = (
            f"a URL is given for store {unused[0]!r}, which no read model names (they name: {named}); take it out, or "
            f'declare the read models that belong there: `class …(ReadModel, key=…, store="{unused[0]}")`'
        )
        raise InvalidSetting(setting="views", problem=problem)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
