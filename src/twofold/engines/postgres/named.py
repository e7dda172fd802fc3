"""Values by name in SQL text: `:least` becomes `$1`, with the value as the driver wants it for the inferred type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from twofold.statements import with_names


def numbered(text: str, first: int = 1) -> tuple[str, list[str]]:
    """Return the text with numbers for names, and the names in the order of their numbers."""
    names: list[str] = []

    def number(name: str) -> str:
        if name not in names:
            names.append(name)
        return f"${names.index(name) + first}"

    return with_names(text, number), names


def converted(value: Any, kind: str) -> Any:
    """Return a value, as rows hold it, for a parameter of a type of PostgreSQL.

    Raises:
        ValueError, TypeError, ArithmeticError: it is no such value.
    """
    if value is None:
        return None
    if kind.endswith("[]"):
        values: Sequence[Any] = msgspec.json.decode(value, type=list[Any])
        return [converted(each, kind.removesuffix("[]")) for each in values]
    return _CONVERSIONS[kind](value) if kind in _CONVERSIONS else value


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "bool": bool,
    "date": date.fromisoformat,
    "interval": lambda value: msgspec.json.decode(value, type=timedelta),
    "numeric": lambda value: Decimal(str(value)),
    "time": time.fromisoformat,
    "timestamp": lambda value: _moment(value).astimezone(UTC).replace(tzinfo=None),
    "timestamptz": _moment,
}
