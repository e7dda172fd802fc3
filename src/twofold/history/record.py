"""An event before and after it is stored, and the command that caused it.

Different states, different words: `Proposed` has no position yet, `Recorded` has one for ever.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import TypeAlias
from uuid import UUID

import msgspec

from twofold.message import Metadata

Position: TypeAlias = int
"""An event's place in the history: 1, 2, 3 … dense, gap-free, never reused. 0 is before the first."""


class Proposed(msgspec.Struct, frozen=True, gc=False):
    """An event that a decision wants to append: encoded and checked, not stored yet."""

    id: bytes
    type: str
    version: int
    tags: tuple[str, ...]
    payload: bytes


class Submission(msgspec.Struct, frozen=True, gc=False):
    """A command as the ledger keeps it: its identity, its exact payload, and who sent it for what reason.

    `tags` are those that the command's own fields carry. `is_first` tells that the id was made for this very command,
    so that nobody can have used it before. `only_key` tells that the ledger keeps what repeats are told by, and not the
    payload, the tags or the reason of a rejection.
    """

    command_id: UUID
    type: str
    payload: bytes
    principal: str = ""
    tenant: str = ""
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    is_first: bool = False
    tags: tuple[str, ...] = ()
    only_key: bool = False

    @property
    def fingerprint(self) -> bytes:
        """What tells a repeat from another command under the same id."""
        return fingerprint(self.type, self.payload)

    @property
    def scope(self) -> tuple[str, str, UUID]:
        """The key under which the command is decided once: tenant, principal and command id."""
        return (self.tenant, self.principal, self.command_id)

    @property
    def key(self) -> tuple[str, str, int]:
        """The same for a dict: an int is hashed several times as fast as a UUID."""
        return (self.tenant, self.principal, self.command_id.int)


def fingerprint(type_: str, payload: bytes) -> bytes:
    """Return the SHA-256 of a command's type, a zero byte, and its exact payload."""
    return sha256(b"%b\0%b" % (type_.encode(), payload)).digest()


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event as the history holds it.

    Fields are kept in the form in which engines store them, because a projection of millions of events needs only a
    few of them; `id`, `tags` and `metadata` decode on demand. `payload` is the exact JSON as written, `recorded_at`
    counts microseconds since 1970 in UTC by the database's clock, ids are 16 bytes, `tag_text` is a JSON array.
    """

    position: Position
    type: str
    version: int
    payload: bytes
    event_id: bytes
    tag_text: str
    command_id: bytes
    correlation_id: bytes
    causation_id: bytes
    principal: str
    tenant: str
    recorded_at: int

    @property
    def id(self) -> UUID:
        """The event's own id, a UUIDv7."""
        return UUID(bytes=self.event_id)

    @property
    def tags(self) -> tuple[str, ...]:
        """The labels by which the event is found."""
        return msgspec.json.decode(self.tag_text, type=tuple[str, ...])

    @property
    def metadata(self) -> Metadata:
        """All that the history knows besides the event's own fields."""
        return Metadata(
            position=self.position,
            event_id=UUID(bytes=self.event_id),
            time=datetime.fromtimestamp(self.recorded_at / 1_000_000, UTC),
            command_id=UUID(bytes=self.command_id),
            correlation_id=UUID(bytes=self.correlation_id),
            causation_id=UUID(bytes=self.causation_id),
            principal=self.principal,
            tenant=self.tenant,
        )
