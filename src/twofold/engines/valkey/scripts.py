"""The engine's Lua, read once from the `.lua` files beside this module."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

import msgspec

_OF_NODES = frozenset(("attend", "leave", "nodes"))
_READING = frozenset(
    ("standing", "checkpoint", "status", "versions", "get", "find", "count", "parked_keys", "parked", "nodes")
)


class Script(msgspec.Struct, frozen=True):
    """A script that the server runs as one step: its text, the digest under which the server knows it, and its rights.

    The server lets one that `reads` write nothing (R6).
    """

    text: str
    sha: str
    reads: bool


@cache
def script(name: str) -> Script:
    """Return `lua/NAME.lua` with what it shares with others before it."""
    reads = name in _READING
    shared = ["_time"] if name in _OF_NODES else ["_time", "_table", *([] if reads else ["_writing"])]
    # Without flags, a script that writes is refused before its first line where memory or disk is full.
    text = "\n".join([f"#!lua{' flags=no-writes' if reads else ''}", *map(_text, [*shared, name])])
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), reads)


def _text(name: str) -> str:
    text = resources.files("twofold.engines.valkey").joinpath("lua", f"{name}.lua").read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
