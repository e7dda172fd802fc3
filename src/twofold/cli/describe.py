"""`twofold describe`: the whole application on one page."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from twofold.cli.description import Description, WriteModelUse, description_of
from twofold.cli.fields import Field
from twofold.cli.mermaid import mermaid as diagram
from twofold.cli.options import Json, Target
from twofold.cli.output import for_people, print_json, visible
from twofold.cli.status import CommandLineError
from twofold.cli.target import load

if TYPE_CHECKING:
    from rich.table import Table


def describe(
    target: Target, /, *, json: Json = False, mermaid: Annotated[bool, Parameter(negative=())] = False
) -> None:
    """Describe the whole application.

    Its commands, the events that they lead to, the read models, the queries.

    Args:
        mermaid: Print a Mermaid diagram: command → events → read models → queries.
    """
    if json and mermaid:
        raise CommandLineError("give --json or --mermaid, not both")
    description = description_of(load(target))
    if mermaid:
        sys.stdout.buffer.write(diagram(description).encode())
    elif for_people(json):
        _show(description)
    else:
        print_json(description)


def _show(description: Description) -> None:
    from twofold.cli.terminal import console

    out = console()
    out.print(f"{description.name}\n", style="bold")
    for table in _tables(description):
        if table.rows:
            out.print(table)
    out.print("--mermaid draws it: command → events → read models → queries", style="dim")


def _tables(description: Description) -> Iterable[Table]:
    yield _table(
        "Commands",
        ("command", "fields", "decided on", "leads to", "about"),
        (
            (c.name, _fields(c.fields), _list(map(_use, c.write_models)), _list(c.events), c.about)
            for c in description.commands
        ),
    )
    yield _table(
        "Events",
        ("event", "fields", "tags", "read by", "about"),
        (
            (e.name, _fields(e.fields), _list(e.tags), _list((*e.write_models, *e.read_models)), e.about)
            for e in description.events
        ),
    )
    yield _table(
        "Read models",
        ("read model", "key", "fields", "folded from", "about"),
        ((m.name, _list(m.key), _fields(m.fields), _list(m.events), m.about) for m in description.read_models),
    )
    yield _table(
        "Queries",
        ("query", "fields", "answers", "from", "about"),
        ((q.name, _fields(q.fields), q.answer, _list(q.read_models), q.about) for q in description.queries),
    )


def _table(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    from twofold.cli.terminal import new_table

    found = list(rows)
    filled = [place for place in range(len(columns)) if any(row[place] for row in found)]
    table = new_table(title, *(columns[place] for place in filled))
    for row in found:
        table.add_row(*(visible(row[place]) or "-" for place in filled))
    return table


def _use(use: WriteModelUse) -> str:
    name = f"list of {use.name}" if use.many else use.name
    return f"{name} of {', '.join(use.tags) or 'all'}"


def _fields(fields: Iterable[Field]) -> str:
    return _list(field.name if field.required else f"{field.name}=" for field in fields)


def _list(words: Iterable[str]) -> str:
    return "\n".join(words)
