"""A hundred students run for the seats of three courses, all at once: `python -m examples.courses`."""

import asyncio
from collections import Counter

from examples.courses.app import DefineCourse, Enrol, ListCourses, RegisterStudent, app
from twofold import Node, Receipt, Rejected

COURSES = {"algebra": 30, "logic": 20, "rhetoric": 10}
STUDENTS = [f"student-{number}" for number in range(100)]


async def try_to_enrol(node: Node, student: str, course: str) -> Receipt | Rejected:
    try:
        return await node.send(Enrol(student, course))
    except Rejected as error:
        return error


async def main() -> None:
    async with app.open("memory:") as node:
        await asyncio.gather(*(node.send(DefineCourse(name, name.title(), seats)) for name, seats in COURSES.items()))
        await asyncio.gather(*(node.send(RegisterStudent(student, student.title())) for student in STUDENTS))
        tries = [try_to_enrol(node, student, course) for student in STUDENTS for course in COURSES]
        answers = await asyncio.gather(*tries)
        print(Counter(answer.code if isinstance(answer, Rejected) else "enrolled" for answer in answers))
        for row in await node.ask(ListCourses(), after=await node.caught_up()):
            print(f"{row.title:<10} {row.taken} of {row.capacity}")


asyncio.run(main())
