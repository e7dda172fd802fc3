"""Transaction: what a command handler reads and writes tables of its own with, in the transaction of its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from twofold.statements import Statements

LONGEST = 1.0
"""For so many seconds decisions are made in one transaction; those that are left conflict, and are made in the next."""


class Transaction(Statements):
    """The transaction that stores a command's events; a handler asks for it by annotation: `tx: Transaction`.

    What it writes is stored together with the handler's events, or not at all: a rejection, an error, or a conflict
    undoes it. Nothing else is decided meanwhile, by no process, so what is read stays true until the end; await
    nothing but the transaction. The history's own tables cannot be reached.

        rows = await tx.fetch("select free from stock where item = :item", item=command.item)
        await tx.execute("update stock set free = free - :n where item = :item", n=1, item=command.item)

    Write the SQL text yourself; whatever comes from outside goes into `values`, by name. After a statement has failed
    the transaction takes no other; let the error out, or raise `Rejected` instead.
    """

    __side__: ClassVar[str] = "write"
    if TYPE_CHECKING:
        __dir__: ClassVar[None]  # type: ignore[assignment]  # see twofold.wall
