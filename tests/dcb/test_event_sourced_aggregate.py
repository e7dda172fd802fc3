"""A course as an aggregate: one write model that takes every event of its tag, and all rules in its own methods.

https://dcb.events/examples/event-sourced-aggregate/
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import pytest

from tests.dcb.conftest import Both
from twofold import App, Command, Event, Rejected, Tag, WriteModel
from twofold.testing import scenario

CourseId = Annotated[str, Tag("course")]


class Define(Command):
    course: CourseId
    capacity: int


class ChangeCapacity(Command):
    course: CourseId
    capacity: int


class Subscribe(Command):
    course: CourseId
    student: str


class Defined(Event):
    course: CourseId
    capacity: int


class CapacityChanged(Event):
    course: CourseId
    capacity: int


class Subscribed(Event):
    course: CourseId
    student: str


class Course(WriteModel, tag="course"):
    """The aggregate: its tag is its stream, its methods decide."""

    capacity: int | None = None
    students: int = 0

    def define(self, course: str, capacity: int) -> Defined:
        if self.capacity is not None:
            raise Rejected("defined_already")
        return Defined(course, capacity)

    def change_capacity(self, course: str, capacity: int) -> CapacityChanged:
        if capacity == self.existing_capacity:
            raise Rejected("same_capacity")
        if capacity < self.students:
            raise Rejected("more_students", f"{self.students} are subscribed")
        return CapacityChanged(course, capacity)

    def subscribe(self, course: str, student: str) -> Subscribed:
        if self.students >= self.existing_capacity:
            raise Rejected("fully_booked")
        return Subscribed(course, student)

    @property
    def existing_capacity(self) -> int:
        if self.capacity is None:
            raise Rejected("no_such_course")
        return self.capacity

    def evolve(self, event: Defined | CapacityChanged | Subscribed) -> None:
        if isinstance(event, Subscribed):
            self.students += 1
        else:
            self.capacity = event.capacity


app = App("courses")


@app.command
def define(command: Define, course: Course) -> Defined:
    return course.define(command.course, command.capacity)


@app.command
def change_capacity(command: ChangeCapacity, course: Course) -> CapacityChanged:
    return course.change_capacity(command.course, command.capacity)


@app.command
def subscribe(command: Subscribe, course: Course) -> Subscribed:
    return course.subscribe(command.course, command.student)


def test_the_aggregate_decides_by_its_own_methods() -> None:
    defined = scenario(app).when(Define("c1", 1)).then(Defined("c1", 1))
    full = defined.when(Subscribe("c1", "ada")).then(Subscribed("c1", "ada"))
    full.when(Subscribe("c1", "eva")).then(Rejected("fully_booked"))
    full.when(ChangeCapacity("c1", 0)).then(Rejected("more_students"))
    full.when(ChangeCapacity("c1", 1)).then(Rejected("same_capacity"))
    larger = full.when(ChangeCapacity("c1", 2)).then(CapacityChanged("c1", 2))
    larger.when(Subscribe("c1", "eva")).then(Subscribed("c1", "eva"))
    larger.when(Define("c1", 9)).then(Rejected("defined_already"))


def test_what_was_not_defined_takes_nobody() -> None:
    scenario(app).when(Subscribe("c1", "ada")).then(Rejected("no_such_course"))
    scenario(app).given(Defined("c2", 1)).when(ChangeCapacity("c1", 2)).then(Rejected("no_such_course"))


@pytest.mark.anyio
async def test_no_aggregate_takes_more_than_it_has_room_for_when_two_nodes_subscribe_at_once(both: Both) -> None:
    async with both(app) as nodes:
        for course in ("c1", "c2"):
            await nodes[0].send(Define(course, 7))
        commands = [Subscribe(f"c{n % 2 + 1}", f"s{n}") for n in range(60)]
        sent = (nodes[n // 2 % 2].send(each) for n, each in enumerate(commands))
        answers = await asyncio.gather(*sent, return_exceptions=True)
        events = [app.codec.decode(recorded) async for recorded in nodes[0].events(types=["Subscribed"])]
    assert sum(answer == Rejected("fully_booked") for answer in answers if isinstance(answer, Rejected)) == 46
    courses = [event.course for event in events if isinstance(event, Subscribed)]
    assert sorted(courses) == ["c1"] * 7 + ["c2"] * 7
