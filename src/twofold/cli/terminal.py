"""The console for people. Import it where something is shown to them: it takes a moment to load."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


class Terminal(Console):
    """A console on the standard output that leaves it to the program how it ends when nobody reads."""

    def on_broken_pipe(self) -> None:
        """Go on raising; rich would end the process with a status of its own."""
        raise BrokenPipeError


def console(*, errors: bool = False) -> Console:
    """Return a console that shows text as it is: it takes no markup from values.

    Args:
        errors: write to the standard error instead.
    """
    return Terminal(stderr=errors, markup=False, highlight=False, emoji=False)


def new_table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    """Return an empty table; columns named in `right` hold numbers."""
    table = Table(box=box.SIMPLE_HEAD, title=Text(title, "bold") if title else None, title_justify="left")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table
