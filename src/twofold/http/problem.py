"""Errors as answers: the one place that decides HTTP statuses, and what a client is told (RFC 9457).

An error of the application's own code, or of the storage, is told by an incident id alone; the log has the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from twofold import errors
from twofold.clock import new_uuid
from twofold.errors import Rejected, TwofoldError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = "1"
_MEMBERS = ("type", "title", "status", "detail", "code", "instance")
_log = logging.getLogger("twofold.http")


class Problem(msgspec.Struct, frozen=True):
    """What went wrong. `code` is made for programs, `detail` for people; further members depend on the code."""

    type: str
    title: str
    status: int
    detail: str
    code: str


class Rule(msgspec.Struct, frozen=True):
    """How an error is told.

    Args:
        status: the HTTP status.
        title: what kind of error it is, the same words each time.
        facts: the members besides the standard ones, of those that the error has.
        detail: what is told instead of the error's own message, where that is not for clients.
        retry: whether `Retry-After` says that the same request may be sent again.
        logged: whether the cause is logged under an incident id.
    """

    status: int
    title: str
    facts: tuple[str, ...] = ()
    detail: str = ""
    retry: bool = False
    logged: bool = False


_STORAGE = "The storage of this service cannot do its work now; nothing was stored. Its log tells more."
_UNEXPECTED = Rule(500, "Unexpected error", detail="This service failed; its log tells more.", logged=True)

ERRORS: Mapping[type[TwofoldError], Rule] = {
    errors.InvalidMessage: Rule(422, "Message not valid", facts=("message", "field")),
    errors.InvalidFilter: Rule(422, "Filter not valid", facts=("model",)),
    errors.InvalidCursor: Rule(422, "Cursor not valid", facts=("model",)),
    errors.CommandIdReused: Rule(422, "Command id used before", facts=("command_id", "position")),
    errors.UnknownPosition: Rule(422, "Unknown position", facts=("position", "head")),
    errors.UnknownMessage: Rule(404, "Unknown message", facts=("kind", "name")),
    errors.Rejected: Rule(409, "Rejected"),
    errors.ChangedSince: Rule(412, "Changed since", facts=("command", "expected", "position")),
    errors.StillRunning: Rule(409, "Still running", facts=("command_id",), retry=True),
    errors.Contended: Rule(503, "Contended", facts=("command", "attempts"), retry=True),
    errors.TimedOut: Rule(503, "Timed out", facts=("command", "timeout", "command_id"), retry=True),
    errors.Overloaded: Rule(503, "Overloaded", facts=("waiting", "limit"), retry=True),
    errors.TooManyWatchers: Rule(503, "Too many watchers", facts=("watchers", "limit"), retry=True),
    errors.NoPast: Rule(422, "No past", facts=("model",)),
    errors.NotFresh: Rule(503, "Not fresh", facts=("model", "wanted", "reached", "timeout", "max_lag"), retry=True),
    errors.NodeClosed: Rule(503, "Not open", detail="This service is starting or stopping; try again.", retry=True),
    errors.RoleMissing: Rule(
        503, "Role missing", facts=("role",), detail="This service does not do that; ask another."
    ),
    errors.ProjectionStopped: Rule(503, "Projection stopped", facts=("model",), detail=_STORAGE, logged=True),
    errors.StoreBusy: Rule(
        503, "Storage busy", detail="The storage was locked by others; nothing was stored, send again.", retry=True
    ),
    errors.StoreFull: Rule(507, "Storage full", detail="No space is left; nothing was stored.", logged=True),
    errors.OutcomeUnknown: Rule(
        503,
        "Outcome unknown",
        facts=("command_id",),
        detail="It is unknown whether the command was stored. Repeat it unchanged under the same Idempotency-Key "
        "(or `command_id` as the key, if none was sent): that has one effect.",
        logged=True,
    ),
    errors.StoreError: Rule(503, "Storage failed", detail=_STORAGE, logged=True),
    errors.HandlerFailed: Rule(
        500,
        "Handler failed",
        facts=("incident",),
        detail="The handler of this command failed; nothing was stored. The service's log tells more.",
    ),
    errors.TwofoldError: _UNEXPECTED,
}

REFUSALS: Mapping[str, Rule] = {
    "not_json": Rule(400, "Not JSON"),
    "too_deep": Rule(400, "Nested too deeply", facts=("limit",)),
    "invalid_header": Rule(400, "Header not valid", facts=("header",)),
    "not_found": Rule(404, "Not found"),
    "method_not_allowed": Rule(405, "Method not allowed"),
    "too_slow": Rule(408, "Body too slow"),
    "too_large": Rule(413, "Body too large", facts=("limit",)),
    "query_too_long": Rule(414, "Query too long", facts=("limit",)),
    "wrong_content_type": Rule(415, "Wrong content type"),
    "not_ready": Rule(503, "Not ready", facts=("reasons", "models"), retry=True),
}


class Refused(Exception):
    """The edge itself refuses a request, before the application sees it.

    Args:
        code: one of `REFUSALS`.
        detail: what was expected and what was found.
        headers: of the answer.
        facts: members of the answer besides the standard ones.
    """

    def __init__(self, code: str, detail: str, headers: Mapping[str, str] | None = None, /, **facts: Any) -> None:
        super().__init__(detail)
        self.code = code
        self.rule = REFUSALS[code]
        self.headers = headers or {}
        self.facts = facts


def rule_of(error: Exception) -> Rule:
    """Return how an error is told."""
    if isinstance(error, Refused):
        return error.rule
    return next((ERRORS[kind] for kind in type(error).__mro__ if kind in ERRORS), _UNEXPECTED)


def response(error: Exception, doing: str, /, *, retry: bool | None = None, **more: Any) -> Response:
    """Return the answer that tells an error.

    Args:
        error: any error whatsoever.
        doing: what was being done, for the log; it must hold nothing that a client sent.
        retry: whether to say that the request may be sent again, where that depends on the request.
        more: facts that the error does not have itself.
    """
    rule = rule_of(error)
    facts = {**(error.facts if isinstance(error, Refused | TwofoldError) else {}), **more}
    told = {name: facts[name] for name in rule.facts if name in facts}
    if isinstance(error, Rejected):
        told = {f"{name}_" if name in _MEMBERS else name: fact for name, fact in facts.items()}
    if rule.logged:
        told["incident"] = str(new_uuid())
        _log.error("%s failed, incident %s", doing, told["incident"], exc_info=error)
    code = _code_of(error)
    kind = "rejected" if isinstance(error, Rejected) else "problem"
    problem = Problem(
        type=f"urn:twofold:{kind}:{quote(code, safe='', errors='replace')}",
        title=rule.title,
        status=rule.status,
        detail=rule.detail or str(error),
        code=code,
    )
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    if isinstance(error, Refused):
        headers |= error.headers
    if rule.retry if retry is None else retry:
        headers["retry-after"] = RETRY_AFTER
    return Response(_encoded(problem, told), rule.status, headers, MEDIA_TYPE)


def _code_of(error: Exception) -> str:
    if isinstance(error, Refused | TwofoldError) and rule_of(error) is not _UNEXPECTED:
        return error.code
    return "internal"


def _encoded(problem: Problem, told: Mapping[str, Any]) -> bytes:
    standard = msgspec.structs.asdict(problem)
    try:
        return msgspec.json.encode({**standard, **told}, enc_hook=str)
    except (TypeError, ValueError, OverflowError, RecursionError):
        # A fact or reason of the application's that JSON cannot hold must not turn its rejection into another error.
        texts = {
            name: value.encode("utf-8", "replace").decode()
            for name, value in standard.items()
            if isinstance(value, str)
        }
        return msgspec.json.encode({**standard, **texts})
