"""Every error has one status, and tells a client nothing that is not the client's."""

import logging
from typing import Any

import msgspec
import pytest

from twofold import errors
from twofold.errors import Rejected, TwofoldError
from twofold.http.openapi import COMMAND_STATUSES, QUERY_STATUSES, READ_STATUSES
from twofold.http.problem import ERRORS, REFUSALS, Refused, response, rule_of

SECRET = "/srv/secret-path/history.db"


def every_error() -> list[type[TwofoldError]]:
    found: list[type[TwofoldError]] = []
    left: list[type[TwofoldError]] = [TwofoldError]
    while left:
        kind = left.pop()
        found.append(kind)
        left.extend(kind.__subclasses__())
    return [kind for kind in found if kind.__module__ == "twofold.errors"]


def told(error: Exception, **more: Any) -> dict[str, Any]:
    answer = response(error, "a test", **more)
    content: dict[str, Any] = msgspec.json.decode(bytes(answer.body))
    assert content["status"] == answer.status_code
    return content


EXPECTED = {
    errors.InvalidMessage: 422,
    errors.InvalidFilter: 422,
    errors.InvalidCursor: 422,
    errors.CommandIdReused: 422,
    errors.UnknownPosition: 422,
    errors.UnknownMessage: 404,
    errors.Rejected: 409,
    errors.ChangedSince: 412,
    errors.StillRunning: 409,
    errors.Contended: 503,
    errors.TimedOut: 503,
    errors.Overloaded: 503,
    errors.TooManyWatchers: 503,
    errors.NoPast: 422,
    errors.NotFresh: 503,
    errors.NodeClosed: 503,
    errors.RoleMissing: 503,
    errors.ProjectionStopped: 503,
    errors.StoreError: 503,
    errors.NoTransactions: 503,
    errors.StoreBusy: 503,
    errors.StoreUnavailable: 503,
    errors.StoreFailed: 503,
    errors.ForeignFile: 503,
    errors.NotInitialized: 503,
    errors.NewerSchema: 503,
    errors.UnsafeSqlite: 503,
    errors.HistoryMismatch: 503,
    errors.InvalidAddress: 503,
    errors.OutcomeUnknown: 503,
    errors.StoreFull: 507,
}


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_has_its_status(kind: type[TwofoldError]) -> None:
    error = kind.__new__(kind)
    assert rule_of(error).status == EXPECTED.get(kind, 500)


@pytest.mark.parametrize("kind", [kind for kind in every_error() if issubclass(kind, errors.StoreError)])
def test_an_error_of_the_storage_tells_no_path_and_logs_it(
    kind: type[TwofoldError], caplog: pytest.LogCaptureFixture
) -> None:
    error = kind(f"{SECRET}: no luck", path=SECRET, problem=SECRET, address=SECRET, model="M", waited=1.0)
    content = told(error)
    assert "secret" not in str(content)
    if kind is not errors.StoreBusy:
        assert content["incident"] in caplog.text
        assert SECRET in caplog.text


@pytest.mark.parametrize(
    "error",
    [errors.Contended(command="C", attempts=9), errors.Overloaded(waiting=9, limit=9), errors.NodeClosed(),
     errors.StoreBusy(path=SECRET, waited=9.0), errors.NotFresh(model="M", wanted=2, reached=1, timeout=1.0)],
    ids=lambda error: error.code,
)  # fmt: skip
def test_what_may_be_sent_again_says_when(error: TwofoldError) -> None:
    assert response(error, "a test").headers["retry-after"] == "1"


@pytest.mark.parametrize("error", [errors.StoreFull(path=SECRET), Rejected("no"), RuntimeError()], ids=repr)
def test_what_would_fail_again_says_nothing_of_that(error: Exception) -> None:
    assert "retry-after" not in response(error, "a test").headers


def test_an_unknown_outcome_tells_how_to_repeat_the_command() -> None:
    error = errors.OutcomeUnknown(path=SECRET, problem="the disk")
    content = told(error, command_id="an-id")
    assert content["command_id"] == "an-id"
    assert "under the same Idempotency-Key" in content["detail"]
    assert "retry-after" not in response(error, "a test", retry=False).headers
    assert response(error, "a test", retry=True).headers["retry-after"] == "1"


class Leaky(Exception):
    """Another library's error, with attributes that happen to be named like ours."""

    code = "leaked"
    facts = {"detail": SECRET}
    headers = None


@pytest.mark.parametrize("error", [Leaky(SECRET), TwofoldError(SECRET), errors.MissingExtra(feature=SECRET, extra="x")])
def test_an_unexpected_error_tells_an_incident_alone(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    content = told(error)
    assert set(content) == {"type", "title", "status", "detail", "code", "incident"}
    assert (content["status"], content["code"]) == (500, "internal")
    assert "secret" not in str(content)
    [record] = caplog.records
    assert record.name == "twofold.http"
    assert record.levelno == logging.ERROR
    assert record.getMessage() == f"a test failed, incident {content['incident']}"


def test_a_rejections_facts_cannot_take_the_place_of_the_standard_members() -> None:
    content = told(Rejected("no", "a reason", status=1, code_="kept", title="t", type="t", detail="d", instance="i"))
    assert (content["status"], content["code"], content["detail"]) == (409, "no", "a reason")
    assert {name: content[name] for name in ("status_", "code_", "title_", "type_", "detail_", "instance_")} == {
        "status_": 1, "code_": "kept", "title_": "t", "type_": "t", "detail_": "d", "instance_": "i",
    }  # fmt: skip


def test_a_fact_of_any_type_is_told_as_text() -> None:
    assert told(Rejected("no", thing=Leaky))["thing"] == str(Leaky)


@pytest.mark.parametrize("code", REFUSALS)
def test_every_refusal_has_its_code_and_status(code: str) -> None:
    content = told(Refused(code, "expected one thing, found another"))
    assert (content["code"], content["status"]) == (code, REFUSALS[code].status)


def test_every_status_that_an_operation_can_answer_with_is_in_the_document() -> None:
    documented = {*COMMAND_STATUSES, *READ_STATUSES, *QUERY_STATUSES, 404, 405}
    assert {rule.status for rule in (*ERRORS.values(), *REFUSALS.values())} <= documented
