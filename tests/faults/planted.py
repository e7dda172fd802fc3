"""Histories with a planted bug each, which the checks must find."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.faults.saying import say
from twofold.clock import new_uuid
from twofold.engines.sqlite import SqliteHistory
from twofold.engines.sqlite.history import _append, _insert
from twofold.history.store import Appended, Decision, Outcome


async def held(decisions: Sequence[Decision]) -> None:
    """Where a writer of this name appends, say so, and wait for a line on standard input."""
    if decisions[0].submission.principal == "held":
        say("holding")
        await asyncio.to_thread(sys.stdin.readline)


class EarlyPositions(SqliteHistory):
    """Takes positions before the lock, as a database sequence does, so that they commit out of order."""

    async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        wanted = sum(len(each.events) for each in decisions)
        first = self._take(wanted)
        await held(decisions)
        outcomes: list[Appended] = []
        for each in decisions:
            outcomes.append(Appended(first, first + len(each.events) - 1))
            first += len(each.events)
        async with self._writer.transaction() as connection:
            _insert(connection, zip(decisions, outcomes, strict=True), 0)
        return outcomes

    def _take(self, count: int) -> int:
        with (self._file.path.parent / "counter").open("a+") as counter:
            fcntl.flock(counter, fcntl.LOCK_EX)
            counter.seek(0)
            first = int(counter.read() or "1")
            counter.seek(0)
            counter.truncate()
            counter.write(str(first + count))
        return first


KEPT_BACK = 20


class Late:
    """Lets what was answered already be committed soon; all that comes once more than 20 were accepted is kept back.

    So there is something to be lost whenever whoever answered is stopped, however slow that is.

    Attributes:
        may_come: set to let that be committed, too.
    """

    def __init__(self) -> None:
        self.may_come = asyncio.Event()
        self._accepted = 0

    def enter(self, decisions: Sequence[Decision], outcomes: Sequence[Outcome]) -> None:
        """Note what is answered."""
        for each, outcome in zip(decisions, outcomes, strict=True):
            self._accepted += each.rejection is None and isinstance(outcome, Appended)

    async def wait(self) -> None:
        """Return when what was noted last may be committed."""
        await asyncio.sleep(0.02)
        if self._accepted > KEPT_BACK:
            await self.may_come.wait()


class EarlyAnswers(SqliteHistory):
    """Answers before the commit, as if that could not be prevented any more."""

    _under_way: asyncio.Task[Sequence[Outcome]] | None = None

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._late = Late()

    async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        if self._under_way is not None:
            await self._under_way
        outcomes: Sequence[Outcome] = ()
        with contextlib.suppress(InterruptedError):
            async with self._writer.transaction() as connection:
                outcomes = _append(connection, decisions)
                raise InterruptedError
        self._late.enter(decisions, outcomes)
        self._under_way = asyncio.create_task(self._append_later(decisions))
        return outcomes

    async def _append_later(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        await self._late.wait()
        return await super().append(decisions)


def unclaimed(decisions: Sequence[Decision]) -> list[Decision]:
    """Return decisions whose commands claim their ids under a name of their own, each under another."""
    replace = msgspec.structs.replace
    return [replace(each, submission=replace(each.submission, principal=str(new_uuid()))) for each in decisions]


class NoClaims(SqliteHistory):
    """Finds no command that was accepted before."""

    async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        return await super().append(unclaimed(decisions))
