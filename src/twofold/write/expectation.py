"""What a sender expects: that the boundary of its command has not changed since a position that it knows."""

from __future__ import annotations

from twofold.errors import ChangedSince, InvalidMessage
from twofold.history.boundary import Selection
from twofold.history.record import Position
from twofold.history.store import History
from twofold.write.group import GroupCommit


class Expectations:
    """Looks whether boundaries are as their senders expect them.

    The last word is the append's: its condition names the expected position as well, so that nothing comes between.
    """

    def __init__(self, history: History, group: GroupCommit) -> None:
        self._history = history
        self._group = group

    async def check(self, command: str, selection: Selection, expected: Position) -> None:
        """Return when nothing durable, and nothing that waits to be, has changed a boundary since a position.

        What waits may come to nothing, and nobody is refused for that: it is waited for.

        Args:
            command: the command's name, for the error.
            selection: its boundary.
            expected: the position after which no event of it may lie.

        Raises:
            ChangedSince: one does, or the history has never reached that position.
            InvalidMessage: the command rests on nothing, so that no change could be noticed.
            StoreError: the history cannot be read.
        """
        if not selection.criteria:
            problem = (
                "its handler asks for no write model, so that no change could be noticed; send it without expected="
            )
            raise InvalidMessage(message=command, field="", problem=problem)
        if expected > self._group.position and expected > (head := await self._history.head()):
            unknown = f"position {expected}, which {command} expects, is beyond the history's head {head}; nothing was "
            raise ChangedSince(f"{unknown}stored, ask again", command=command, expected=expected, position=head)
        while True:
            async for batch in self._history.read(selection, after=expected, limit=1):
                raise ChangedSince(command=command, expected=expected, position=batch[0].position)
            if not self._group.is_pending_on(selection):
                return
            await self._group.settled.wait()
