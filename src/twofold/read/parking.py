"""Parked events: telling what is parked, applying it after all once the code is mended, or giving it up (R4)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import msgspec

from twofold.errors import CannotRetry, StoreError
from twofold.history.codec import Codec
from twofold.history.record import Position, Recorded
from twofold.history.store import History
from twofold.read.batching import Batching
from twofold.read.folding import NO_KEY, Folding, text_of
from twofold.read.store import Parked, Unparked, ViewStore
from twofold.read.table import Key, Row, Table
from twofold.read.transaction import BatchTransaction

_TRIES = 10
_NEAR = 500
_CHANGED = "its parked events changed meanwhile; try again"
_log = logging.getLogger("twofold.read")


class ParkedKey(msgspec.Struct, frozen=True):
    """A row's events that were not applied: the first, which failed with `error`, and those that wait behind it.

    `key` is a JSON array of the key's values, `null` for all events that cannot tell their key. `positions` and `types`
    are those of the events, in order.
    """

    key: str
    error: str
    positions: Sequence[Position]
    types: Sequence[str]


class Retried(msgspec.Struct, frozen=True):
    """What came of a parked key: so many `events` were applied; or none, because of `error` at `position`."""

    key: str
    events: int
    position: Position | None = None
    error: str = ""


class Progress(msgspec.Struct):
    """How far a key's parked events were folded, and into what."""

    folded: list[Position] = []
    key: Key | None = None
    row: Row | None = None


class Parking:
    """The parked events of one read model.

    Args:
        table: the read model's table.
        history: the events.
        store: where the rows are kept.
        codec: the application's events.
    """

    def __init__(self, table: Table[Any], history: History, store: ViewStore, codec: Codec) -> None:
        self._table = table
        self._history = history
        self._store = store
        self._folding = Folding(table, store, codec)
        self._batching = Batching(table, store, codec) if table.is_batch else None
        self._selection = table.selection

    async def keys(self) -> list[ParkedKey]:
        """Return the parked keys, in the order of their first events."""
        found: dict[str, list[Position]] = {}
        errors: dict[str, str] = {}
        for each in await self._store.parked(self._table):
            found.setdefault(each.key, []).append(each.position)
            errors.setdefault(each.key, each.error)
        types = {position: "" for positions in found.values() for position in positions}
        async for recorded in self._events(sorted(types)):
            types[recorded.position] = recorded.type
        return [
            ParkedKey(key, errors[key], positions, [types[position] for position in positions])
            for key, positions in found.items()
        ]

    async def retry(self, key: str | None = None) -> list[Retried]:
        """Apply the parked events of a key, or of all, in their order and with the code as it is now.

        A key of which an event fails again is left parked as it was.

        Args:
            key: as `ParkedKey.key` tells it; of a key of one field, the value alone will do.

        Raises:
            CannotRetry: nothing is parked under the key; or its events cannot tell which row they belong to, so that
                nobody knows what has been applied to that since.
        """
        if key is not None:
            name = await self._name_of(key)
            if name == NO_KEY:
                raise self._without_key()
            return [await self._retry(name)]
        return [await self._retry(name) for name in await self._names()]

    async def drop(self, key: str) -> int:
        """Give up the parked events of a key, all of them, and return how many there were.

        The row stays as it is and takes the events that come from now on. It is no longer what a rebuild makes of it.

        Raises:
            CannotRetry: nothing is parked under the key, or more and more of it at each of several tries.
        """
        name = await self._name_of(key)
        for _ in range(_TRIES):
            positions = [each.position for each in await self._store.parked(self._table, name)]
            if await self._store.unpark(self._table, Unparked(name, positions)):
                # The key may be private.
                _log.warning(
                    "%s gave up %d parked events of a key, at positions %d to %d", self._table.name, len(positions),
                    positions[0], positions[-1],
                )  # fmt: skip
                return len(positions)
        raise self._refusal(_CHANGED)

    async def _names(self) -> list[str]:
        return sorted(keys := dict(await self._store.parked_keys(self._table)), key=lambda name: keys[name])

    async def _name_of(self, key: str) -> str:
        """Return a key as it is parked."""
        names = await self._names()
        for name in (key, f"[{msgspec.json.encode(key).decode()}]", f"[{key}]"):
            if name in names:
                return name
        raise self._refusal("nothing is parked under that key; `twofold models parked` lists what is")

    async def _retry(self, name: str) -> Retried:
        if name == NO_KEY:
            parked = await self._store.parked(self._table, name)
            return Retried(name, 0, parked[0].position if parked else None, str(self._without_key()))
        if self._batching is not None:
            return await self._retry_batch(name, self._batching)
        progress = Progress()
        for _ in range(_TRIES):
            positions = [each.position for each in await self._store.parked(self._table, name)]
            if positions[: len(progress.folded)] != progress.folded:
                progress = Progress()
            failed = await self._fold(name, positions, progress)
            if failed is not None:
                return failed
            # More may have been parked since: what was folded already need not be folded again for that.
            if not positions or await self._store.unpark(self._table, _taken_up(name, progress)):
                return Retried(name, len(positions))
        return Retried(name, 0, progress.folded[-1], _CHANGED)

    async def _retry_batch(self, name: str, batching: Batching) -> Retried:
        """Have the events projected by SQL of the read model's own, in the transaction that forgets them."""
        parked = await self._store.parked(self._table)
        positions = [each.position for each in parked if each.key == name]
        shared = {each.position for each in parked if each.key != name}.intersection(positions)
        if shared:
            problem = "some of its events are parked under other keys too; rebuild the read model"
            return Retried(name, 0, min(shared), problem)
        recorded = [each async for each in self._events(positions)]

        async def work(tx: BatchTransaction) -> Sequence[Parked]:
            await batching.again(tx, recorded)
            return ()

        try:
            stored = await self._store.unpark(self._table, Unparked(name, positions, work=work))
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - the application's code; it is told, and stays parked
            return Retried(name, 0, positions[0], f"{type(error).__name__}: {error}")
        return Retried(name, len(positions) if stored else 0, error="" if stored else _CHANGED)

    async def _fold(self, name: str, positions: Sequence[Position], progress: Progress) -> Retried | None:
        """Fold what has not been folded yet; return what it failed with."""
        async for recorded in self._events(positions[len(progress.folded) :]):
            try:
                await self._step(name, recorded, progress)
            except Exception as error:  # noqa: BLE001 - the application's code; it is told, and stays parked
                _log.error(
                    "%s left a key parked at position %d (%s): %s", self._table.name, recorded.position, recorded.type,
                    type(error).__name__,
                )  # fmt: skip
                return Retried(name, 0, recorded.position, f"{type(error).__name__}: {error}")
            progress.folded.append(recorded.position)
        return None

    async def _step(self, name: str, recorded: Recorded, progress: Progress) -> None:
        happening = self._folding.happening(recorded)
        key = next((key for key in self._folding.keys_of(happening) if text_of(key) == name), None)
        if key is None:
            # As the code is now, the event does not touch this row.
            return
        if progress.key is None:
            progress.key, progress.row = key, (await self._store.load(self._table, [key])).get(key)
        progress.row = self._folding.step(key, progress.row, happening)

    async def _events(self, positions: Sequence[Position]) -> AsyncIterator[Recorded]:
        for run in _runs(positions):
            wanted = set(run)
            async for batch in self._history.read(self._selection, after=run[0] - 1, until=run[-1]):
                for recorded in batch:
                    if recorded.position in wanted:
                        yield recorded

    def _without_key(self) -> CannotRetry:
        return self._refusal(
            "these events could not tell which row they belong to, so nobody knows what was applied to that since; "
            "mend `keys`, and rebuild the read model"
        )

    def _refusal(self, problem: str) -> CannotRetry:
        return CannotRetry(model=self._table.name, problem=problem)


def _taken_up(name: str, progress: Progress) -> Unparked:
    rows = [] if progress.row is None else [progress.row]
    deleted = [] if progress.row is not None or progress.key is None else [progress.key]
    return Unparked(name, progress.folded, rows, deleted)


def _runs(positions: Sequence[Position]) -> Iterator[list[Position]]:
    """Part positions where they are far from each other, so that little is read that is not asked for."""
    run: list[Position] = []
    for position in positions:
        if run and position - run[-1] > _NEAR:
            yield run
            run = []
        run.append(position)
    if run:
        yield run
