"""The program: its commands, and how each way in which one can end becomes an exit status."""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
from collections.abc import Sequence

import cyclopts
from cyclopts.exceptions import CycloptsError, MissingArgumentError

import twofold
from twofold.cli.ask import ask
from twofold.cli.db import database
from twofold.cli.describe import describe
from twofold.cli.events import events, tail
from twofold.cli.ledger import ledger
from twofold.cli.models import models
from twofold.cli.new import new
from twofold.cli.output import Ended, discard_output, print_problem
from twofold.cli.run import run
from twofold.cli.send import send
from twofold.cli.status import CommandLineError, Status, status_of
from twofold.errors import Rejected, TwofoldError

_TRACEBACK = "TWOFOLD_TRACEBACK"


def program() -> cyclopts.App:
    """Return the command line's parser, with every command."""
    app = cyclopts.App(
        name="twofold",
        help="CQRS and event sourcing: one history, two folds.",
        version=twofold.__version__,
        help_format="markdown",
        help_epilogue="`twofold COMMAND --help` tells more; docs/cli.md is the reference.",
        default_parameter=cyclopts.Parameter(negative=(), show_default=_shown_default),
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    app.command(run, sort_key=1)
    # These two answer --help themselves: with an application named, it is about that application's messages.
    app.command(send, sort_key=2, help_flags=(), usage="Usage: twofold send APP NAME field=value … [OPTIONS]")
    app.command(ask, sort_key=3, help_flags=(), usage="Usage: twofold ask APP NAME field=value … [OPTIONS]")
    app.command(events, sort_key=4)
    app.command(tail, sort_key=5)
    app.command(ledger, sort_key=6)
    app.command(models())
    app.command(describe, sort_key=7)
    app.command(new, sort_key=8)
    app.command(database())
    return app


def _shown_default(value: object) -> str | None:
    return None if value is False or value is None or value == [] else str(value)


def execute(words: Sequence[str]) -> int:
    """Run one command line and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal whose encoding lacks a letter gets another one, not a crash. JSON is UTF-8 in any case.
            stream.reconfigure(errors="replace")
    # One-shot commands tell problems themselves; `run` configures logging, where a server's belong.
    log = logging.getLogger("twofold")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    try:
        return _executed(list(words))
    except (BrokenPipeError, Ended):
        # Whoever read the output has gone, as `head` does; or it was told to end.
        discard_output()
        return Status.DONE
    except KeyboardInterrupt:
        print_problem("interrupted", "nothing that was acknowledged is lost")
        return Status.INTERRUPTED


def _executed(words: list[str]) -> int:
    try:
        _refuse_broken_text(words)
        app = program()
        if not words or set(words) & {*app.help_flags, *app.version_flags}:
            from twofold.cli.terminal import Terminal

            app.console = Terminal()
        status = app(words, exit_on_error=False, print_error=False)
        sys.stdout.flush()
        return status if isinstance(status, Status) else Status.DONE
    except CycloptsError as error:
        command = _command_in(words)
        expected = f"\nexpected `{_usage(command)}`" if _lacks_a_word(error) else ""
        print_problem("error", f"{error}{expected}\nsee: {' '.join(['twofold', *command, '--help'])}")
        return Status.INVALID
    except CommandLineError as error:
        print_problem("error", str(error))
        return Status.INVALID
    except Rejected as error:
        print_problem(f"rejected ({error.code})", error.reason)
        return Status.REJECTED
    except TwofoldError as error:
        return _told(error, f"error ({error.code})", str(error), status_of(error))
    except (BrokenPipeError, Ended):
        raise
    except Exception as error:  # noqa: BLE001 - a command line ends with a status and a sentence, whatever happens
        return _told(error, "unexpected error", f"{type(error).__name__}: {error}", Status.FAILED)


def _refuse_broken_text(words: Sequence[str]) -> None:
    for word in words:
        try:
            word.encode()
        except UnicodeError as error:
            raise CommandLineError(
                f"{word!r} is not valid UTF-8, which all words of the command line must be"
            ) from error


def _told(error: Exception, label: str, message: str, status: Status) -> Status:
    if status is Status.FAILED:
        if os.environ.get(_TRACEBACK):
            traceback.print_exception(error)
        else:
            message += f"\n{_TRACEBACK}=1 shows where"
    print_problem(label, "\n".join([message, *getattr(error, "__notes__", ())]))
    return status


def _command_in(words: Sequence[str]) -> list[str]:
    """Return the words that name the command."""
    found: list[str] = []
    app = program()
    for word in words:
        if word.startswith("-") or word not in app:
            break
        app = app[word]
        found.append(word)
    return found


def _lacks_a_word(error: CycloptsError) -> bool:
    return isinstance(error, MissingArgumentError) and error.argument is not None and error.argument.index is not None


def _usage(command: Sequence[str]) -> str:
    """Return how a command is written, without its options."""
    app = program()
    for word in command:
        app = app[word]
    placed = [each for each in app.assemble_argument_collection() if each.index is not None]
    return " ".join(["twofold", *command, *(each.name if each.required else f"[{each.name}]" for each in placed)])
