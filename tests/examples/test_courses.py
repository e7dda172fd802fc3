"""Every rule of the courses, alone and when many students come at once."""

import asyncio
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from examples.courses.app import (
    MOST_COURSES,
    CapacityChanged,
    ChangeCapacity,
    CourseDefined,
    CourseRenamed,
    CourseSeats,
    DefineCourse,
    Enrol,
    EnrolInAll,
    Enrolled,
    GetTimetable,
    Leave,
    Left,
    ListCourses,
    RegisterStudent,
    RenameCourse,
    StudentRegistered,
    Timetable,
    app,
)

from twofold import Command, Event, Node, Rejected
from twofold.testing import Scenario, scenario
from twofold.write.handler import selection_of

ROOT = Path(__file__).parents[2]
LOGIC = CourseDefined("logic", "Logic", 2)
ADA, EVA, BOB = (StudentRegistered(name, name.title()) for name in ("ada", "eva", "bob"))


def given(*events: Event) -> Scenario:
    return scenario(app).given(LOGIC, ADA, EVA, BOB, *events)


# courses


def test_a_course_is_defined_once() -> None:
    defined = scenario(app).when(DefineCourse("logic", "Logic", 2)).then(LOGIC)
    defined.when(DefineCourse("logic", "Another", 5)).then(Rejected("course_exists"))


def test_a_course_that_is_not_there_has_no_capacity_and_no_name_to_change() -> None:
    scenario(app).when(ChangeCapacity("logic", 5)).then(Rejected("unknown_course"))
    scenario(app).when(RenameCourse("logic", "Reason")).then(Rejected("unknown_course"))


def test_the_capacity_changes_to_another_one() -> None:
    given().when(ChangeCapacity("logic", 3)).then(CapacityChanged("logic", 3))
    given().when(ChangeCapacity("logic", 2)).then(Rejected("same_capacity"))
    given(CapacityChanged("logic", 3)).when(ChangeCapacity("logic", 3)).then(Rejected("same_capacity"))
    given(CapacityChanged("logic", 3)).when(ChangeCapacity("logic", 2)).then(CapacityChanged("logic", 2))


def test_a_course_is_renamed_to_another_name() -> None:
    given().when(RenameCourse("logic", "Reason")).then(CourseRenamed("logic", "Reason"))
    given().when(RenameCourse("logic", "Logic")).then()


# students


def test_a_student_registers_once() -> None:
    scenario(app).when(RegisterStudent("ada", "Ada")).then(ADA).when(RegisterStudent("ada", "Ada")).then(
        Rejected("student_exists")
    )


# enrolments


def test_a_student_enrols_in_a_course() -> None:
    given().when(Enrol("ada", "logic")).then(Enrolled("ada", "logic"))


def test_the_course_must_exist() -> None:
    given().when(Enrol("ada", "rhetoric")).then(Rejected("unknown_course"))


def test_the_student_must_be_registered() -> None:
    given().when(Enrol("zoe", "logic")).then(Rejected("unknown_student"))


def test_a_student_enrols_in_a_course_once() -> None:
    given(Enrolled("ada", "logic")).when(Enrol("ada", "logic")).then(Rejected("enrolled_already"))


def test_a_full_course_takes_nobody() -> None:
    full = given(Enrolled("ada", "logic"), Enrolled("eva", "logic"))
    full.when(Enrol("bob", "logic")).then(Rejected("course_full", capacity=2))


def test_more_capacity_lets_more_students_in_and_less_keeps_those_who_are() -> None:
    full = given(Enrolled("ada", "logic"), Enrolled("eva", "logic"))
    full.given(CapacityChanged("logic", 3)).when(Enrol("bob", "logic")).then(Enrolled("bob", "logic"))
    smaller = full.given(CapacityChanged("logic", 1), Left("eva", "logic"))
    smaller.when(Enrol("bob", "logic")).then(Rejected("course_full", capacity=1))
    smaller.given(Left("ada", "logic")).when(Enrol("bob", "logic")).then(Enrolled("bob", "logic"))


def test_a_student_has_ten_courses_at_most() -> None:
    courses = [CourseDefined(f"course-{n}", "A course", 5) for n in range(MOST_COURSES)]
    busy = given(*courses, *(Enrolled("ada", course.course) for course in courses))
    busy.when(Enrol("ada", "logic")).then(Rejected("too_many_courses", courses=10))
    busy.when(Enrol("eva", "logic")).then(Enrolled("eva", "logic"))
    busy.given(Left("ada", "course-3")).when(Enrol("ada", "logic")).then(Enrolled("ada", "logic"))


def test_a_student_leaves_a_course_and_may_come_back() -> None:
    given().when(Leave("ada", "logic")).then(Rejected("not_enrolled"))
    left = given(Enrolled("ada", "logic")).when(Leave("ada", "logic")).then(Left("ada", "logic"))
    left.when(Leave("ada", "logic")).then(Rejected("not_enrolled"))
    left.when(Enrol("ada", "logic")).then(Enrolled("ada", "logic"))


def test_all_courses_or_none() -> None:
    two = given(CourseDefined("algebra", "Algebra", 1))
    both = EnrolInAll("ada", ["algebra", "logic"])
    two.when(both).then(Enrolled("ada", "algebra"), Enrolled("ada", "logic"))
    two.given(Enrolled("eva", "algebra")).when(both).then(Rejected("course_full", capacity=1))
    two.given(Enrolled("ada", "logic")).when(both).then(Rejected("enrolled_already"))
    two.when(EnrolInAll("ada", ["algebra", "algebra"])).then(Rejected("course_named_twice"))
    two.when(EnrolInAll("ada", ["algebra", "rhetoric"])).then(Rejected("unknown_course"))
    nine = [Enrolled("ada", f"course-{n}") for n in range(9)]
    two.given(*nine).when(both).then(Rejected("too_many_courses", courses=9))


# read models


def test_seats_and_timetables_are_told() -> None:
    told = given(Enrolled("ada", "logic"), Enrolled("eva", "logic"), Left("ada", "logic"), CapacityChanged("logic", 5))
    told = told.given(CourseRenamed("logic", "Reason"))
    assert told.ask(ListCourses()).answer == [CourseSeats("logic", "Reason", 5, 1)]
    told.ask(GetTimetable("eva")).answers(Timetable("eva", "Eva", ["logic"]))
    told.ask(GetTimetable("ada")).answers(Timetable("ada", "Ada", []))


# all at once, over two nodes


async def tried(node: Node, command: Command) -> str:
    try:
        await node.send(command)
    except Rejected as error:
        return error.code
    return "accepted"


@pytest.mark.anyio
async def test_no_rule_is_broken_when_two_nodes_enrol_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with app.open(url, roles=["write"]) as one, app.open(url, roles=["write"]) as other:
        courses = [f"course-{n}" for n in range(14)]
        students = [f"student-{n}" for n in range(12)]
        for course in courses:
            await one.send(DefineCourse(course, course, 7))
        for student in students:
            await one.send(RegisterStudent(student, student))
        pairs = [Enrol(student, course) for student in students for course in courses]
        lists = [EnrolInAll(student, courses[n : n + 3]) for n, student in enumerate(students)]
        senders = (tried((one, other)[n % 2], each) for n, each in enumerate([*lists, *pairs, *lists]))
        answers = Counter(await asyncio.gather(*senders))
        events = [app.codec.decode(recorded) async for recorded in one.events(types=["Enrolled"])]
    assert set(answers) <= {"accepted", "course_full", "enrolled_already", "too_many_courses"}
    stored = [(event.student, event.course) for event in events if isinstance(event, Enrolled)]
    assert len(set(stored)) == len(stored) >= 90
    assert max(Counter(course for _, course in stored).values()) == 7
    assert max(Counter(student for student, _ in stored).values()) <= MOST_COURSES


def test_renaming_a_course_and_enrolling_in_it_do_not_rest_on_one_another() -> None:
    enrolling = selection_of(app.commands[Enrol].boundaries(Enrol("ada", "logic")))
    renaming = selection_of(app.commands[RenameCourse].boundaries(RenameCourse("logic", "Reason")))
    assert not enrolling.takes("CourseRenamed", ("course:logic",))
    assert not renaming.takes("Enrolled", ("student:ada", "course:logic"))
    assert enrolling.takes("Enrolled", ("student:ada", "course:algebra"))


def test_the_page_names_every_command_its_models_and_its_rejections() -> None:
    page = (ROOT / "docs" / "example-courses.md").read_text("utf-8")
    rows = {row[0]: row for row in (re.findall(r"`(\w+)`", line) for line in page.splitlines()) if row}
    for command, handler in app.commands.items():
        models = [wanted.model.__name__ for wanted in handler.models]
        assert rows[command.__name__][1 : 1 + len(models)] == models
    raised = set(re.findall(r'Rejected\("(\w+)"', (ROOT / "examples/courses/app.py").read_text("utf-8")))
    assert raised <= {name for row in rows.values() for name in row}


def test_the_module_runs() -> None:
    done = subprocess.run([sys.executable, "-m", "examples.courses"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Rhetoric   10 of 10" in done.stdout
