"""Tags: the labels by which events are found, and private values that must not be seen in them."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from typing import NewType
from uuid import UUID

from twofold.errors import DeclarationError, InvalidMessage

_KIND = re.compile(r"[a-z][a-z0-9_-]*\Z")
_LONGEST_TAG = 512
TAG_VALUES: tuple[type, ...] = (UUID, str, int, date, Enum)
_HASH = re.compile(r"[A-Za-z0-9_-]{32}\Z")
_SHORTEST_KEY, _LONGEST_KEY = 16, 64

Hashed = NewType("Hashed", str)
"""The hash of a private value, as `Tag.hash` gives it: what an event carries that must not hold the value itself."""


class Tag:
    """Marks a field whose value labels the event: `UserId = Annotated[UUID, Tag("user")]`.

    The event is then found by `user:0191…`; on a command the same field tells which write models to load.

    A private value is hashed in the tag: `Tag("email", hashed=True)`. Equal values have equal hashes, for ever and in
    every process, so that whoever can guess a value can tell whether it is there; with a `key`, only who has the key.

    Args:
        kind: a short lower-case word.
        hashed: keep the value itself out of the tag.
        key: a secret of 16 to 64 bytes that the hash depends on. It can never be changed: other tags, other boundaries.

    Raises:
        DeclarationError: `kind` is not made of lower-case letters, digits, `_` and `-`; the key is too short or too
            long, or there is nothing that is hashed with it.
    """

    __slots__ = ("_key", "hashed", "kind")

    def __init__(self, kind: str, *, hashed: bool = False, key: bytes = b"") -> None:
        if not isinstance(kind, str) or not _KIND.match(kind):
            raise _wrong_tag(f"{kind!r} is no tag kind", 'use a short lower-case word, as in Tag("user")')
        if key and not hashed:
            raise _wrong_tag(
                f"tag {kind!r} has a key, and is not hashed", f'say that it is: Tag("{kind}", hashed=True, key=…)'
            )
        if key and not (isinstance(key, bytes) and _SHORTEST_KEY <= len(key) <= _LONGEST_KEY):
            raise _wrong_tag(
                f"the key of tag {kind!r} is not of {_SHORTEST_KEY} to {_LONGEST_KEY} bytes",
                "make one with secrets.token_bytes(32), and keep it outside the code",
            )
        self.kind = kind
        self.hashed = hashed
        self._key = key

    def text(self, value: object) -> str:
        """Return `kind:value`, or `kind:hash`: the form in which tags are stored and looked up.

        Raises:
            InvalidMessage: the value is empty, longer than 512 characters, or of a type that has no stable text.
        """
        return f"{self.kind}:{self.hash(value)}" if self.hashed else tag_text(self.kind, value)

    def hash(self, value: object) -> Hashed:
        """Return what stands for a value in a hashed tag, for a field of type `Annotated[Hashed, …]`.

        It is the 24 bytes of BLAKE2b (RFC 7693), keyed if the tag has a key, personalised with `twofold tag 1`, over
        the kind, a zero byte and the value's text in UTF-8; written in the URL's base 64 (RFC 4648).

        Raises:
            InvalidMessage: as for `text`.
        """
        text = f"{self.kind}\0{_value_text(self.kind, value)}".encode(errors="surrogatepass")
        digest = blake2b(text, digest_size=24, key=self._key, person=b"twofold tag 1").digest()
        return Hashed(urlsafe_b64encode(digest).decode())

    def text_of_hash(self, value: object) -> str:
        """Return the tag for what `hash` gave.

        Raises:
            InvalidMessage: it is no hash.
        """
        if not isinstance(value, str) or not _HASH.match(value):
            raise InvalidMessage(
                message=f"tag {self.kind}", field="", problem="expected the 32 characters that Tag.hash gives"
            )
        return f"{self.kind}:{value}"

    def __repr__(self) -> str:
        # Never the key: annotations are printed and logged.
        return f"Tag({self.kind!r}{', hashed=True' if self.hashed else ''}{', key=…' if self._key else ''})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tag) and (other.kind, other.hashed, other._key) == (self.kind, self.hashed, self._key)

    def __hash__(self) -> int:
        return hash((Tag, self.kind, self.hashed))


def _wrong_tag(what: str, mend: str) -> DeclarationError:
    return DeclarationError(what=what, where="Tag(...)", mend=mend)


@lru_cache(maxsize=16_384, typed=True)
def tag_text(kind: str, value: object) -> str:
    """Return `kind:value`, the form in which tags are stored and looked up.

    Raises:
        InvalidMessage: the value is empty, longer than 512 characters, or of a type that has no stable text.
    """
    return f"{kind}:{_value_text(kind, value)}"


def _value_text(kind: str, value: object) -> str:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, datetime) or not isinstance(value, TAG_VALUES):
        raise InvalidMessage(
            message=f"tag {kind}",
            field="",
            problem=f"expected a UUID, str, int, date or Enum of these, found {type(value).__name__}",
        )
    text = value if isinstance(value, str) else str(value)
    if not text or len(text) > _LONGEST_TAG:
        raise InvalidMessage(
            message=f"tag {kind}",
            field="",
            problem=f"expected 1 to {_LONGEST_TAG} characters, found {len(text)}",
        )
    return text
