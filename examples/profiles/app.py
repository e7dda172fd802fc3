"""The README's example: users register and change their profiles."""

from typing import Annotated
from uuid import UUID

from twofold import App, Command, Event, Query, ReadModel, Rejected, Tag, View, WriteModel

UserId = Annotated[UUID, Tag("user")]


class RegisterUser(Command):
    user_id: UserId
    name: str


class UpdateProfile(Command):
    user_id: UserId
    name: str
    bio: str = ""


class UserRegistered(Event):
    user_id: UserId
    name: str


class ProfileUpdated(Event):
    user_id: UserId
    name: str
    bio: str


class User(WriteModel, tag="user"):
    registered: bool = False

    def evolve(self, event: UserRegistered) -> None:
        self.registered = True


class Profile(ReadModel, key="user_id"):
    user_id: UserId
    name: str = ""
    bio: str = ""
    updates: int = 0

    def evolve(self, event: UserRegistered | ProfileUpdated) -> None:
        match event:
            case UserRegistered(name=name):
                self.name = name
            case ProfileUpdated(name=name, bio=bio):
                self.name, self.bio = name, bio
                self.updates += 1


class GetProfile(Query[Profile | None]):
    user_id: UserId


app = App("profiles")


@app.command
def register_user(command: RegisterUser, user: User) -> UserRegistered:
    if user.registered:
        raise Rejected("already_registered", f"user {command.user_id} is registered already")
    return UserRegistered(command.user_id, command.name)


@app.command
def update_profile(command: UpdateProfile, user: User) -> ProfileUpdated:
    if not user.registered:
        raise Rejected("unknown_user", f"no user {command.user_id}")
    return ProfileUpdated(command.user_id, command.name, command.bio)


@app.query
async def get_profile(query: GetProfile, profiles: View[Profile]) -> Profile | None:
    return await profiles.get(query.user_id)
