"""Handlers take a message first; command handlers return events and nothing else."""

from collections.abc import Iterator

from examples.profiles.app import (
    GetProfile,
    Profile,
    ProfileUpdated,
    RegisterUser,
    UpdateProfile,
    User,
    UserRegistered,
)

from twofold import App, Command, Rejected, View

right, wrong = App("right"), App("wrong")


class Several(Command):
    pass


class Yielding(Command):
    pass


class Later(Command):
    pass


@right.command
def one_event(command: RegisterUser, user: User) -> UserRegistered:
    if user.registered:
        raise Rejected("already_registered", f"user {command.user_id} is registered already", name=command.name)
    return UserRegistered(command.user_id, command.name)


@right.command
def several_events(command: Several) -> list[UserRegistered | ProfileUpdated]:
    return []


@right.command
def a_generator(command: Yielding) -> Iterator[UserRegistered]:
    yield from ()


@right.command
async def an_async_handler(command: Later) -> tuple[UserRegistered, ProfileUpdated] | None:
    return None


@wrong.command  # error
def returns_a_text(command: RegisterUser, user: User) -> str:
    return ""


@wrong.command  # error
def returns_a_list_of_texts(command: UpdateProfile, user: User) -> list[str]:
    return []


@wrong.command  # error
async def returns_a_number_later(command: Later) -> int:
    return 1


@wrong.command  # error
def returns_a_read_model(command: Several) -> Profile | None:
    return None


@wrong.command
def returns_another_event(command: Yielding) -> UserRegistered:
    return ProfileUpdated(command.user_id, "", "")  # error


@wrong.command  # error
def takes_a_query(command: GetProfile, user: User) -> UserRegistered | None:
    return None


@wrong.query  # error
def takes_a_command(query: RegisterUser, profiles: View[Profile]) -> int:
    return 1


def looks(profiles: View[Profile], user: User) -> None:
    print(profiles.nosuch)  # error
    print(user.nosuch)  # error
