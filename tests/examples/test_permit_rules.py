"""Each rule of the permit office, and what its read models make of its events."""

from datetime import date, datetime, timedelta, timezone

import pytest
from examples.permits.app import app
from examples.permits.office import (
    CONFIRMATION,
    CaseClosed,
    CaseReceived,
    Channel,
    CloseCase,
    CompleteStep,
    EndPlanned,
    PlanEnd,
    ReceiveCase,
    StepCompleted,
)
from examples.permits.reports import (
    ActivityCount,
    CaseFile,
    DailyCount,
    DepartmentLoad,
    Entry,
    GetCase,
    GetDay,
    GetDepartment,
    GetResource,
    ListActivities,
    ListCases,
    ListOverdueCases,
    ResourceWork,
)

from twofold import Found, Rejected
from twofold.testing import scenario

NOON = datetime(2024, 3, 30, 12, tzinfo=timezone(timedelta(hours=1)))
DEADLINE = NOON + timedelta(weeks=8)
HOUR = timedelta(hours=1)

RECEIVED = CaseReceived(
    case_id="c1",
    received_at=NOON,
    channel=Channel.INTERNET,
    department="General",
    responsible="Ada",
    starts_at=NOON,
    deadline=DEADLINE,
    group=None,
)


def completed(task: str, activity: str, at: datetime = NOON, case: str = "c1") -> StepCompleted:
    return StepCompleted(
        case_id=case, task_id=task, activity=activity, resource="Bob", completed_at=at, group=None, department="General"
    )


def complete(task: str, activity: str, at: datetime = NOON, case: str = "c1") -> CompleteStep:
    return CompleteStep(case_id=case, task_id=task, activity=activity, resource="Bob", completed_at=at)


def closed(at: datetime) -> CaseClosed:
    return CaseClosed(case_id="c1", closed_at=at, department="General", received_at=NOON, deadline=DEADLINE)


def receive(**changes: object) -> ReceiveCase:
    fields: dict[str, object] = {name: getattr(RECEIVED, name) for name in RECEIVED.__struct_fields__}
    return ReceiveCase(**{**fields, **changes})  # type: ignore[arg-type]


CONFIRMED = completed("t1", CONFIRMATION)


def test_a_case_is_received_with_everything_that_is_known_of_it() -> None:
    scenario(app).when(receive()).then(RECEIVED)


def test_a_case_is_received_once() -> None:
    scenario(app).given(RECEIVED).when(receive()).then(Rejected("already_received"))


def test_a_case_is_not_due_before_it_starts() -> None:
    scenario(app).when(receive(deadline=NOON - HOUR)).then(Rejected("deadline_before_start"))


def test_a_step_is_completed_for_the_department_of_its_case() -> None:
    scenario(app).given(RECEIVED).when(complete("t1", CONFIRMATION)).then(CONFIRMED)


@pytest.mark.parametrize("command", [complete("t1", CONFIRMATION), PlanEnd("c1", NOON), CloseCase("c1", NOON)])
def test_nothing_is_done_with_a_case_that_was_not_received(command: CompleteStep | PlanEnd | CloseCase) -> None:
    scenario(app).when(command).then(Rejected("unknown_case"))


@pytest.mark.parametrize(
    "command",
    [complete("t1", CONFIRMATION, NOON - HOUR), PlanEnd("c1", NOON - HOUR), CloseCase("c1", NOON - HOUR)],
)
def test_nothing_is_done_before_the_case_was_received(command: CompleteStep | PlanEnd | CloseCase) -> None:
    scenario(app).given(RECEIVED).when(command).then(Rejected("before_received"))


def test_a_task_is_completed_once() -> None:
    given = scenario(app).given(RECEIVED, CONFIRMED, completed("t2", "Check"))

    given.when(complete("t2", "Check again")).then(Rejected("already_completed"))


def test_a_task_that_was_completed_in_one_case_cannot_be_completed_in_another() -> None:
    elsewhere = completed("t1", CONFIRMATION, case="c0")

    scenario(app).given(elsewhere, RECEIVED).when(complete("t1", CONFIRMATION)).then(Rejected("already_completed"))


def test_no_step_comes_before_the_confirmation_of_receipt() -> None:
    scenario(app).given(RECEIVED).when(complete("t1", "Check")).then(Rejected("not_confirmed"))


def test_the_receipt_is_confirmed_once() -> None:
    scenario(app).given(RECEIVED, CONFIRMED).when(complete("t2", CONFIRMATION)).then(Rejected("already_confirmed"))


def test_a_step_may_come_after_the_close_as_it_did_in_the_real_log() -> None:
    given = scenario(app).given(RECEIVED, CONFIRMED, closed(NOON + HOUR))

    given.when(complete("t2", "Print", NOON + 2 * HOUR)).then(completed("t2", "Print", NOON + 2 * HOUR))


def test_an_end_is_planned_and_planned_anew_while_the_case_is_open() -> None:
    planned = EndPlanned("c1", NOON + HOUR)

    scenario(app).given(RECEIVED).when(PlanEnd("c1", NOON + HOUR)).then(planned)
    scenario(app).given(RECEIVED, planned).when(PlanEnd("c1", DEADLINE)).then(EndPlanned("c1", DEADLINE))
    scenario(app).given(RECEIVED, closed(NOON)).when(PlanEnd("c1", DEADLINE)).then(Rejected("already_closed"))


def test_a_case_is_closed_once_and_the_event_carries_what_throughput_is_counted_from() -> None:
    scenario(app).given(RECEIVED).when(CloseCase("c1", NOON + HOUR)).then(closed(NOON + HOUR))
    scenario(app).given(RECEIVED, closed(NOON)).when(CloseCase("c1", NOON + HOUR)).then(Rejected("already_closed"))


STORY = scenario(app).given(
    RECEIVED,
    EndPlanned("c1", NOON + 3 * HOUR),
    completed("t1", CONFIRMATION, NOON + HOUR),
    completed("t2", "Check", NOON + 2 * HOUR),
)


def test_the_case_file_tells_the_case_and_its_timeline() -> None:
    STORY.given(closed(DEADLINE + HOUR)).ask(GetCase("c1")).answers(
        CaseFile(
            case_id="c1",
            open=False,
            channel=Channel.INTERNET,
            department="General",
            responsible="Ada",
            received_at=NOON,
            starts_at=NOON,
            deadline=DEADLINE,
            planned_end=NOON + 3 * HOUR,
            closed_at=DEADLINE + HOUR,
            steps=2,
            timeline=[
                Entry(NOON, "Received"),
                Entry(NOON + HOUR, CONFIRMATION, "Bob", "t1"),
                Entry(NOON + 2 * HOUR, "Check", "Bob", "t2"),
                Entry(DEADLINE + HOUR, "Closed"),
            ],
        )
    )


def test_a_resource_is_told_its_steps_by_activity_and_its_first_and_last() -> None:
    activities = {CONFIRMATION: 1, "Check": 1}

    STORY.ask(GetResource("Bob")).answers(ResourceWork("Bob", 2, activities, NOON + HOUR, NOON + 2 * HOUR))
    STORY.ask(GetResource("Ada")).answers(None)


def test_a_department_carries_what_is_open_and_is_measured_by_what_is_closed() -> None:
    STORY.ask(GetDepartment("General")).answers(DepartmentLoad("General", received=1, open=1, steps=2))
    STORY.given(closed(DEADLINE + timedelta(days=1))).ask(GetDepartment("General")).answers(
        DepartmentLoad(
            "General",
            received=1,
            closed=1,
            closed_late=1,
            steps=2,
            days_in_total=57.0,
            days_on_average=57.0,
            days_at_most=57.0,
        )
    )


def test_a_day_is_that_of_the_clock_on_the_wall_where_it_happened() -> None:
    # Clocks go forward in the night to 31 March: half past midnight is still 30 March in UTC.
    late = datetime(2024, 3, 31, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    story = STORY.given(completed("t3", "Print", late))

    story.ask(GetDay(date(2024, 3, 30))).answers(DailyCount(date(2024, 3, 30), received=1, steps=2))
    story.ask(GetDay(date(2024, 3, 31))).answers(DailyCount(date(2024, 3, 31), steps=1))


def test_activities_are_listed_by_how_often_they_were_completed() -> None:
    expected = [ActivityCount("Check", 2), ActivityCount(CONFIRMATION, 1)]

    STORY.given(completed("t3", "Check")).ask(ListActivities()).answers(Found(expected))


def test_cases_are_listed_by_department_person_and_whether_they_are_open() -> None:
    answer = STORY.ask(ListCases(department="General", responsible="Ada", open=True)).answer

    assert [case.case_id for case in answer] == ["c1"]
    for other in (ListCases(department="Experts"), ListCases(responsible="Bob"), ListCases(open=False)):
        STORY.ask(other).answers(Found())


def test_a_case_is_overdue_while_it_is_open_and_its_deadline_has_passed() -> None:
    def overdue(at: datetime, *more: CaseClosed) -> list[str]:
        return [case.case_id for case in STORY.given(*more).ask(ListOverdueCases(at)).answer]

    assert overdue(DEADLINE + HOUR) == ["c1"]
    assert overdue(DEADLINE - HOUR) == []
    assert overdue(DEADLINE + HOUR, closed(DEADLINE)) == []
