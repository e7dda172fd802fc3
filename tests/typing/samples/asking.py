"""`ask` answers with the query's own type; `send` takes commands, `ask` takes queries."""

from typing import assert_type
from uuid import UUID

from examples.profiles.app import GetProfile, Profile, RegisterUser, app

from twofold import Node, Query, Receipt


class CountUsers(Query[int]):
    pass


class ListUsers(Query[list[Profile]]):
    limit: int = 10


async def use(node: Node, user_id: UUID) -> None:
    receipt = await node.send(RegisterUser(user_id, "Ada"))
    assert_type(receipt, Receipt)
    assert_type(await node.ask(GetProfile(user_id), after=receipt), Profile | None)
    assert_type(await node.ask(CountUsers(), after=receipt.position), int)
    assert_type(await node.ask(ListUsers(limit=3)), list[Profile])
    assert_type(app.open("memory:"), Node)

    wrong: str = await node.ask(CountUsers())  # error
    profile = await node.ask(GetProfile(user_id))
    print(wrong, profile.name)  # error
    await node.send(GetProfile(user_id))  # error
    await node.ask(RegisterUser(user_id, "Ada"))  # error
    await node.ask(CountUsers(), after="1")  # error
    await node.ask(CountUsers(), nosuch=1)  # error
