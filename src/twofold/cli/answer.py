"""A query's answer for people: a table where it is a list of records, else what fits it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from twofold.cli.output import visible
from twofold.cli.terminal import console, new_table


def show_answer(answer: Any) -> None:
    """Print an answer for people."""
    plain = msgspec.json.decode(msgspec.json.encode(answer))
    out = console()
    if isinstance(plain, list) and plain and all(isinstance(row, dict) for row in plain):
        out.print(_records(plain))
        out.print(f"{len(plain)} row{'' if len(plain) == 1 else 's'}")
    elif isinstance(plain, list) and plain:
        for each in plain:
            out.print(_cell(each))
    elif isinstance(plain, dict) and plain:
        out.print(_record(plain))
    else:
        out.print("nothing" if plain is None or plain in ([], {}) else _cell(plain))


def _records(rows: Sequence[Mapping[str, Any]]) -> Any:
    names = list(dict.fromkeys(name for row in rows for name in row))
    numbers = tuple(name for name in names if all(_is_number(row.get(name)) for row in rows))
    table = new_table("", *(visible(name) for name in names), right=numbers)
    for row in rows:
        table.add_row(*(_cell(row[name]) if name in row else "" for name in names))
    return table


def _record(fields: Mapping[str, Any]) -> Any:
    from rich.table import Table
    from rich.tree import Tree

    if any(_is_nested(value) for value in fields.values()):
        tree = Tree("", hide_root=True)
        _grow(tree, fields)
        return tree
    table = Table.grid(padding=(0, 2))
    for name, value in fields.items():
        table.add_row(visible(name), _cell(value))
    return table


def _grow(tree: Any, value: Any) -> None:
    pairs = value.items() if isinstance(value, dict) else enumerate(value, 1)
    for name, part in pairs:
        if _is_nested(part):
            _grow(tree.add(visible(str(name))), part)
        else:
            tree.add(f"{visible(str(name))}  {_cell(part)}")


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return visible(value if isinstance(value, str) else msgspec.json.encode(value).decode())
