"""Answers that are kept: each is good for as long as the read models that it rests on stand as they stood."""

from __future__ import annotations

import copyreg
import io
import pickle
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from twofold.read.store import ViewStore
from twofold.read.table import Table

MOST = 10_000
BYTES = 32 * 1024 * 1024
State: TypeAlias = tuple[tuple[str, int, int], ...]
"""What rows depend on: of each segment of each read model the version, the checkpoint and the epoch."""


async def state_of(store: ViewStore, tables: Sequence[Table[Any]]) -> State | None:
    """Return how queries see read models stand, not as this process knows it; None where one is being built.

    Rows change only together with this: with a batch the checkpoint moves, with everything else the epoch.
    """
    found: list[tuple[str, int, int]] = []
    for table in tables:
        shown = await store.standings(table)
        if not shown or not shown[0].live:
            return None
        found += [(table.versioned_name, standing.checkpoint, standing.epoch) for standing in shown]
    return tuple(found)


class KeptAnswers:
    """The answers to questions that are asked again and again, the most recently used ones.

    An answer is kept from the second time on that its question is asked: most questions are asked once.

    Args:
        limit: how many bytes they may take; 0 keeps none.
        most: how many questions are remembered.
    """

    def __init__(self, limit: int = BYTES, most: int = MOST) -> None:
        self._limit = limit
        self._most = most
        self._bytes = 0
        self._kept: OrderedDict[Hashable, tuple[State | None, bytes]] = OrderedDict()

    async def answer(
        self, question: Hashable, state: Callable[[], Awaitable[State | None]], ask: Callable[[], Awaitable[Any]]
    ) -> Any:
        """Return what is kept if it is still good, else the answer, which is kept if nothing moved meanwhile.

        Args:
            question: the same for the same question.
            state: looks how the read models stand.
            ask: asks them.
        """
        if not self._is_known(question):
            return await ask()
        before = await state()
        kept = self._good(question, before)
        if kept is not None:
            # What the one who asks does with it is not seen by the next one.
            return pickle.loads(kept)  # noqa: S301 - it was made by this process
        value = await ask()
        # Rows that were read while they moved are of no state that could be told.
        if before is not None and before == await state():
            self._keep(question, before, value)
        return value

    def _is_known(self, question: Hashable) -> bool:
        if self._limit <= 0:
            return False
        if question in self._kept:
            self._kept.move_to_end(question)
            return True
        self._put(question, None, b"")
        return False

    def _good(self, question: Hashable, state: State | None) -> bytes | None:
        found = self._kept.get(question)
        if found is None or found[0] is None:
            return None
        if found[0] == state:
            return found[1]
        self._put(question, None, b"")
        return None

    def _keep(self, question: Hashable, state: State, value: Any) -> None:
        try:
            kept = _pickled(value)
        except (pickle.PicklingError, TypeError, AttributeError, RecursionError):
            # A class that was made inside a function, say.
            return
        if len(kept) <= self._limit // 10:
            self._put(question, state, kept)

    def _put(self, question: Hashable, state: State | None, kept: bytes) -> None:
        before = self._kept.pop(question, None)
        self._kept[question] = (state, kept)
        self._bytes += len(kept) - (0 if before is None else len(before[1]))
        while self._bytes > self._limit or len(self._kept) > self._most:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._bytes -= len(dropped)


class _Pickler(pickle.Pickler):
    # A page has a UUID for each row; its own way takes several times as long.
    dispatch_table = copyreg.dispatch_table | {UUID: lambda each: (_uuid, (msgspec.to_builtins(each),))}


def _pickled(value: Any) -> bytes:
    into = io.BytesIO()
    _Pickler(into, pickle.HIGHEST_PROTOCOL).dump(value)
    return into.getvalue()


def _uuid(text: str) -> UUID:
    return msgspec.convert(text, UUID)
