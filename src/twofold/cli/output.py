"""What is printed: for people on a terminal, as JSON for programs, errors for both."""

from __future__ import annotations

import os
import select
import stat
import sys
from typing import Any

import msgspec

# POSIX promises room for so much wherever a pipe has room at all; Linux for a page.
_PIECE = getattr(select, "PIPE_BUF", 512)
_ENOUGH = 64 * 1024
_LOOK = 0.1


class Ended(Exception):
    """The program was told to end, and nobody reads what is left to write."""


class Output:
    """Writes to the standard output, and waits for no reader after it was told to end.

    Attributes:
        ending: set when the program is told to end.
    """

    def __init__(self) -> None:
        self.ending = False
        self._pending = bytearray()
        self._descriptor = descriptor_of_output()
        sys.stdout.flush()

    def write(self, content: bytes) -> None:
        """Write, now or when more has come together; raises as `flush` does."""
        self._pending += content
        if len(self._pending) >= _ENOUGH:
            self.flush()

    def flush(self) -> None:
        """Write out what has come together.

        Raises:
            Ended: the program was told to end, and the reader does not read.
            BrokenPipeError: nobody reads any more.
        """
        while self._pending:
            if self._descriptor is None:
                written = sys.stdout.buffer.write(self._pending)
            else:
                self._await_room(self._descriptor)
                written = os.write(self._descriptor, self._pending[:_PIECE])
            del self._pending[:written]

    def _await_room(self, descriptor: int) -> None:
        # A write that waits could not be ended by a signal. Where there is any room, there is room for one piece.
        while not select.select((), (descriptor,), (), 0 if self.ending else _LOOK)[1]:
            if self.ending:
                raise Ended()


def descriptor_of_output() -> int | None:
    """Return the standard output's file descriptor, or None where it has none that can be waited for."""
    try:
        return sys.stdout.fileno() if os.name == "posix" else None
    except (OSError, ValueError):
        # There is no descriptor behind the output, as in a test that captures it.
        return None


def for_people(json: bool) -> bool:
    """Tell whether to print for people: to a terminal (or as if, with FORCE_COLOR), unless JSON is asked for."""
    return not json and (sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR")))


def is_pipe(descriptor: int) -> bool:
    """Tell whether a file descriptor is a pipe."""
    try:
        return stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def visible(text: str, *, lines: bool = True) -> str:
    """Return a text with everything escaped that a terminal might obey rather than show.

    Args:
        text: from anywhere.
        lines: leave the ends of lines as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or (lines and letter == "\n") else letter.encode("unicode_escape").decode()
        for letter in text
    )


def json_line(value: Any) -> bytes:
    """Return a value as one line of JSON."""
    return msgspec.json.encode(value) + b"\n"


def print_json(value: Any) -> None:
    """Print a value as one line of JSON in UTF-8, whatever the terminal's own encoding."""
    sys.stdout.buffer.write(json_line(value))
    sys.stdout.flush()


def print_problem(label: str, message: str) -> None:
    """Print why something was not done to the standard error."""
    sys.stdout.flush()
    if sys.stderr.isatty():
        from rich.text import Text

        from twofold.cli.terminal import console

        console(errors=True).print(Text.assemble((label, "bold red"), ": ", visible(message)), soft_wrap=True)
    else:
        print(f"{label}: {visible(message)}", file=sys.stderr)


def print_note(message: str) -> None:
    """Print something worth knowing, that is not the result, to the standard error."""
    print(visible(message), file=sys.stderr)


def discard_output() -> None:
    """Let nothing more be written to the standard output, not even what is buffered: nobody reads it."""
    descriptor = descriptor_of_output()
    if descriptor is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
