"""What the permit office can tell: read models, queries, handlers, from top to bottom.

It knows the events of `office.py` and nothing else of it.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, field

from examples.permits.office import (
    CaseClosed,
    CaseId,
    CaseReceived,
    Channel,
    EndPlanned,
    Name,
    StepCompleted,
    Time,
)
from twofold import App, Found, Query, ReadModel, View

Limit = Annotated[int, Meta(ge=1, le=200, description="at most so many rows")]
Cursor = Annotated[str, Meta(description="the cursor of the page before, to go on from there")]

# Read models: what is asked for


class Entry(msgspec.Struct, frozen=True):
    """One line of a case's timeline; `by` and `task_id` are None for what no person's task did."""

    at: datetime
    what: str
    by: str | None = None
    task_id: str | None = None


class CaseFile(ReadModel, key="case_id"):
    """All that is known of a case, with its timeline."""

    case_id: CaseId
    open: bool = True
    channel: Channel | None = None
    department: str = ""
    group: str | None = None
    responsible: str = ""
    received_at: datetime | None = None
    starts_at: datetime | None = None
    deadline: datetime | None = None
    planned_end: datetime | None = None
    closed_at: datetime | None = None
    steps: int = 0
    timeline: list[Entry] = field(default_factory=list)

    def evolve(self, event: CaseReceived | EndPlanned | StepCompleted | CaseClosed) -> None:
        match event:
            case CaseReceived():
                self.channel, self.department, self.group = event.channel, event.department, event.group
                self.responsible, self.received_at = event.responsible, event.received_at
                self.starts_at, self.deadline, self.planned_end = event.starts_at, event.deadline, event.deadline
                self.timeline.append(Entry(event.received_at, "Received"))
            case EndPlanned(planned_end=planned_end):
                self.planned_end = planned_end
            case StepCompleted():
                self.steps += 1
                self.timeline.append(Entry(event.completed_at, event.activity, event.resource, event.task_id))
            case CaseClosed(closed_at=closed_at):
                self.open, self.closed_at = False, closed_at
                self.timeline.append(Entry(closed_at, "Closed"))


class ResourceWork(ReadModel, key="resource"):
    """One person's steps, in all and by activity."""

    resource: str
    steps: int = 0
    activities: dict[str, int] = field(default_factory=dict)
    first_at: datetime | None = None
    last_at: datetime | None = None

    def evolve(self, event: StepCompleted) -> None:
        self.steps += 1
        self.activities[event.activity] = self.activities.get(event.activity, 0) + 1
        self.first_at = min(self.first_at or event.completed_at, event.completed_at)
        self.last_at = max(self.last_at or event.completed_at, event.completed_at)


class DepartmentLoad(ReadModel, key="department"):
    """A department's cases and steps; throughput is counted in days from received to closed."""

    department: str
    received: int = 0
    open: int = 0
    closed: int = 0
    closed_late: int = 0
    steps: int = 0
    days_in_total: float = 0.0
    days_on_average: float | None = None
    days_at_most: float = 0.0

    def evolve(self, event: CaseReceived | StepCompleted | CaseClosed) -> None:
        match event:
            case CaseReceived():
                self.received += 1
                self.open += 1
            case StepCompleted():
                self.steps += 1
            case CaseClosed(closed_at=closed_at, received_at=received_at, deadline=deadline):
                self.open -= 1
                self.closed += 1
                self.closed_late += closed_at > deadline
                days = (closed_at - received_at).total_seconds() / 86_400
                self.days_in_total += days
                self.days_on_average = self.days_in_total / self.closed
                self.days_at_most = max(self.days_at_most, days)


class ActivityCount(ReadModel, key="activity"):
    """How often an activity was completed."""

    activity: str
    steps: int = 0

    def evolve(self, event: StepCompleted) -> None:
        self.steps += 1


class DailyCount(ReadModel, key="day", store="analytics"):
    """What happened on one day; the day is that of the clock on the wall where it happened."""

    day: date
    received: int = 0
    steps: int = 0
    closed: int = 0

    @staticmethod
    def keys(event: CaseReceived | StepCompleted | CaseClosed) -> Iterable[date]:
        match event:
            case CaseReceived(received_at=at) | StepCompleted(completed_at=at) | CaseClosed(closed_at=at):
                return [at.date()]

    def evolve(self, event: CaseReceived | StepCompleted | CaseClosed) -> None:
        match event:
            case CaseReceived():
                self.received += 1
            case StepCompleted():
                self.steps += 1
            case CaseClosed():
                self.closed += 1


# Queries: the questions. A `Found` is a list that knows the cursor of the page after it: ask again with it as `after`


class GetCase(Query[CaseFile | None]):
    """One case file."""

    case_id: CaseId


class ListCases(Query[Found[CaseFile]]):
    """The cases, oldest first, of one department or person, open or closed, where these are given."""

    department: str | None = None
    responsible: str | None = None
    open: bool | None = None
    limit: Limit = 20
    after: Cursor | None = None


class ListOverdueCases(Query[list[CaseFile]]):
    """The open cases whose deadline had passed at a time, the longest overdue first."""

    at: Time
    limit: Limit = 20


class GetResource(Query[ResourceWork | None]):
    """One person's work."""

    resource: Name


class ListResources(Query[Found[ResourceWork]]):
    """Who completed steps, the busiest first."""

    limit: Limit = 20
    after: Cursor | None = None


class GetDepartment(Query[DepartmentLoad | None]):
    """One department's load and throughput."""

    department: Name


class ListDepartments(Query[list[DepartmentLoad]]):
    """All departments by name."""


class ListActivities(Query[Found[ActivityCount]]):
    """How often each activity was completed, the most frequent first."""

    limit: Limit = 50
    after: Cursor | None = None


class GetDay(Query[DailyCount | None]):
    """What happened on one day."""

    day: date


class ListDays(Query[Found[DailyCount]]):
    """The days on which anything happened, the latest first."""

    limit: Limit = 31
    after: Cursor | None = None


# Handlers: the answers

# Analytics are beside the other read models, unless the deployment gives them a place of their own
reports = App("permits: answering", views={"analytics": ""})


@reports.query
async def get_case(query: GetCase, cases: View[CaseFile]) -> CaseFile | None:
    return await cases.get(query.case_id)


@reports.query
async def list_cases(query: ListCases, cases: View[CaseFile]) -> Found[CaseFile]:
    asked = {"department": query.department, "responsible": query.responsible, "open": query.open}
    equals = {name: value for name, value in asked.items() if value is not None}
    return await cases.find(order_by="received_at", limit=query.limit, after=query.after, **equals)


@reports.query
async def list_overdue_cases(query: ListOverdueCases, cases: View[CaseFile]) -> list[CaseFile]:
    where = "where open and deadline < :at order by deadline limit :limit"
    return await cases.sql(where, at=query.at, limit=query.limit)


@reports.query
async def get_resource(query: GetResource, work: View[ResourceWork]) -> ResourceWork | None:
    return await work.get(query.resource)


@reports.query
async def list_resources(query: ListResources, work: View[ResourceWork]) -> Found[ResourceWork]:
    return await work.find(order_by="-steps", limit=query.limit, after=query.after)


@reports.query
async def get_department(query: GetDepartment, loads: View[DepartmentLoad]) -> DepartmentLoad | None:
    return await loads.get(query.department)


@reports.query
async def list_departments(query: ListDepartments, loads: View[DepartmentLoad]) -> list[DepartmentLoad]:
    return await loads.find(order_by="department")


@reports.query
async def list_activities(query: ListActivities, counts: View[ActivityCount]) -> Found[ActivityCount]:
    return await counts.find(order_by="-steps", limit=query.limit, after=query.after)


@reports.query
async def get_day(query: GetDay, days: View[DailyCount]) -> DailyCount | None:
    return await days.get(query.day)


@reports.query
async def list_days(query: ListDays, days: View[DailyCount]) -> Found[DailyCount]:
    return await days.find(order_by="-day", limit=query.limit, after=query.after)
