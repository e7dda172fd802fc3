"""A read model whose code can be mended while it keeps its fingerprint, and hands that spoil its rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from tests.read.rig import codec_of, table_of
from twofold import Delete, Event, ReadModel, Tag
from twofold.engines.memory import MemoryHistory
from twofold.read.filling import Told
from twofold.read.parking import Parking
from twofold.read.rebuild import Rebuild
from twofold.read.store import Advance, ViewStore
from twofold.read.verification import Verification


class Mend(msgspec.Struct):
    done: bool = False


MEND = Mend()


class Packed(Event):
    box: Annotated[str | None, Tag("box")]
    grams: int = 0


class Emptied(Event):
    box: Annotated[str, Tag("box")]


class Box(ReadModel, key="box"):
    box: str
    grams: int = 0
    history: list[int] = []

    def evolve(self, event: Packed | Emptied) -> Delete | None:
        if isinstance(event, Emptied):
            return Delete()
        weigh(event.grams)
        self.grams += event.grams
        self.history.append(event.grams)
        return None


class Shelf(ReadModel, key="box", segments=3):
    box: str
    grams: int = 0

    def evolve(self, event: Packed) -> None:
        weigh(event.grams)
        self.grams += event.grams


class Fragile(ReadModel, key="box", max_parked=2):
    box: str

    def evolve(self, event: Packed) -> None:
        weigh(event.grams)


class Pairs(ReadModel, key="name"):
    """Every packing counts for its box and for all of them."""

    name: str
    packings: int = 0

    def evolve(self, event: Packed) -> None:
        weigh(event.grams)
        self.packings += 1

    @staticmethod
    def keys(event: Packed) -> Iterable[str | None]:
        return ["all", event.box]


def weigh(grams: int) -> None:
    """Do what is no part of any fingerprint."""
    if grams < 0 and not MEND.done:
        raise ValueError("nothing weighs so little")


def parking_of(model: type[ReadModel], history: MemoryHistory, store: ViewStore) -> Parking:
    return Parking(table_of(model), history, store, codec_of(model))


def rebuild_of(
    model: type[ReadModel],
    history: MemoryHistory,
    store: ViewStore,
    holder: str = "a rebuild",
    told: Told | None = None,
) -> Rebuild:
    return Rebuild(table_of(model), history, store, codec_of(model), holder, told)


def verification_of(
    model: type[ReadModel], history: MemoryHistory, store: ViewStore, shadow: ViewStore
) -> Verification:
    return Verification(table_of(model), history, store, codec_of(model), shadow, "a verification")


async def spoil(store: ViewStore, model: type[ReadModel], *rows: ReadModel, gone: Iterable[str] = ()) -> None:
    """Change rows of a table in one segment behind everybody's back."""
    table = table_of(model)
    standing = await store.standing(table)
    assert standing is not None
    at, epoch = standing.checkpoint, standing.epoch
    changed = [table.row(row) for row in rows]
    deleted = [(key,) for key in gone]
    assert await store.apply(table, Advance(at, at, changed, epoch=epoch, deleted=deleted))


async def parked_in(store: ViewStore, model: type[ReadModel]) -> list[tuple[Any, ...]]:
    return [msgspec.structs.astuple(each) for each in await store.parked(table_of(model))]
