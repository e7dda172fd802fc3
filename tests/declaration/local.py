"""An application that is declared inside a function, as a test may do; annotations are evaluated at once."""

from typing import Annotated

from twofold import App, Command, Event, Query, ReadModel, Tag, View, WriteModel


def declare() -> App:
    thing_id = Annotated[str, Tag("thing")]

    class Make(Command):
        thing: thing_id  # pyright: ignore

    class Made(Event):
        thing: thing_id  # pyright: ignore

    class Thing(WriteModel, tag="thing"):
        made: int = 0

        def evolve(self, event: Made) -> None:
            self.made += 1

    class Things(ReadModel, key="thing"):
        thing: str
        made: int = 0

        def evolve(self, event: Made) -> None:
            self.made += 1

    class CountThings(Query[int]):
        pass

    app = App("local")

    @app.command
    def make(command: Make, thing: Thing) -> Made:
        return Made(command.thing)

    @app.query
    async def count_things(query: CountThings, things: View[Things]) -> int:
        return await things.count()

    return app
