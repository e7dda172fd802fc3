"""Indexes that a read model declares: which fields, in which directions, and under what name.

They change no row, so they are no part of the definition: an engine makes those that are missing, and drops those that
are declared no more, when it prepares the table. The exception is told at `limited_fields`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

import msgspec

from twofold.errors import DeclarationError
from twofold.fingerprint import digest
from twofold.model import ReadModel
from twofold.place import where_is
from twofold.read.column import Column, Scalar

Order: TypeAlias = tuple[tuple[str, bool], ...]

LONGEST_ENTRY = 2000
_MOST_FIELDS = 8
_READABLE = 37
_BESIDE = "s"
_OURS = ".*__{}_[0-9a-f]{{10}}s?"
_LONG = (str, bytes, Decimal)


class Index(msgspec.Struct, frozen=True):
    """An index of a read model: column and "descending?" pairs, of which the key's columns end it."""

    order: Order

    def name(self, fingerprint: str, body: str) -> str:
        """Return the name of the index in the table of a definition, which an engine makes of this text."""
        fields = "_".join(name for name, _ in self.order)[:_READABLE]
        return f"{fields}__{fingerprint}_{digest((body,))[:10]}"


class Changes(msgspec.Struct, frozen=True):
    """What is to be done to the indexes of a table: those to be made, texts by name, and the names of those to drop."""

    made: Mapping[str, str] = {}
    dropped: Sequence[str] = ()


def changes(fingerprint: str, wanted: Mapping[str, str], here: Iterable[str], beside: Iterable[str]) -> Changes:
    """Return how the indexes of a table become those that are declared.

    Args:
        fingerprint: the definition's.
        wanted: the declared indexes: by name, the text that an engine makes them of.
        here: the names of the table's indexes; those that were made by hand are left alone.
        beside: the names of its spare's, or of the table whose spare it is. A name can be given once, so one of the two
            indexes has a letter behind it, and keeps it when the tables change places.
    """
    taken = set(beside)
    ours = {name.removesuffix(_BESIDE): name for name in here if re.fullmatch(_OURS.format(fingerprint), name)}
    made = {name + (_BESIDE if name in taken else ""): text for name, text in wanted.items() if name not in ours}
    return Changes(made, sorted(name for base, name in ours.items() if base not in wanted))


def indexes_of(model: type[ReadModel], columns: Mapping[str, Column]) -> tuple[Index, ...]:
    """Return the indexes that a read model declares.

    Raises:
        DeclarationError: a field that there is not, or is nested; the key, or an index, over again.
    """
    made: dict[Order, Index] = {}
    for fields in model.model_indexes:
        order = tuple((name.removeprefix("-"), name.startswith("-")) for name in fields)
        _check_fields(model, columns, [name for name, _ in order])
        rest = tuple((name, False) for name in model.model_key if name not in dict(order))
        if _is_key(model, order) or (*order, *rest) in made:
            what = "the key" if _is_key(model, order) else "an index that is declared before it"
            raise _refused(model, f"an index by {', '.join(fields)}, which is {what} over again", "leave it out")
        made[*order, *rest] = Index((*order, *rest))
    return tuple(made.values())


def limited_fields(model: type[ReadModel], index: Index, columns: Mapping[str, Column]) -> tuple[str, ...]:
    """Return the fields of an index that it limits in length, because PostgreSQL has room for so much in an entry.

    Which rows there may be depends on them, so they are part of the definition. The key is limited anyway.
    """
    return tuple(name for name, _ in index.order if name not in model.model_key and columns[name].bare in _LONG)


def check_entry(fields: Iterable[tuple[str, Scalar]]) -> None:
    """Refuse values of which one index would have to hold too much.

    Raises:
        TypeError: it would.
    """
    named = dict(fields)
    if sum(map(bytes_of, named.values())) > LONGEST_ENTRY:
        problem = f"expected at most {LONGEST_ENTRY:,} bytes, because there is an index by it"
        raise TypeError(f"{', '.join(named)}: {problem}")


def bytes_of(value: Scalar) -> int:
    """Return how long a value is, as text where it is none."""
    return len(value if isinstance(value, bytes) else str(value).encode())


def _check_fields(model: type[ReadModel], columns: Mapping[str, Column], names: Sequence[str]) -> None:
    for name in names:
        if name not in columns:
            raise _refused(
                model,
                f"an index by {name!r}, which is no field of it (fields: {', '.join(columns)})",
                'name fields, with a `-` where they are descending: `indexes=["status", ("status", "-opened")]`',
            )
        if columns[name].kind == "json":
            raise _refused(
                model, f"an index by {name!r}, a nested value", "name a field of a plain type, or search for its words"
            )
    if len(set(names)) < len(names):
        raise _refused(model, f"an index by {', '.join(names)}, with a field twice", "name each field once")
    if not 1 <= len(names) <= _MOST_FIELDS:
        raise _refused(model, f"an index by {len(names)} fields", f"name one to {_MOST_FIELDS} fields")


def _is_key(model: type[ReadModel], order: Order) -> bool:
    """Tell whether the key's own index does: it can be read from either end."""
    one_way = len({descending for _, descending in order}) == 1
    return one_way and tuple(name for name, _ in order) == model.model_key[: len(order)]


def _refused(model: type[ReadModel], what: str, mend: str) -> DeclarationError:
    return DeclarationError(what=f"read model {model.__name__} declares {what}", where=where_is(model), mend=mend)
