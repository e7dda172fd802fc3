"""An application of which decisions and folds can wait: each says so, and takes a byte of the standard input."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Literal, TypeAlias

from twofold import App, Command, Event, Metadata, Query, ReadModel, Tag, View

NoteId = Annotated[str, Tag("note")]
Held: TypeAlias = Literal["", "deciding", "folding"]


class Keep(Command):
    note: NoteId
    held: Held = ""


class Kept(Event):
    note: NoteId
    held: Held


class Note(ReadModel, key="note"):
    note: NoteId
    positions: list[int] = []

    def evolve(self, event: Kept, meta: Metadata) -> None:
        if event.held == "folding":
            wait(event.held)
        self.positions.append(meta.position)


class GetNotes(Query[dict[str, list[int]]]):
    pass


app = App("held")
# How many there are by default depends on the machine.
waiting = ThreadPoolExecutor(64)


@app.command
async def keep(command: Keep) -> Kept:
    if command.held == "deciding":
        await asyncio.get_running_loop().run_in_executor(waiting, wait, command.held)
    return Kept(command.note, command.held)


@app.query
async def get_notes(query: GetNotes, notes: View[Note]) -> dict[str, list[int]]:
    return {each.note: each.positions for each in await notes.find(order_by="note", limit=1000)}


def wait(told: Held) -> None:
    os.write(1, f"{told}\n".encode())
    os.read(0, 1)
