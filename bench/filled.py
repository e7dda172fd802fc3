"""Histories and read models that are there before a measurement begins."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from uuid import UUID

from examples.profiles.app import ProfileUpdated, RegisterUser, UserRegistered, app

from bench.result import check
from bench.workload import Sent, registrations, updates
from twofold import Event, wire
from twofold.clock import new_id
from twofold.history.boundary import Condition, Selection
from twofold.history.record import Submission
from twofold.history.store import Appended, Decision, History

_BATCH = 1_000


def fill(folder: Path, users: Sequence[UUID], events: int) -> None:
    """Append so many events through the engine itself: each user's registration, then updates spread over them."""
    fill_at(f"sqlite:///{folder}", users, events)


def fill_at(url: str, users: Sequence[UUID], events: int) -> None:
    """Do the same at any storage address."""
    check(events >= len(users), "fewer events than users")
    asyncio.run(_fill(url, chain(registrations(users), updates(users, events - len(users)))))


def project(folder: Path) -> None:
    """Make the read models of a filled folder."""
    asyncio.run(_project(folder))


async def _project(folder: Path) -> None:
    async with app.open(f"sqlite:///{folder}", roles=("read", "project")) as node:
        await node.caught_up(timeout=600)


async def _fill(url: str, sent: Iterator[Sent]) -> None:
    async with app.open(url, roles=("write",)) as node:
        await append_all(node.history, sent)


async def append_all(history: History, sent: Iterator[Sent]) -> None:
    """Append each command's event, unconditionally, in large batches."""
    while batch := [_decision(one, seen) for seen, one in enumerate(islice(sent, _BATCH))]:
        outcomes = await history.append(batch)
        check(all(isinstance(outcome, Appended) for outcome in outcomes), "the history could not be filled")


def _decision(sent: Sent, seen: int) -> Decision:
    command, command_id = sent
    event: Event
    if isinstance(command, RegisterUser):
        event = UserRegistered(command.user_id, command.name)
    else:
        event = ProfileUpdated(command.user_id, command.name, command.bio)
    submission = Submission(command_id, type(command).message_name, wire.checked(command))
    return Decision(submission, Condition(Selection(), 0, seen), (app.codec.propose(event, new_id()),))
