"""An application as a Mermaid diagram: command → events → read models → queries (https://mermaid.js.org)."""

from __future__ import annotations

from collections.abc import Iterable

from twofold.cli.description import Description

_SHAPES = {"Commands": ("[", "]"), "Events": ("(", ")"), "Read models": ("[(", ")]"), "Queries": ("{{", "}}")}

_CODES = {"#": "#35;", "&": "#38;", '"': "#34;", "<": "#60;", ">": "#62;"}


def mermaid(description: Description) -> str:
    """Return the diagram's text."""
    groups = {
        "Commands": [part.name for part in description.commands],
        "Events": [part.name for part in description.events],
        "Read models": [part.name for part in description.read_models],
        "Queries": [part.name for part in description.queries],
    }
    nodes = {
        (title, name): f"{title[0].lower()}{number}"
        for title, names in groups.items()
        for number, name in enumerate(names, 1)
    }
    lines = ["flowchart LR"]
    for title, names in groups.items():
        if names:
            lines.append(f"  subgraph {title.replace(' ', '_').lower()} [{title}]")
            lines += [f"    {nodes[title, name]}{_box(title, name)}" for name in names]
            lines.append("  end")
    lines += [f"  {nodes[source]} --> {nodes[target]}" for source, target in _arrows(description) if target in nodes]
    return "\n".join(lines) + "\n"


def _arrows(description: Description) -> Iterable[tuple[tuple[str, str], tuple[str, str]]]:
    for command in description.commands:
        yield from ((("Commands", command.name), ("Events", event)) for event in command.events)
    for model in description.read_models:
        yield from ((("Events", event), ("Read models", model.name)) for event in model.events)
    for query in description.queries:
        yield from ((("Read models", model), ("Queries", query.name)) for model in query.read_models)


def _box(title: str, name: str) -> str:
    begin, end = _SHAPES[title]
    for letter, code in _CODES.items():
        name = name.replace(letter, code)
    return f'{begin}"{name}"{end}'
