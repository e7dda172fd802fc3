"""The outside world's two gifts to a pure core: the time, and ids that nobody else has."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from uuid import UUID


def now() -> datetime:
    """Return the time of this machine in UTC."""
    return datetime.now(UTC)


def new_id() -> bytes:
    """Return the 16 bytes of a new UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, then randomness.

    Ids of one millisecond are in no order; only positions order events.
    """
    milliseconds = time.time_ns() // 1_000_000
    bits = random.getrandbits(74)
    value = milliseconds << 80 | 0x7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | bits & (1 << 62) - 1
    return value.to_bytes(16, "big")


def new_uuid() -> UUID:
    """Return a new UUIDv7."""
    return UUID(bytes=new_id())
