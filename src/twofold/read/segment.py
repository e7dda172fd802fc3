"""Which segment of a read model a key belongs to. The rule is version 1 of it, and never changes under that number."""

from __future__ import annotations

import hashlib

import msgspec

from twofold.read.table import Key

_encode = msgspec.json.Encoder().encode


def segment_of(key: Key, segments: int) -> int:
    """Return the segment of a key: the first 8 bytes of the SHA-256 of its JSON array, as a number, modulo `segments`.

    It is the same in every process, on every machine, under every version of Python.
    """
    if segments == 1:
        return 0
    return int.from_bytes(hashlib.sha256(_encode(key)).digest()[:8], "big") % segments
