"""The wall between the sides: commands are decided from write models, queries are answered from views."""

from examples.profiles.app import GetProfile, Profile, RegisterUser, UpdateProfile, User, UserRegistered

from twofold import App, Context, Query, Transaction, View


class CountUsers(Query[int]):
    pass


class Clock:
    pass


right, wrong = App("right"), App("wrong")


@right.command
def everything_that_a_command_may_ask_for(
    command: RegisterUser, user: User, context: Context, clock: Clock
) -> UserRegistered | None:
    return None


@right.query
async def everything_that_a_query_may_ask_for(
    query: GetProfile, profiles: View[Profile], context: Context, clock: Clock
) -> Profile | None:
    return await profiles.get(query.user_id)


@right.query
def a_plain_query(query: CountUsers) -> int:
    return 1


@right.command
async def a_command_that_writes_rows_of_its_own(command: UpdateProfile, user: User, tx: Transaction) -> None:
    changed: int = await tx.execute("update names set name = :name", name=command.name)
    rows = await tx.fetch("select name from names limit :n", n=changed)
    print(rows[0]["name"])


@wrong.command  # error
def a_command_that_asks_for_a_view(command: RegisterUser, profiles: View[Profile]) -> UserRegistered | None:
    return None


@wrong.command  # error
def a_command_that_asks_for_a_view_too(
    command: UpdateProfile, user: User, profiles: View[Profile]
) -> UserRegistered | None:
    return None


@wrong.query  # error
async def a_query_that_asks_for_a_write_model(query: GetProfile, user: User) -> Profile | None:
    return None


@wrong.query  # error
async def a_query_that_asks_for_a_write_model_too(query: CountUsers, profiles: View[Profile], user: User) -> int:
    return 1


@wrong.query  # error
async def a_query_that_asks_for_a_transaction(query: CountUsers, tx: Transaction) -> int:
    return 1


@wrong.query
async def a_view_of_a_write_model(query: GetProfile, users: View[User]) -> Profile | None:  # error
    return None
