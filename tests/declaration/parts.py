"""Messages and models that are declared rightly, to declare something wrong with."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from twofold import Command, Event, Query, ReadModel, Tag, WriteModel

UserId = Annotated[UUID, Tag("user")]
TeamId = Annotated[str, Tag("team")]


class Join(Command):
    user: UserId
    note: str = ""


class Leave(Command):
    user: UserId


class Rename(Command):
    team: TeamId
    name: str


class Merge(Command):
    source: TeamId
    target: TeamId


class MergeFor(Command):
    user: UserId
    source: TeamId
    target: TeamId


class Invite(Command):
    users: list[UserId]
    team: TeamId


class Joined(Event):
    user: UserId
    note: str = ""


class Left(Event):
    user: UserId


class Renamed(Event):
    team: TeamId
    name: str


class Invited(Event):
    user: UserId
    team: TeamId


class Noted(Event):
    note: str


class User(WriteModel, tag="user"):
    joined: bool = False

    def evolve(self, event: Joined | Left) -> None:
        self.joined = isinstance(event, Joined)


class Team(WriteModel, tag="team"):
    name: str = ""

    def evolve(self, event: Renamed) -> None:
        self.name = event.name


class Membership(WriteModel, tag=("user", "team")):
    invited: bool = False

    def evolve(self, event: Invited) -> None:
        self.invited = True


class Everyone(WriteModel, tag=None):
    count: int = 0

    def evolve(self, event: Invited | Noted) -> None:
        self.count += 1


class Member(ReadModel, key="user"):
    user: UUID
    note: str = ""

    def evolve(self, event: Joined) -> None:
        self.note = event.note


class GetMember(Query[Member | None]):
    user: UUID


class CountMembers(Query[int]):
    pass


class Clock:
    """A dependency."""
