"""Courses have few seats, students little time: rules that hold over both, with no aggregate that owns them.

Each write model is the answer to one question, folded from the few events that matter to it. A command asks the
questions that it needs, and rests on nothing else: a course may be renamed while students enrol in it.
"""

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, field

from twofold import App, Command, Event, Found, Query, ReadModel, Rejected, Tag, View, WriteModel

CourseId = Annotated[str, Tag("course"), Meta(min_length=1, max_length=100)]
StudentId = Annotated[str, Tag("student"), Meta(min_length=1, max_length=100)]
Title = Annotated[str, Meta(min_length=1, max_length=200)]
Capacity = Annotated[int, Meta(ge=1, le=1_000)]

MOST_COURSES = 10


# commands


class DefineCourse(Command):
    course: CourseId
    title: Title
    capacity: Capacity


class RenameCourse(Command):
    course: CourseId
    title: Title


class ChangeCapacity(Command):
    """Give a course more seats, or fewer: those who have one keep it."""

    course: CourseId
    capacity: Capacity


class RegisterStudent(Command):
    student: StudentId
    name: Annotated[str, Meta(min_length=1, max_length=200)]


class Enrol(Command):
    student: StudentId
    course: CourseId


class EnrolInAll(Command):
    """Enrol in all of these courses, or in none."""

    student: StudentId
    courses: Annotated[list[CourseId], Meta(min_length=1, max_length=MOST_COURSES)]


class Leave(Command):
    student: StudentId
    course: CourseId


# events


class CourseDefined(Event):
    course: CourseId
    title: str
    capacity: int


class CourseRenamed(Event):
    course: CourseId
    title: str


class CapacityChanged(Event):
    course: CourseId
    capacity: int


class StudentRegistered(Event):
    student: StudentId
    name: str


class Enrolled(Event):
    student: StudentId
    course: CourseId


class Left(Event):
    student: StudentId
    course: CourseId


# write models


class Course(WriteModel, tag="course"):
    """Does it exist, and what is it called?"""

    title: str | None = None

    def evolve(self, event: CourseDefined | CourseRenamed) -> None:
        self.title = event.title


class Seats(WriteModel, tag="course"):
    """How many seats does it have (none: there is no such course), and how many are taken?"""

    capacity: int = 0
    taken: int = 0

    def evolve(self, event: CourseDefined | CapacityChanged | Enrolled | Left) -> None:
        match event:
            case CourseDefined(capacity=capacity) | CapacityChanged(capacity=capacity):
                self.capacity = capacity
            case Enrolled():
                self.taken += 1
            case Left():
                self.taken -= 1


class Student(WriteModel, tag="student"):
    """Is there such a student, and in how many courses?"""

    registered: bool = False
    courses: int = 0

    def evolve(self, event: StudentRegistered | Enrolled | Left) -> None:
        match event:
            case StudentRegistered():
                self.registered = True
            case Enrolled():
                self.courses += 1
            case Left():
                self.courses -= 1


class Enrolment(WriteModel, tag=("student", "course")):
    """Is this student in this course?"""

    stands: bool = False

    def evolve(self, event: Enrolled | Left) -> None:
        self.stands = isinstance(event, Enrolled)


# read models


class CourseSeats(ReadModel, key="course"):
    course: CourseId
    title: str = ""
    capacity: int = 0
    taken: int = 0

    def evolve(self, event: CourseDefined | CourseRenamed | CapacityChanged | Enrolled | Left) -> None:
        match event:
            case CourseDefined(title=title, capacity=capacity):
                self.title, self.capacity = title, capacity
            case CourseRenamed(title=title):
                self.title = title
            case CapacityChanged(capacity=capacity):
                self.capacity = capacity
            case Enrolled():
                self.taken += 1
            case Left():
                self.taken -= 1


class Timetable(ReadModel, key="student"):
    student: StudentId
    name: str = ""
    courses: list[str] = field(default_factory=list)

    def evolve(self, event: StudentRegistered | Enrolled | Left) -> None:
        match event:
            case StudentRegistered(name=name):
                self.name = name
            case Enrolled(course=course):
                self.courses = sorted([*self.courses, course])
            case Left(course=course):
                self.courses = [each for each in self.courses if each != course]


# queries


class ListCourses(Query[Found[CourseSeats]]):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    after: str | None = None


class GetTimetable(Query[Timetable | None]):
    student: StudentId


# handlers

app = App("courses")


@app.command
def define_course(command: DefineCourse, course: Course) -> CourseDefined:
    if course.title is not None:
        raise Rejected("course_exists", f"{command.course} is {course.title!r}")
    return CourseDefined(command.course, command.title, command.capacity)


@app.command
def rename_course(command: RenameCourse, course: Course) -> CourseRenamed | None:
    if course.title is None:
        raise _unknown(command.course)
    return None if course.title == command.title else CourseRenamed(command.course, command.title)


@app.command
def change_capacity(command: ChangeCapacity, seats: Seats) -> CapacityChanged:
    if not seats.capacity:
        raise _unknown(command.course)
    if command.capacity == seats.capacity:
        raise Rejected("same_capacity", f"{command.course} has {seats.capacity} seats already")
    return CapacityChanged(command.course, command.capacity)


@app.command
def register_student(command: RegisterStudent, student: Student) -> StudentRegistered:
    if student.registered:
        raise Rejected("student_exists", command.student)
    return StudentRegistered(command.student, command.name)


@app.command
def enrol(command: Enrol, seats: Seats, student: Student, enrolment: Enrolment) -> Enrolled:
    _refuse_for(command.student, student, more=1)
    return _enrolled(command.student, command.course, seats, enrolment)


@app.command
def enrol_in_all(
    command: EnrolInAll, seats: list[Seats], student: Student, enrolments: list[Enrolment]
) -> Iterable[Enrolled]:
    if len(set(command.courses)) < len(command.courses):
        raise Rejected("course_named_twice")
    _refuse_for(command.student, student, more=len(command.courses))
    for course, of_course, enrolment in zip(command.courses, seats, enrolments, strict=True):
        yield _enrolled(command.student, course, of_course, enrolment)


@app.command
def leave(command: Leave, enrolment: Enrolment) -> Left:
    if not enrolment.stands:
        raise Rejected("not_enrolled", f"{command.student} is not in {command.course}")
    return Left(command.student, command.course)


@app.query
async def list_courses(query: ListCourses, courses: View[CourseSeats]) -> Found[CourseSeats]:
    return await courses.find(order_by="course", limit=query.limit, after=query.after)


@app.query
async def get_timetable(query: GetTimetable, timetables: View[Timetable]) -> Timetable | None:
    return await timetables.get(query.student)


def _enrolled(student: str, course: str, seats: Seats, enrolment: Enrolment) -> Enrolled:
    if not seats.capacity:
        raise _unknown(course)
    if enrolment.stands:
        raise Rejected("enrolled_already", f"{student} is in {course}")
    if seats.taken >= seats.capacity:
        raise Rejected("course_full", f"all {seats.capacity} seats of {course} are taken", capacity=seats.capacity)
    return Enrolled(student, course)


def _unknown(course: str) -> Rejected:
    return Rejected("unknown_course", f"there is no course {course}")


def _refuse_for(name: str, student: Student, *, more: int) -> None:
    if not student.registered:
        raise Rejected("unknown_student", f"there is no student {name}")
    if student.courses + more > MOST_COURSES:
        raise Rejected("too_many_courses", f"{MOST_COURSES} courses are the most", courses=student.courses)
