"""Exit statuses: what a script can tell from how a command line ended."""

from __future__ import annotations

from enum import IntEnum

from twofold.errors import (
    ChangedSince,
    Contended,
    HandlerFailed,
    NotFresh,
    Overloaded,
    ProjectionStopped,
    Rejected,
    StillRunning,
    StoreError,
    TimedOut,
    TooManyWatchers,
    TwofoldError,
)


class Status(IntEnum):
    """The exit statuses; docs/cli.md has the same table."""

    DONE = 0
    REJECTED = 1
    DIFFERS = 1
    INVALID = 2
    STORE = 3
    NOT_FRESH = 4
    FAILED = 5
    TRY_AGAIN = 6
    INTERRUPTED = 130


class CommandLineError(Exception):
    """The command line cannot be followed as it was written. Its text says what was expected and what to do."""


def status_of(error: TwofoldError) -> Status:
    """Return the exit status that tells of an error; whatever is the sender's to mend is INVALID."""
    match error:
        case Rejected() | ChangedSince():
            return Status.REJECTED
        case NotFresh():
            return Status.NOT_FRESH
        case StoreError():
            return Status.STORE
        case HandlerFailed() | ProjectionStopped():
            return Status.FAILED
        case Contended() | Overloaded() | StillRunning() | TimedOut() | TooManyWatchers():
            return Status.TRY_AGAIN
        case _:
            return Status.INVALID
