"""What is sent: commands of examples/profiles, the same for every contender, and a loop that keeps many in flight."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from examples.profiles.app import RegisterUser, UpdateProfile

from twofold import Node, Receipt
from twofold.clock import new_uuid

Sent = tuple[RegisterUser | UpdateProfile, UUID]
BIO = "Writes programs for machines that are not built yet; likes mathematics, music and long letters ({})."


def users(count: int) -> list[UUID]:
    """Return new user ids (UUIDv7)."""
    return [new_uuid() for _ in range(count)]


def registrations(of: Iterable[UUID]) -> Iterator[Sent]:
    """Yield a RegisterUser for each user, with a command id."""
    for number, user in enumerate(of):
        yield RegisterUser(user, f"User number {number}"), new_uuid()


def updates(of: Sequence[UUID], count: int) -> Iterator[Sent]:
    """Yield UpdateProfiles spread at random (but always the same way) over the users, with command ids."""
    choose = random.Random(20).choice
    for number in range(count):
        yield UpdateProfile(choose(of), f"User at {number}", BIO.format(number)), new_uuid()


async def closed_loop(node: Node, sent: Iterable[Sent], in_flight: int) -> list[Receipt]:
    """Send commands under their ids, so many at a time; return the receipts in the order of arrival."""
    waiting = iter(sent)
    receipts: list[Receipt] = []

    async def sender() -> None:
        for command, command_id in waiting:
            receipts.append(await node.send(command, command_id=command_id))

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(sender())
    return receipts
