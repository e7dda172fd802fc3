"""What the driver raises, as the errors of Twofold. None of them tells a password, or a value that was sent."""

from __future__ import annotations

import re

from twofold.errors import StoreBusy, StoreError, StoreFailed, StoreFull, StoreUnavailable
from valkey import exceptions

DRIVERS = (exceptions.ValkeyError, OSError, TimeoutError)
"""What the driver may raise."""
# A server's errors begin with a word; what follows that may quote what it was sent.
_WORD = re.compile(r"[A-Z]{2,20}\b")


def is_lost(error: BaseException) -> bool:
    """Tell whether the connection was lost, so that another one may do better."""
    is_refusal = isinstance(error, exceptions.AuthenticationError | exceptions.BusyLoadingError)
    return isinstance(error, exceptions.ConnectionError | ConnectionError) and not is_refusal


def translate(error: BaseException, shown: str, *, writing: bool = False) -> StoreError:
    """Return the error to raise for one of the driver's.

    Args:
        error: from the driver or the operating system.
        shown: the server as it may be named to anybody.
        writing: whether it may have come too late to keep a batch from being stored.
    """
    match error:
        case StoreError():
            return error
        case exceptions.OutOfMemoryError():
            return StoreFull(path=shown)
        case exceptions.BusyLoadingError():
            return StoreBusy(f"{shown} is starting up and loads its data; try again shortly", path=shown)
        case exceptions.AuthenticationError() | exceptions.NoPermissionError():
            problem = "the server refuses the user, the password, or what the user wants to do; see the URL and the ACL"
            return StoreUnavailable(path=shown, problem=problem)
        case exceptions.ReadOnlyError():
            return StoreUnavailable(path=shown, problem="it cannot be written: it is a replica")
        case exceptions.TimeoutError() | TimeoutError():
            return StoreBusy(f"{shown} did not answer before the deadline{_unknown(writing)}", path=shown)
        case exceptions.ConnectionError() | OSError():
            return StoreFailed(f"{shown}: the connection was lost{_unknown(writing)}", path=shown, problem="lost")
        case _:
            word = _WORD.match(str(error))
            problem = f"the server says {word[0]}" if word else type(error).__name__
            return StoreFailed(f"{shown}: {problem}{_unknown(writing)}", path=shown, problem=problem)


def refused(error: BaseException, shown: str) -> StoreError:
    """Return the error to raise for one that the driver raised when it connected first."""
    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        return StoreUnavailable(path=shown, problem="nobody answered before the deadline")
    if is_lost(error) or isinstance(error, OSError):
        problem = "nobody answers there; is the server running, and are host and port right?"
        return StoreUnavailable(path=shown, problem=problem)
    return translate(error, shown)


def _unknown(writing: bool) -> str:
    return "; what is stored is looked up before anything is stored again" if writing else ""
