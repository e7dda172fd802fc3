"""What senders were told, to be compared with what is stored."""

from __future__ import annotations

from uuid import UUID, uuid4

from tests.faults.stored import Lost, Stored
from twofold import Command, Receipt, Rejected
from twofold.errors import OutcomeUnknown, StoreError
from twofold.node import Node


class Answers:
    """What senders were told, by command id.

    Attributes:
        receipts: the positions of those that were accepted.
        rejected: those that were decided against.
        refused: those that were told that nothing was stored.
        unknown: those that were told that nobody knows, with what they had sent.
    """

    def __init__(self) -> None:
        self.receipts: dict[UUID, int] = {}
        self.rejected: set[UUID] = set()
        self.refused: set[UUID] = set()
        self.unknown: dict[UUID, Command] = {}

    async def send(self, node: Node, command: Command) -> bool:
        """Send a command under a new id; tell whether it was decided."""
        return await self._send(node, command, uuid4())

    async def send_unknown_again(self, node: Node) -> None:
        """Send what nobody knows of once more, under the same ids; what fails again is still unknown."""
        for command_id, command in list(self.unknown.items()):
            if await self._send(node, command, command_id):
                del self.unknown[command_id]
            self.refused.discard(command_id)

    async def _send(self, node: Node, command: Command, command_id: UUID) -> bool:
        try:
            receipt: Receipt = await node.send(command, command_id=command_id)
            self.receipts[command_id] = receipt.position
        except Rejected:
            self.rejected.add(command_id)
        except OutcomeUnknown:
            self.unknown[command_id] = command
            return False
        except StoreError:
            self.refused.add(command_id)
            return False
        return True

    def check(self, stored: Stored) -> None:
        """Check that nobody was told what is not so.

        Raises:
            Lost: somebody was.
        """
        stored.check()
        stored.check_acknowledged(self.receipts.items())
        for command_id in self.refused | self.rejected:
            if command_id in stored.accepted:
                raise Lost(f"{command_id} is stored, its sender was told that nothing was")
