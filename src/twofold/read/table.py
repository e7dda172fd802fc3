"""A read model as a table: its columns, how a row becomes an instance and back, and its fingerprint."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import Any, Generic, TypeAlias, TypeVar, cast, get_args
from uuid import UUID

import msgspec

from twofold import wire
from twofold.errors import DeclarationError, InvalidFilter
from twofold.fingerprint import code_of, digest, schema_of, type_text
from twofold.history.boundary import Criterion, Selection
from twofold.message import Event
from twofold.model import ReadModel, check_read_model, fold_of, project_of
from twofold.place import where_is
from twofold.read.column import Column, Scalar, all_from_row, all_to_row, column_of, settled_form
from twofold.read.index import LONGEST_ENTRY, bytes_of, check_entry, indexes_of, limited_fields
from twofold.read.words import VERSION, words_of

M = TypeVar("M", bound=ReadModel)
Row: TypeAlias = tuple[Scalar, ...]
Key: TypeAlias = tuple[Scalar, ...]

# What the strictest database can do: names in PostgreSQL end after 63 bytes, one of its indexes takes keys up to 2,704.
# Elsewhere more would do, but then an application would have to be changed when it moves.
_LONGEST_NAME = 63
_SPARE = "_spare"
# No longer than that, so that no name becomes longer by it.
_SHADOW = "_check"
_LONGEST_KEY = LONGEST_ENTRY
_LONG = frozenset(("text", "bytes", "decimal"))
_REFUSALS = (msgspec.MsgspecError, TypeError, ValueError, AttributeError)


class Table(Generic[M]):
    """What an engine needs to know to keep a read model.

    Args:
        model: the read model's class.
        every: the application's events, for a read model whose `evolve` takes `Event`, which is all of them.

    `versioned_name` is the name of the table for this definition; the live name is a view over one of these.

    Raises:
        DeclarationError: the class cannot be kept in a table.
    """

    def __init__(self, model: type[M], every: Iterable[type[Event]] = ()) -> None:
        check_read_model(model)
        wire.check_fields(model)
        self.model = model
        self.name: str = model.model_name
        self.live_name = snake_case(model.model_name)
        self.columns = tuple(column_of(model, field) for field in msgspec.structs.fields(model))
        self.key: tuple[str, ...] = model.model_key
        events = every if fold_of(model).takes_all else fold_of(model).events
        self.event_names = tuple(event.message_name for event in events)
        self.segments: int = model.model_segments
        self.store: str = model.model_store
        self._word = ""
        self.is_batch = project_of(model) is not None
        self.tables = tables_of(model)
        self._by_name = {column.name: column for column in self.columns}
        self._plain = {column.name: column.plain for column in self.columns}
        self.indexes = indexes_of(model, self._by_name)
        self.search = self._searched()
        self.fingerprint = self._fingerprint()
        self.versioned_name = self._versioned_name()
        self._to_row = [column.to_row if not column.optional else _or_none(column.to_row) for column in self.columns]
        self._to_columns = [
            (attrgetter(column.name), all_to_row(column, convert))
            for column, convert in zip(self.columns, self._to_row, strict=True)
        ]
        self._from_row = [(n, column.from_row) for n, column in enumerate(self.columns) if column.from_row]
        self._from_columns = [(n, all_from_row(convert)) for n, convert in self._from_row]
        self._settled = [(column.name, form) for column in self.columns if (form := settled_form(column))]
        _refuse_equal_names(model, [column.name for column in self.columns], "columns")
        _refuse_equal_names(model, self.key, "fields of the key")
        self._check_name()
        self._places = {column.name: place for place, column in enumerate(self.columns)}
        self._key_places = [self._places[name] for name in self.key]
        self._only_key = (self._plain[self.key[0]], self._by_name[self.key[0]].to_row) if len(self.key) == 1 else None
        self._key_fields = [(name, self._by_name[name].from_row) for name in self.key]
        self._is_by_uuid = [self._plain[name] for name in self.key] == [UUID]
        self._may_be_long = any(self._by_name[name].kind in _LONG for name in self.key)
        self._key_of_row = _picker(self._key_places)
        self._values = _picker([column.name for column in self.columns], attrgetter)
        self._limited = [
            [(name, self._places[name]) for name, _ in index.order]
            for index in self.indexes
            if limited_fields(model, index, self._by_name)
        ]

    @property
    def version(self) -> str:
        """What tells this table from the read model's others: the fingerprint, and a word behind it if it is beside."""
        return f"{self.fingerprint}{self._word}"

    @property
    def is_spare(self) -> bool:
        """Whether it is a table beside that of a definition, which no batch makes live."""
        return bool(self._word)

    @property
    def beside(self) -> str:
        """The name of the table that this one may change places with: its spare's, or that of which it is the spare."""
        return f"{self.live_name}__{self.fingerprint}{'' if self.is_spare else _SPARE}"

    def further_name(self, name: str) -> str:
        """Return the name of one of the further tables of a read model that projects with SQL of its own."""
        return f"{self.versioned_name}__{name}"

    @property
    def selection(self) -> Selection:
        """The events that it is projected from."""
        # No types would stand for all of them.
        return Selection((Criterion(types=self.event_names),) if self.event_names else ())

    @cached_property
    def spare(self) -> Table[M]:
        """The table beside this one, of the same definition: where a rebuild fills it, and where it leaves the old."""
        return self._copied(self.fingerprint, _SPARE)

    @cached_property
    def shadow(self) -> Table[M]:
        """A further table beside this one: where a verification folds the history, if it needs this store's SQL."""
        shadow = self._copied(self.fingerprint, _SHADOW)
        shadow.indexes = ()
        return shadow

    @cached_property
    def shape(self) -> str:
        """What is another one where rows of another version cannot be read as this one's: columns, key, search."""
        columns = (f"{each.name}:{each.kind}:{each.optional}:{type_text(each.type)}" for each in self.columns)
        return digest((",".join(self.key), *columns, *self._search_parts()))

    def _search_parts(self) -> list[str]:
        return [f"search {VERSION}:{name}" for name in self.search]

    def of_version(self, version: str) -> Table[M]:
        """Return the table of another version whose shape is this one's."""
        return self._copied(version.removesuffix(_SPARE), _SPARE if version.endswith(_SPARE) else "")

    def _copied(self, fingerprint: str, word: str) -> Table[M]:
        other = copy.copy(self)
        other.fingerprint, other._word = fingerprint, word
        other.versioned_name = other._versioned_name()
        return other

    def _check_name(self) -> None:
        longest = self.versioned_name + _SPARE + max((f"__{name}" for name in self.tables), key=len, default="")
        if len(longest) > _LONGEST_NAME:
            raise DeclarationError(
                what=f"a table of {self.model.__name__} would be named {longest}, which is longer than "
                f"{_LONGEST_NAME} characters",
                where=where_is(self.model),
                mend='give it a shorter name: `class …(ReadModel, key=…, name="…")`',
            )
        for name in self.key:
            if self._by_name[name].kind == "json":
                raise DeclarationError(
                    what=f"the key {name!r} of read model {self.model.__name__} is no scalar",
                    where=where_is(self.model),
                    mend="use a UUID, str, int, date or Enum as the key, or several such fields",
                )

    def _versioned_name(self) -> str:
        return f"{self.live_name}__{self.version}"

    def row(self, instance: M) -> Row:
        """Return an instance as values for the database, in the order of the columns.

        Raises:
            TypeError: a field holds what its type does not allow, or what would not come back.
        """
        try:
            row = tuple([convert(value) for convert, value in zip(self._to_row, self._values(instance), strict=True)])
        except _REFUSALS as error:
            raise self._refused(instance) from error
        self._check_entries((row,))
        return row

    def rows(self, instances: Collection[M]) -> list[Row]:
        """Return instances as rows: field by field, which takes half the time of one by one.

        Raises:
            TypeError: a field of some instance holds what its type does not allow, or what would not come back.
        """
        try:
            fields = [to_column(list(map(value_of, instances))) for value_of, to_column in self._to_columns]
        except _REFUSALS as error:
            raise TypeError("some of the instances cannot be stored") from error
        rows: list[Row] = list(zip(*fields, strict=True))
        self._check_entries(rows)
        return rows

    def _check_entries(self, rows: Iterable[Row]) -> None:
        for fields in self._limited:
            for row in rows:
                check_entry((name, row[place]) for name, place in fields)

    def _refused(self, instance: M) -> TypeError:
        """Return the error that tells which field of an instance cannot be stored."""
        for column, convert in zip(self.columns, self._to_row, strict=True):
            value = getattr(instance, column.name)
            if value is None and not column.optional:
                return TypeError(f"{column.name} must not be None")
            try:
                convert(value)
            except _REFUSALS as error:
                return TypeError(f"{column.name}: {error}")
        return TypeError("its fields changed while they were read")

    def instance(self, row: Sequence[Any]) -> M:
        """Return the instance that a row holds."""
        values = list(row)
        for place, convert in self._from_row:
            if values[place] is not None:
                values[place] = convert(values[place])
        return self.model(*values)

    def instances(self, rows: Sequence[Sequence[Any]]) -> list[M]:
        """Return the instances that rows hold: field by field, which for a page takes half the time of row by row."""
        if not rows:
            return []
        fields: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for place, from_column in self._from_columns:
            fields[place] = from_column(fields[place])
        return list(map(self.model, *fields))

    def words(self, row: Row) -> str:
        """Return the words of a row that are searched for, with a space between them."""
        return words_of(cast("str | None", row[self._places[name]]) for name in self.search)

    def settle(self, instance: M) -> None:
        """Give fields the form in which they will come back from the database.

        Done after every event, so that a fold does not depend on where its batches end.
        """
        for name, settled in self._settled:
            setattr(instance, name, settled(getattr(instance, name)))

    def fresh(self, key: Key) -> M:
        """Return the instance of a key before its first event, with the key's values as they come back."""
        given = zip(self._key_fields, key, strict=True)
        return self.model(**{name: value if convert is None else convert(value) for (name, convert), value in given})

    def key_of(self, values: Sequence[Any]) -> Key:
        """Return key values as the database holds them.

        Raises:
            InvalidFilter: too many, too few, or of a wrong type.
        """
        if self._is_by_uuid and len(values) == 1 and type(values[0]) is UUID:
            # By far the commonest key; there is nothing that could be wrong with it.
            return (msgspec.to_builtins(values[0]),)
        if len(values) != len(self.key):
            raise InvalidFilter(
                model=self.name, problem=f"expected a key of {len(self.key)} values, found {len(values)}"
            )
        key = tuple(map(self.value, self.key, values))
        if self._may_be_long and sum(map(bytes_of, key)) > _LONGEST_KEY:
            raise InvalidFilter(model=self.name, problem=f"expected a key of at most {_LONGEST_KEY:,} bytes")
        return key

    def key_in(self, row: Row) -> Key:
        """Return the key of a row."""
        key: Key = self._key_of_row(row)
        return key

    def value(self, name: str, value: Any) -> Scalar:
        """Return a value for a column, as the database holds it.

        Raises:
            InvalidFilter: no such column, or a value that is not of its type.
        """
        column = self._by_name.get(name) or self.column(name)
        if value is None:
            return None
        try:
            if type(value) is not self._plain[name] and msgspec.convert(value, column.type) != value:
                raise TypeError(f"found {type(value).__name__}")
            return column.to_row(value)
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
            raise InvalidFilter(model=self.name, problem=f"{name}: {error}") from error

    def _searched(self) -> tuple[str, ...]:
        fields: tuple[str, ...] = self.model.model_search
        for name in fields:
            if name not in self._by_name or self._by_name[name].bare is not str or fields.count(name) > 1:
                raise DeclarationError(
                    what=f"read model {self.model.__name__} declares a search of {name!r}, which is "
                    f"{'named twice' if fields.count(name) > 1 else 'no field of text of it'}",
                    where=where_is(self.model),
                    mend='name fields of type str, or `str | None`, each once: `search=["title", "text"]`',
                )
        return fields

    def _fingerprint(self) -> str:
        """Return what changes when a read model's rows might: its fields, its key, its version, and its code.

        Comments, docstrings and layout do not count. Code that its methods call in other places is not seen: change
        `version=` on the class when that code changes.
        """
        limited = {name for index in self.indexes for name in limited_fields(self.model, index, self._by_name)}
        return digest(
            (
                str(self.model.model_version),
                *([f"{self.segments} segments"] if self.segments > 1 else []),
                ",".join(self.key),
                ",".join(sorted(self.event_names)),
                *(f"{name} ({columns})" for name, columns in sorted(self.tables.items())),
                schema_of(self.model),
                *code_of(self.model, but=(ReadModel,)),
                *(f"limited:{name}" for name in sorted(limited)),
                *self._search_parts(),
                # They could not be None in the tables of earlier versions of Twofold.
                *(
                    f"optional:{each.name}"
                    for each in self.columns
                    if each.optional and type(None) in get_args(each.bare)
                ),
            )
        )

    def column(self, name: str) -> Column:
        """Return a column by its name.

        Raises:
            InvalidFilter: there is none.
        """
        if name not in self._by_name:
            raise InvalidFilter(
                model=self.name, problem=f"there is no field {name!r}; it has {', '.join(self._by_name)}"
            )
        return self._by_name[name]


def tables_of(model: type[ReadModel]) -> dict[str, str]:
    """Return the further tables that a read model's `project` works with: their columns, by name.

    Raises:
        DeclarationError: one cannot have that name, or has no columns, or there is more than one segment.
    """
    own = snake_case(model.model_name)
    for name, columns in model.model_tables.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == own or not columns.strip():
            raise DeclarationError(
                what=f"{model.__name__} cannot have a further table {name!r} with the columns {columns!r}",
                where=where_is(model),
                mend='give its columns by another name: `tables={"lines": "shop text not null, item text not null"}`',
            )
    if project_of(model) is not None and (model.model_segments > 1 or model.model_search):
        raise DeclarationError(
            what=f"{model.__name__} projects batches with SQL of its own, which can be neither split nor searched",
            where=where_is(model),
            mend="leave out `segments=` and `search=`",
        )
    return dict(model.model_tables)


def _picker(places: Sequence[Any], get: Callable[..., Callable[[Any], Any]] = itemgetter) -> Callable[[Any], Any]:
    """Return what picks the values at some places as a tuple."""
    pick = get(*places)
    return pick if len(places) > 1 else lambda of: (pick(of),)


def _or_none(convert: Callable[[Any], Scalar]) -> Callable[[Any], Scalar]:
    return lambda value: None if value is None else convert(value)


def snake_case(name: str) -> str:
    """Return a class's name as a table's: `CaseFile` becomes `case_file`."""
    text = re.sub(r"[^0-9A-Za-z]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name))
    return text.strip("_").lower()


def _refuse_equal_names(model: type[ReadModel], names: Iterable[str], what: str) -> None:
    # Databases tell no case in the names of columns.
    counted = Counter(name.lower() for name in names)
    name, count = counted.most_common(1)[0]
    if count > 1:
        raise DeclarationError(
            what=f"two {what} of {model.__name__} are named {name!r}",
            where=where_is(model),
            mend="give one of them another name, or leave it out",
        )
