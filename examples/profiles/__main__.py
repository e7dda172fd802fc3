"""Send and ask, in ten lines: `python -m examples.profiles`."""

import asyncio
from uuid import uuid4

from examples.profiles.app import GetProfile, RegisterUser, UpdateProfile, app


async def main() -> None:
    ada = uuid4()
    async with app.open("memory:") as node:
        await node.send(RegisterUser(ada, "Ada"))
        receipt = await node.send(UpdateProfile(ada, "Ada Lovelace", "the first programmer"))
        print(receipt)
        print(await node.ask(GetProfile(ada), after=receipt))


asyncio.run(main())
