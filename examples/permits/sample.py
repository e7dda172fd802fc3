"""A made-up event log, shaped like the real one and the same every time, for where the real one is not at hand."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from examples.permits.log import Row
from examples.permits.office import CONFIRMATION

_ZONE = timezone(timedelta(hours=1))
_FIRST_DAY = datetime(2024, 1, 2, 9, tzinfo=_ZONE)
_CHANNELS = {"Internet": 87, "Desk": 8, "Post": 4, "e-mail": 1}
_DEPARTMENTS = {"General": 96, "Customer contact": 2, "Experts": 2}
_GROUPS = {"": 55, "Group 5": 23, "Group 8": 16, "Group 2": 6}
_RESOURCES = {f"Resource{number:02}": 120 // number for number in range(1, 31)}
_CHECKS = ["Check confirmation", "Determine confirmation", "Print and send confirmation"]
_STOPS = ["Determine necessity of stop advice", "Determine necessity to stop indication"]
_ADVICE = ["Draft advice", "Check advice", "Send advice"]


def sample_rows(cases: int = 1000, seed: int = 1) -> Iterator[Row]:
    """Yield the rows of so many cases; the same seed gives the same rows."""
    choice = random.Random(seed)
    received, tasks = _FIRST_DAY, 0
    for number in range(1, cases + 1):
        received += timedelta(minutes=choice.expovariate(1 / 90))
        times = _times(choice, received, _activities(choice))
        case = _case(choice, f"case-{number}", received, times[-1][0])
        for at, activity in times:
            tasks += 1
            yield case | {
                "concept:instance": f"task-{tasks}",
                "concept:name": activity,
                "lifecycle:transition": "complete",
                "org:group": choice.choice(("Group 1", "Group 2", "Group 3", "EMPTY")),
                "org:resource": _one_of(choice, _RESOURCES),
                "time:timestamp": at.isoformat(" "),
            }


def _activities(choice: random.Random) -> list[str]:
    if choice.random() < 0.08:
        return [CONFIRMATION]
    parts = [_CHECKS, _STOPS] if choice.random() < 0.75 else [_STOPS, _CHECKS]
    advice = _ADVICE[: choice.randint(1, 3)] if choice.random() < 0.1 else []
    return [CONFIRMATION, *parts[0], *parts[1], *advice]


def _times(choice: random.Random, received: datetime, activities: list[str]) -> list[tuple[datetime, str]]:
    at = received + timedelta(days=choice.expovariate(1 / 2))
    times: list[tuple[datetime, str]] = []
    for activity in activities:
        times.append((at, activity))
        # Most steps are completed in one go; now and then a case waits for days.
        days = choice.expovariate(1 / 6) if choice.random() < 0.1 else 0
        at += timedelta(days=days, seconds=choice.uniform(5, 300))
    return times


def _case(choice: random.Random, case_id: str, received: datetime, last: datetime) -> Row:
    deadline = received + timedelta(weeks=8)
    planned = deadline - timedelta(weeks=2) if choice.random() < 0.03 else deadline
    ended = last + timedelta(days=choice.expovariate(1 / 20)) if choice.random() < 0.93 else None
    return {
        "case:concept:name": case_id,
        "case:channel": _one_of(choice, _CHANNELS),
        "case:department": _one_of(choice, _DEPARTMENTS),
        "case:group": _one_of(choice, _GROUPS),
        "case:responsible": _one_of(choice, _RESOURCES),
        "case:startdate": received.isoformat(" "),
        "case:deadline": deadline.isoformat(" "),
        "case:enddate_planned": planned.isoformat(" "),
        "case:enddate": ended.isoformat(" ") if ended is not None else "",
    }


def _one_of(choice: random.Random, weights: dict[str, int]) -> str:
    return choice.choices(list(weights), list(weights.values()))[0]
