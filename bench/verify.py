"""Whether what was measured did what it should: the right events at the right positions, the right rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import UUID

import msgspec
from examples.profiles.app import GetProfile, RegisterUser

from bench.reading import reading
from bench.result import check
from bench.workload import Sent
from twofold import Node, Receipt


def history_holds(folder: Path, sent: Sequence[Sent], receipts: Sequence[Receipt]) -> None:
    """Check that each command's event is stored at its receipt's position, once, and nothing else is.

    Raises:
        WrongResult: it is not so.
    """
    expected = {command_id: command for command, command_id in sent}
    check(len(receipts) == len(sent), f"{len(sent)} commands were sent, {len(receipts)} receipts came back")
    with reading(folder / "history.db") as connection:
        stored = {
            UUID(bytes=command_id): (position, payload)
            for position, command_id, payload in connection.execute("SELECT position, command_id, payload FROM events")
        }
        ledger = connection.execute("SELECT count(*) FROM ledger WHERE outcome = 'accepted'").get
        tags = connection.execute("SELECT count(*) FROM tags").get
        positions = connection.execute("SELECT count(*), min(position), max(position) FROM events").fetchall()[0]
    check(positions == (len(sent), 1, len(sent)), f"expected positions 1 to {len(sent)}, found {positions}")
    check(ledger == tags == len(sent), f"{len(sent)} commands left {ledger} ledger rows and {tags} tag rows")
    for receipt in receipts:
        position, payload = stored[receipt.command_id]
        check(position == receipt.position, f"a receipt says {receipt.position}, its event is at {position}")
        fields = msgspec.json.decode(payload)
        check(fields == msgspec.to_builtins(expected[receipt.command_id]), f"event {position} is not its command's")


async def history_of_node_holds(node: Node, sent: Sequence[Sent], receipts: Sequence[Receipt]) -> None:
    """Check the same through an open node, on any engine; the ledger is not looked at.

    Raises:
        WrongResult: it is not so.
    """
    expected = {command_id: command for command, command_id in sent}
    check(len(receipts) == len(sent), f"{len(sent)} commands were sent, {len(receipts)} receipts came back")
    reached = {receipt.position: receipt.command_id for receipt in receipts}
    position = 0
    async for recorded in node.events():
        position += 1
        check(recorded.position == position, f"expected position {position}, found {recorded.position}")
        command_id = UUID(bytes=recorded.command_id)
        check(
            reached.get(position) == command_id, f"the event at {position} is not of the command whose receipt says so"
        )
        fields = msgspec.json.decode(recorded.payload)
        check(fields == msgspec.to_builtins(expected[command_id]), f"event {position} is not its command's")
    check(position == len(sent), f"expected {len(sent)} events, found {position}")


async def read_model_holds(node: Node, sent: Iterable[Sent], receipts: Iterable[Receipt]) -> None:
    """Check that every profile is what its user's commands, in the order of their positions, make of it.

    Raises:
        WrongResult: one is not.
    """
    position = {receipt.command_id: receipt.position for receipt in receipts}
    expected: dict[UUID, tuple[str, str, int]] = {}
    for command, _ in sorted(sent, key=lambda one: position[one[1]]):
        if isinstance(command, RegisterUser):
            expected[command.user_id] = (command.name, "", 0)
        else:
            expected[command.user_id] = (command.name, command.bio, expected[command.user_id][2] + 1)
    for user, fields in expected.items():
        profile = await node.ask(GetProfile(user))
        found = profile and (profile.name, profile.bio, profile.updates)
        check(found == fields, f"the profile of {user} is {found}, expected {fields}")
