"""What the driver raises, as the errors of Twofold. None of them tells a password, or a value that was sent."""

from __future__ import annotations

import asyncpg

from twofold.errors import NotInitialized, StoreBusy, StoreError, StoreFailed, StoreFull, StoreUnavailable

# The driver raises InternalClientError where the server's last word came before it was asked.
_LOST = (asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresConnectionError, OSError)
DRIVERS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What the driver may raise."""
_SHUT_DOWN = ("57P01", "57P02", "57P03")
_TOO_LONG = ("25P03", "25P04")
_NO_SCHEMA = ("3F000", "42P01", "42883")
_NO_ROLE = "22023"
_UNSAID = ("22", "23")


def is_lost(error: BaseException) -> bool:
    """Tell whether the connection is of no use any more: it was cut, or the server has gone or is going."""
    if isinstance(error, asyncpg.DataError):
        return False
    return isinstance(error, _LOST) or getattr(error, "sqlstate", None) in _SHUT_DOWN + _TOO_LONG


def translate(error: BaseException, shown: str) -> StoreError:
    """Return the error to raise for one of the driver's, in whose place nothing was stored.

    Args:
        error: from asyncpg, the operating system, or a deadline.
        shown: the database as it may be named to anybody.
    """
    if isinstance(error, StoreError):
        return error
    if isinstance(error, TimeoutError):
        return StoreBusy(f"{shown} did not answer before the deadline; nothing was stored, send again", path=shown)
    if isinstance(error, asyncpg.PostgresError):
        return _of_the_server(error, shown)
    if isinstance(error, _LOST):
        return StoreFailed(path=shown, problem="the connection was lost")
    return StoreFailed(path=shown, problem=type(error).__name__)


def _of_the_server(error: asyncpg.PostgresError, shown: str) -> StoreError:
    state = error.sqlstate or ""
    if state.startswith("53"):
        full = isinstance(error, asyncpg.DiskFullError)
        return StoreFull(path=shown) if full else StoreBusy(_busy(error, shown), path=shown)
    if state in ("57014", "55P03", "40P01", *_TOO_LONG):
        return StoreBusy(_busy(error, shown), path=shown)
    if state in _SHUT_DOWN or state.startswith("08"):
        return StoreFailed(path=shown, problem="the server ended the connection")
    if state in _NO_SCHEMA:
        return NotInitialized(path=shown, problem=said(error))
    if state == "25006":
        return StoreUnavailable(path=shown, problem="it cannot be written: it is a replica, or set to read-only")
    return StoreFailed(path=shown, problem=said(error))


def refused(error: BaseException, shown: str, user: str) -> StoreError:
    """Return the error to raise for one that the driver raised when it connected.

    Args:
        error: from asyncpg, the operating system, or a deadline.
        shown: the database as it may be named to anybody.
        user: what SET ROLE was asked for; empty where it was not.
    """
    match error:
        case StoreError():
            return error
        case asyncpg.InvalidAuthorizationSpecificationError():
            problem = "the server refuses the user or the password; see the URL and the server's pg_hba.conf"
        case asyncpg.InvalidCatalogNameError():
            problem = "there is no such database; make it with `createdb`, or correct the URL"
        case asyncpg.TooManyConnectionsError():
            problem = "the server has no connection free; raise its max_connections, or lower ?connections="
        case asyncpg.CannotConnectNowError():
            problem = "the server is starting up or shutting down; try again shortly"
        case asyncpg.InsufficientPrivilegeError():
            mend = f"; as an administrator: GRANT {user} TO the user of the URL" if user else ""
            problem = said(error) + mend
        case asyncpg.PostgresError() if error.sqlstate == _NO_ROLE and user:
            return NotInitialized(path=shown, problem=f"there is no role {user}")
        case TimeoutError():
            problem = "nobody answered before the deadline"
        case asyncpg.PostgresConnectionError():
            problem = f"the connection is refused: {said(error)}"
        case OSError():
            problem = "nobody answers there; is the server running, and are host and port right?"
        case asyncpg.InterfaceError() | ValueError():
            problem = "the driver does not understand the URL's options, or what answers is no PostgreSQL"
        case _:
            return translate(error, shown)
    return StoreUnavailable(path=shown, problem=problem)


def said(error: asyncpg.PostgresError) -> str:
    """Return what the server said, unless that may quote a value."""
    state = error.sqlstate or ""
    message = type(error).__name__ if state.startswith(_UNSAID) else str(error.args[0])
    return f"{message} ({state})"


def _busy(error: asyncpg.PostgresError, shown: str) -> str:
    return f"{shown} was too busy: {said(error)}; nothing was stored, send again"
