"""What `send` and `ask` share: which message, from which words, or its help."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from twofold import wire
from twofold.cli.fields import message_from_words
from twofold.cli.message_help import documentation_of, named, print_message, print_messages
from twofold.cli.status import CommandLineError
from twofold.errors import InvalidMessage, UnknownMessage

M = TypeVar("M", bound=msgspec.Struct)
Verb: TypeAlias = Literal["send", "ask"]

_NOUNS: dict[Verb, str] = {"send": "command", "ask": "query"}
_RESERVED: dict[Verb, frozenset[str]] = {
    "send": frozenset(("url", "id", "expected", "timeout", "dry_run", "as_of", "body", "json", "help")),
    "ask": frozenset(("url", "after", "timeout", "body", "json", "help")),
}


def message_or_help(
    verb: Verb,
    target: str,
    handlers: Mapping[type[M], Any],
    words: Sequence[str],
    *,
    body: str | None,
    help_wanted: bool,
) -> M | None:
    """Return the message that a command line names, or None where help was wanted and has been printed.

    Args:
        verb: what is done with messages of this kind.
        target: the application, as it was named.
        handlers: the application's handlers by message class.
        words: the message's name and its fields.
        body: the whole message as JSON instead of fields; `-` reads it from the standard input.
        help_wanted: print what the application, or the named message, takes.

    Raises:
        UnknownMessage, InvalidMessage, CommandLineError: the words make no message.
    """
    kinds: dict[str, type[M]] = named(handlers)  # type: ignore[assignment]
    known = ", ".join(kinds) or "none"
    if not words:
        if not help_wanted:
            raise CommandLineError(f"the {_NOUNS[verb]} is missing; this application has: {known}")
        told = {name: _documentation(kind, handlers) for name, kind in kinds.items()}
        print_messages(f"twofold {verb} {target}", told)
        return None
    name, *values = words
    if name not in kinds:
        raise UnknownMessage(kind=_NOUNS[verb], name=name, known=known)
    prefix = f"twofold {verb} {target} {name}"
    if help_wanted:
        print_message(prefix, kinds[name], _documentation(kinds[name], handlers), _RESERVED[verb])
        return None
    try:
        return _message(kinds[name], values, body)
    except InvalidMessage as error:
        error.add_note(f"see: {prefix} --help")
        raise


def print_help(verb: Verb) -> None:
    """Print the help of the command itself, where no application is named."""
    from twofold.cli.program import program
    from twofold.cli.terminal import Terminal

    program().help_print([verb], console=Terminal())


def _message(kind: type[M], values: Sequence[str], body: str | None) -> M:
    if body is None:
        return message_from_words(kind, values)
    if values:
        raise CommandLineError("give a message's fields either one by one or as --body, not both")
    return wire.decode(kind, sys.stdin.buffer.read() if body == "-" else body)


def _documentation(kind: type[M], handlers: Mapping[type[M], Any]) -> str:
    return documentation_of(kind, handlers[kind].signature.function)
