"""Why a command was not accepted, as the ledger keeps it."""

from __future__ import annotations

from twofold.errors import Contended, HandlerFailed, Rejected, TwofoldError
from twofold.history.store import Rejection
from twofold.wire import problem_of


def rejection_of(error: TwofoldError) -> Rejection:
    """Return what the ledger says of a command that was not accepted, for a reason of its application or of the node.

    Raises:
        TypeError, ValueError: it is a `Rejected` whose code or reason no ledger can hold.
    """
    match error:
        case Rejected():
            # It must fail here, alone, and not in the append with all that waits beside it.
            for text in (error.code, error.reason):
                if not isinstance(text, str):
                    raise TypeError(f"Rejected takes its code and its reason as str, found {type(text).__name__}")
                if problem_of(text):
                    raise ValueError(f"Rejected: {problem_of(text)}")
            return Rejection(error.code, error.reason)
        case HandlerFailed():
            return Rejection(error.code, error.incident, failed=True)
        case Contended():
            return Rejection(error.code, "", failed=True)
    return Rejection(error.code, str(error))
