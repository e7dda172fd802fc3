"""Keys as bytes that sort as the keys do: a sorted set of them is the index by which pages of rows are found.

This is the first form of it. Whatever changes it has to change `FORM`, so that tables of the old form are left alone.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from twofold.read.column import Scalar
from twofold.read.table import Table

FORM = "1"

_INTEGER = struct.Struct(">Q")
_COMPLEMENT = bytes(255 - n for n in range(256))


class Keys:
    """How the keys of a read model are encoded, one field after another, so that a key's first fields are a prefix.

    Args:
        table: the read model's table.
    """

    def __init__(self, table: Table[Any]) -> None:
        self.names = table.key
        self._encoders = [_encoder(table.column(name).kind) for name in table.key]

    def encoded(self, values: Sequence[Scalar]) -> bytes:
        """Return a key as bytes, or its first fields."""
        return b"".join([encode(value) for encode, value in zip(self._encoders, values, strict=False)])


@lru_cache(1024)
def keys_of(table: Table[Any]) -> Keys:
    """Return how a table's keys are encoded."""
    return Keys(table)


def after_all(prefix: bytes) -> bytes | None:
    """Return the first bytes behind all that begin with a prefix; None where nothing is behind them."""
    bare = prefix.rstrip(b"\xff")
    return bare[:-1] + bytes((bare[-1] + 1,)) if bare else None


def _encoder(kind: str) -> Callable[[Any], bytes]:
    match kind:
        case "integer" | "boolean":
            return lambda value: _INTEGER.pack(value + 2**63)
        case "real":
            return _real
        case "bytes":
            return lambda value: value.replace(b"\0", b"\0\xff") + b"\0\0"
        case "decimal":
            return lambda value: _decimal(Decimal(value))
        case _:
            # No text holds U+0000. UTF-8 sorts as code points do.
            return lambda value: value.encode() + b"\0"


def _real(value: float) -> bytes:
    # Zero has two signs and is one key.
    (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))
    return _INTEGER.pack(bits ^ (2**64 - 1) if bits >> 63 else bits | 2**63)


def _decimal(value: Decimal) -> bytes:
    if not value:
        return b"\1"
    digits = "".join(map(str, value.as_tuple().digits)).lstrip("0").rstrip("0")
    size = _INTEGER.pack(value.adjusted() + 2**63) + digits.encode() + b"\0"
    return b"\2" + size if value > 0 else b"\0" + size.translate(_COMPLEMENT)
