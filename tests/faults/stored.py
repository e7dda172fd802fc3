"""What a history holds, read with nothing but its engine's own SQL, and what must be true of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw

from tests.faults.bank import examine
from twofold.history.record import Recorded


class Lost(AssertionError):
    """Something that was acknowledged is not stored as it was acknowledged."""


class Stored:
    """The content of a history.

    Args:
        records: all events.
        tags: position and tag of each row of the index by tag.

    Attributes:
        accepted: the position that each accepted command reached.
        rejections: reason and position of each rejected one.
    """

    def __init__(self, records: Iterable[Recorded] = (), tags: Iterable[tuple[int, str]] = ()) -> None:
        self.records = list(records)
        self.accepted: dict[UUID, int] = {}
        self.rejections: list[tuple[str, int]] = []
        wanted = [(recorded.position, tag) for recorded in self.records for tag in recorded.tags]
        assert sorted(tags) == sorted(wanted), "events and tags differ"

    def enter(self, command_id: UUID, outcome: str, reason: str, position: int) -> None:
        """Take in a row of the ledger."""
        if outcome == "accepted":
            assert command_id not in self.accepted, f"{command_id} was accepted twice"
            self.accepted[command_id] = position
        elif outcome.startswith("rejected"):
            self.rejections.append((reason, position))

    def check(self) -> None:
        """Check that the events follow from one another, that none is without its ledger entry, and none is partial."""
        examine(self.records, self.rejections)
        last: dict[UUID, int] = {}
        for recorded in self.records:
            command_id = recorded.metadata.command_id
            before = last.get(command_id)
            assert before is None or before == recorded.position - 1, f"{command_id} is not in one piece"
            last[command_id] = recorded.position
        for command_id, position in last.items():
            assert self.accepted.get(command_id) == position, f"{command_id} is stored in part"

    def check_acknowledged(self, receipts: Iterable[tuple[UUID, int]]) -> None:
        """Check that all that was acknowledged is stored.

        Raises:
            Lost: something is not.
        """
        for command_id, position in receipts:
            if self.accepted.get(command_id) != position:
                raise Lost(f"{command_id} was acknowledged at {position}, stored is {self.accepted.get(command_id)}")


def stored_in(folder: Path) -> Stored:
    """Return what a `history.db` holds; reading it recovers the file as any opening does."""
    if (folder / "views.db").exists():
        _intact(folder / "views.db").close()
    if not (folder / "history.db").exists():
        return Stored()
    connection = _intact(folder / "history.db")
    try:
        return _read(connection) if connection.execute("SELECT count(*) FROM sqlite_schema").get else Stored()
    finally:
        connection.close()


def _read(connection: apsw.Connection) -> Stored:
    records: list[Recorded] = []
    for row in connection.execute("SELECT * FROM events ORDER BY position"):
        values: list[Any] = list(row)
        values[3] = values[3].encode()
        values[7], values[8] = values[7] or values[6], values[8] or values[6]
        records.append(Recorded(*values))
    tags: list[Any] = connection.execute("SELECT position, tag FROM tags").fetchall()
    stored = Stored(records, tags)
    for command_id, outcome, reason, position in connection.execute(
        "SELECT command_id, outcome, reason, position FROM ledger ORDER BY entry"
    ):
        stored.enter(UUID(bytes=command_id), outcome, reason, position)
    return stored


def _intact(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    problems = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    assert problems == ["ok"], f"{path.name}: {problems}"
    return connection


def rows_of(folder: Path, model: str = "statement") -> list[tuple[Any, ...]]:
    """Return the rows of a read model that other SQL tools see under its live name, in order."""
    connection = apsw.Connection(str(folder / "views.db"))
    try:
        return sorted(connection.execute(f'SELECT * FROM "{model}"').fetchall())
    finally:
        connection.close()
