"""What would follow a command: for people, and as JSON."""

from __future__ import annotations

from twofold.cli.output import for_people, print_json, visible
from twofold.message import Command
from twofold.write.preview import Preview


def show_preview(kind: type[Command], preview: Preview, *, json: bool) -> None:
    """Print the events that would follow a command."""
    if not for_people(json):
        print_json({"position": preview.position, "events": preview.texts})
        return
    from rich.text import Text

    from twofold.cli.terminal import console

    out = console()
    would = "would be accepted" if preview.texts else "would be accepted, without events"
    name = kind.message_name
    out.print(Text.assemble((name, "bold"), " ", (would, "green"), f" at position {preview.position}; nothing stored"))
    for event in preview.texts:
        words = (("  ", ""), (event.type, "cyan"), ("  ", ""), (" ".join(event.tags), "green"))
        out.print(Text.assemble(*((visible(word), style) for word, style in words)))
        out.print(Text(f"    {visible(bytes(event.payload).decode())}"))
