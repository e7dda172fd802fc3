"""The log as commands: read, put in order, refused where it makes no sense; and the made-up one."""

from collections import Counter
from pathlib import Path

import pytest
from examples.permits.log import LogError, Row, lines_of, read_log
from examples.permits.office import CloseCase, CompleteStep, PlanEnd, ReceiveCase
from examples.permits.sample import sample_rows

ROW: Row = {
    "case:concept:name": "case-1",
    "case:channel": "Internet",
    "case:department": "General",
    "case:group": "",
    "case:responsible": "Ada",
    "case:startdate": "2011-10-11 13:42:22.688000+02:00",
    "case:deadline": "2011-12-06 13:41:31+01:00",
    "case:enddate_planned": "2011-12-06 13:41:31.020000+01:00",
    "case:enddate": "",
    "concept:instance": "task-1",
    "concept:name": "Confirmation of receipt",
    "lifecycle:transition": "complete",
    "org:group": "EMPTY",
    "org:resource": "Bob",
    "time:timestamp": "2011-10-11 13:45:40.276000+02:00",
}


def test_a_row_is_a_case_received_and_a_step_completed() -> None:
    received, step = (line.command for line in lines_of([ROW]))

    assert isinstance(received, ReceiveCase)
    assert isinstance(step, CompleteStep)
    assert (received.received_at, received.group) == (received.starts_at, None)
    assert (step.task_id, step.resource, step.group) == ("task-1", "Bob", None)


def test_a_case_was_received_before_anything_that_happened_with_it() -> None:
    early_step = ROW | {"case:startdate": "2011-11-01 00:00:00+01:00", "case:enddate": "2011-10-11 13:45:39+02:00"}

    received, end, step = lines_of([early_step])

    assert isinstance(received.command, ReceiveCase)
    assert isinstance(end.command, CloseCase)
    assert received.command.received_at == end.at < step.at


def test_an_end_is_planned_only_where_it_differs_from_the_deadline_by_more_than_rounding() -> None:
    assert not any(isinstance(line.command, PlanEnd) for line in lines_of([ROW]))

    planned = lines_of([ROW | {"case:enddate_planned": "2011-11-06 13:41:31+01:00"}])

    assert [type(line.command) for line in planned] == [ReceiveCase, PlanEnd, CompleteStep]


def test_lines_come_in_the_order_of_time_across_cases_and_clock_changes() -> None:
    # The second row is half an hour later, although its local time is half an hour earlier.
    before = ROW | {"case:startdate": "2011-10-30 02:30:00+02:00", "time:timestamp": "2011-10-30 02:30:00+02:00"}
    later = ROW | {
        "case:concept:name": "case-2",
        "concept:instance": "task-2",
        "case:startdate": "2011-10-30 02:00:00+01:00",
        "time:timestamp": "2011-10-30 02:00:00+01:00",
    }

    assert [line.case_id for line in lines_of([later, before])] == ["case-1", "case-1", "case-2", "case-2"]


def test_ids_are_the_same_at_every_reading_and_differ_between_lines_and_prefixes() -> None:
    rows = list(sample_rows(50))
    once, again, other = lines_of(rows), lines_of(rows), lines_of(rows, prefix="2-")

    assert once == again
    assert len({line.command_id for line in once + other}) == 2 * len(once)
    assert all(line.case_id.startswith("2-") for line in other)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"lifecycle:transition": "start"}, "row 2"),
        ({"time:timestamp": "yesterday"}, "case-1"),
        ({"case:channel": "Pigeon"}, "Pigeon"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_and_named(change: Row, told: str) -> None:
    with pytest.raises(LogError, match=told):
        lines_of([ROW | change])


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("name,age\nAda,36\n")

    with pytest.raises(LogError, match="case:concept:name"):
        read_log(tmp_path / "other.csv")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="cannot read"):
        read_log(tmp_path / "nothing.csv")


def test_the_made_up_log_is_the_same_every_time_and_has_every_kind_of_command() -> None:
    lines = lines_of(sample_rows(300))

    assert lines == lines_of(sample_rows(300))
    kinds = Counter(type(line.command) for line in lines)
    assert kinds[ReceiveCase] == 300
    assert all(kinds[kind] > 0 for kind in (PlanEnd, CompleteStep, CloseCase))
