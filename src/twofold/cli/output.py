"""What is printed: for people on a terminal, as JSON for programs, errors for both."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


class Ended(BaseException):
    """The program was told to end while it was writing."""


class Output:
    """Writes bytes to the standard output, so that a signal can end even a write that nobody reads.

    Attributes:
        ending: set by a signal's handler; from then on nothing is written.
    """

    def __init__(self) -> None:
        self.ending = False
        self._writing = False

    def write(self, content: bytes) -> None:
        """Write.

        Raises:
            Ended: the program was told to end.
            BrokenPipeError: nobody reads any more.
        """
        self._writing = True
        try:
            if self.ending:
                raise Ended()
            sys.stdout.buffer.write(content)
        finally:
            self._writing = False

    def flush(self) -> None:
        """Write out what is buffered; raises as `write` does."""
        self._writing = True
        try:
            if self.ending:
                raise Ended()
            sys.stdout.flush()
        finally:
            self._writing = False

    def end(self) -> None:
        """Write nothing more; called by a signal's handler, perhaps in the midst of a write."""
        self.ending = True
        if self._writing:
            raise Ended()


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


def console() -> Console:
    """Return the console for people, on the standard output; it takes no markup from values."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False)


def new_table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    """Return an empty table for people; columns named in `right` hold numbers."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=Text(title, "bold") if title else None, title_justify="left")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def print_problem(label: str, message: str) -> None:
    """Print why something was not done to the standard error."""
    sys.stdout.flush()
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.text import Text

        text = Text.assemble((label, "bold red"), ": ", visible(message))
        Console(stderr=True, markup=False, highlight=False, emoji=False).print(text, soft_wrap=True)
    else:
        print(f"{label}: {visible(message)}", file=sys.stderr)


def print_note(message: str) -> None:
    """Print something worth knowing, that is not the result, to the standard error."""
    print(visible(message), file=sys.stderr)


def end_output() -> None:
    """Write out what is buffered as far as that does not wait for a reader, and let nothing more be written."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        # There is no descriptor behind the output, as in a test that captures it.
        return
    with contextlib.suppress(OSError):
        if is_pipe(descriptor):
            os.set_blocking(descriptor, False)
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        os.set_blocking(descriptor, True)
    # What is still buffered would be written, or waited for, when the interpreter ends.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
