"""The outside world's gifts to a pure core: the time, and what nobody else has."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from uuid import UUID

_VERSION = 0x7 << 76 | 0b10 << 62
_RANDOM = (1 << 80) - 1 & ~(0xF << 76 | 0b11 << 62)


def now() -> datetime:
    """Return the time of this machine in UTC."""
    return datetime.now(UTC)


def new_id() -> bytes:
    """Return the 16 bytes of a new UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, then randomness.

    Ids of one millisecond are in no order; only positions order events.
    """
    value = time.time_ns() // 1_000_000 << 80 | random.getrandbits(80) & _RANDOM | _VERSION
    return value.to_bytes(16, "big")


def new_epoch() -> int:
    """Return an epoch for a table that was dropped before, of which nobody remembers the epochs: 48 bits of chance."""
    return random.getrandbits(48)


def new_uuid() -> UUID:
    """Return a new UUIDv7."""
    return UUID(bytes=new_id())
