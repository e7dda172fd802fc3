"""The past: rows as they were when the history ended at an earlier position, folded from the events of their keys."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from twofold.errors import InvalidMessage, NoPast
from twofold.history.boundary import Criterion, Selection
from twofold.history.codec import Codec
from twofold.history.record import Position, Recorded
from twofold.history.store import History
from twofold.message import Event, TaggedField, tagged_fields
from twofold.model import ReadModel, fold_of
from twofold.read.folding import Folding, Happening
from twofold.read.pace import Pace
from twofold.read.store import Page, ViewStore
from twofold.read.table import Key, Row, Table


class PastRows:
    """Rows as of a position, for one question; implements `twofold.read.rows.Rows`, but for what looks at all rows.

    An event that a row cannot take ends the row's fold, as it parks it in a projection.

    Args:
        history: the events.
        codec: the application's events.
        store: where the rows of today are; nothing is read from it.
        position: where the past ends.
    """

    def __init__(self, history: History, codec: Codec, store: ViewStore, position: Position) -> None:
        self._history = history
        self._codec = codec
        self._store = store
        self._position = position
        self._known: dict[tuple[str, Key], Row | None] = {}

    async def get(self, table: Table[Any], keys: Sequence[Key]) -> Sequence[Row]:
        """Return the rows that have these keys; each is folded once.

        Raises:
            NoPast: they are made by SQL of the read model's own, from all events before them.
        """
        if table.is_batch:
            problem = "it is projected in batches: what its SQL makes of the events of a key alone is not its row"
            raise NoPast(model=table.name, problem=problem)
        unknown = {key for key in keys if (table.name, key) not in self._known}
        if unknown:
            folded = await self._fold(table, unknown)
            self._known |= {(table.name, key): row for key, row in folded.items()}
        rows = [self._known[table.name, key] for key in dict.fromkeys(keys)]
        return [row for row in rows if row is not None]

    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        """Refuse: which rows there were is known only by looking at all of them.

        Raises:
            NoPast: always.
        """
        raise _refused(table)

    async def count(self, table: Table[Any], page: Page) -> int:
        """Refuse, as `find`."""
        raise _refused(table)

    def dialect(self, table: Table[Any]) -> str:
        """Return that of today: a statement is refused for what it asks of the past, whatever form it has."""
        return self._store.dialect(table)

    async def sql(self, table: Table[Any], text: str, values: Mapping[str, Any]) -> Sequence[Row]:
        """Refuse, as `find`."""
        raise _refused(table)

    async def _fold(self, table: Table[Any], keys: set[Key]) -> dict[Key, Row | None]:
        """Return the rows of some keys, None where there was none."""
        folds = _Folds(Folding(table, self._store, self._codec), keys)
        pace = Pace()
        async for batch in self._history.read(selection_of(table, keys), until=self._position):
            pace.begin()
            for recorded in batch:
                folds.take(recorded)
                if pace.is_due():
                    await pace.pause()
        return folds.rows


class _Folds:
    """The rows of some keys, as they are folded side by side."""

    def __init__(self, folding: Folding, keys: set[Key]) -> None:
        self.rows: dict[Key, Row | None] = dict.fromkeys(keys)
        self._folding = folding
        self._going_on = set(keys)

    def take(self, recorded: Recorded) -> None:
        happening = self._folding.happening(recorded)
        for key in self._touched(happening):
            if key in self._going_on:
                try:
                    self.rows[key] = self._folding.step(key, self.rows[key], happening)
                except Exception:  # noqa: BLE001 - the application's code; a projection parks the key here
                    self._going_on.discard(key)

    def _touched(self, happening: Happening) -> Collection[Key]:
        try:
            return self._folding.keys_of(happening)
        except Exception:  # noqa: BLE001 - the application's code; an event that cannot tell its keys is in no row
            return ()


def selection_of(table: Table[Any], keys: Iterable[Key]) -> Selection:
    """Return a selection of events that has all events of some keys, and others only where tags do not tell them."""
    model: type[ReadModel] = table.model
    if callable(getattr(model, "keys", None)):
        return table.selection
    events = fold_of(model).events
    wanted = [_values(table, key) for key in keys]
    return Selection(tuple(dict.fromkeys(each for event in events for each in _criteria(event, table.key, wanted))))


def _criteria(event: type[Event], names: Sequence[str], wanted: Sequence[Sequence[Any]]) -> Iterator[Criterion]:
    by_field = {field.field: field for field in tagged_fields(event) if not field.many and not field.path}
    fields = [(place, by_field[name]) for place, name in enumerate(names) if name in by_field]
    for values in wanted:
        yield Criterion((event.message_name,), tuple(_tags(fields, values)))


def _tags(fields: Sequence[tuple[int, TaggedField]], values: Sequence[Any]) -> Iterator[str]:
    for place, field in fields:
        try:
            yield field.text(values[place])
        except InvalidMessage:
            # It is a key that no event of this type has, or one whose tag is written otherwise: look at all of them.
            continue


def _values(table: Table[Any], key: Key) -> list[Any]:
    """Return a key's values as events carry them."""
    columns = [table.column(name) for name in table.key]
    return [
        value if value is None or column.from_row is None else column.from_row(value)
        for column, value in zip(columns, key, strict=True)
    ]


def _refused(table: Table[Any]) -> NoPast:
    problem = "only rows by key (`get`, `get_many`) are folded from the history; of the others only today's are kept"
    return NoPast(model=table.name, problem=problem)
