"""`Node.sync` is typed like the node itself; middleware returns receipts."""

from collections.abc import Iterator
from typing import assert_type
from uuid import UUID

from examples.profiles.app import GetProfile, Profile, RegisterUser, app

from twofold import Answer, Command, Preview, Proceed, Receipt, SyncNode


def use(user_id: UUID) -> None:
    with app.open("memory:").sync as node:
        assert_type(node, SyncNode)
        receipt = node.send(RegisterUser(user_id, "Ada"), timeout=1, expected=0)
        assert_type(receipt, Receipt)
        assert_type(node.ask(GetProfile(user_id), after=receipt), Profile | None)
        assert_type(node.answer(GetProfile(user_id)), Answer[Profile | None])
        assert_type(node.preview(RegisterUser(user_id, "Ada"), as_of=receipt), Preview)
        events: Iterator[object] = node.events(types=["UserRegistered"])
        print(events)

        node.send(GetProfile(user_id))  # error
        node.ask(RegisterUser(user_id, "Ada"))  # error
        node.send(RegisterUser(user_id, "Ada"), nosuch=1)  # error


@app.around_command
async def passes(command: Command, proceed: Proceed) -> Receipt:
    return await proceed()


@app.around_command  # error
async def answers_nothing(command: Command, proceed: Proceed) -> None:
    await proceed()
