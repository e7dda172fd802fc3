"""What surrounds a message: who sent it, when, under which id, caused by what."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime
from uuid import UUID

import msgspec

from twofold.errors import InvalidMessage
from twofold.wire import problem_of

_LONGEST_NAME = 512


class Principal(msgspec.Struct, frozen=True):
    """Who sends a command or asks a query.

    Args:
        name: a stable identifier, no personal data: it is stored with every event.
        scopes: what the principal may do.

    Raises:
        InvalidMessage: the name is no text, is longer than 512 characters, or has characters that no database holds; or
            the scopes are no set.
    """

    name: str = ""
    scopes: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        # It must fail here, alone, and not in the append with all that waits beside it.
        if not isinstance(self.name, str):
            problem = f"expected text, found {type(self.name).__name__}"
        elif len(self.name) > _LONGEST_NAME:
            problem = f"expected {_LONGEST_NAME} characters at most, found {len(self.name)}"
        else:
            problem = problem_of(self.name)
        if problem:
            raise InvalidMessage(message="Principal", field="name", problem=f"name: {problem}")
        # In a text, `"edit" in scopes` would be true of a part of another scope.
        if not isinstance(self.scopes, Set):
            problem = f"expected a frozenset, found {type(self.scopes).__name__}"
            raise InvalidMessage(message="Principal", field="scopes", problem=f"scopes: {problem}")


ANONYMOUS = Principal()


class Context(msgspec.Struct, frozen=True, gc=False):
    """What a handler may know besides the message; ask for it by annotation: `context: Context`.

    `now` is the node's clock in UTC, read once for the message. It orders nothing: only positions do.
    `is_preview` tells that nothing will be stored: what has effects elsewhere should leave them out.
    """

    now: datetime
    principal: Principal = ANONYMOUS
    command_id: UUID | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    tenant: str = ""
    is_preview: bool = False


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The acknowledgement of an accepted command.

    `position` is what its events reached: pass the receipt as `after=` to read your own write.
    `repeated` tells that the command had been accepted earlier, under the same id.
    """

    command_id: UUID
    position: int
    repeated: bool = False
