"""A lending library: an application that uses what declarations allow. Its annotations are evaluated at once.

A test runs the same text with `from __future__ import annotations` on top.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Annotated

from twofold import App, Command, Context, Event, Metadata, Query, ReadModel, Rejected, Tag, View, WriteModel

ReaderId = Annotated[str, Tag("reader")]
BookId = Annotated[str, Tag("book")]


class AddBook(Command):
    book: BookId
    title: str


class Lend(Command):
    book: BookId
    reader: ReaderId


class HandOver(Command):
    book: BookId
    giver_id: ReaderId
    taker_reader: ReaderId


class Recommend(Command):
    reader: ReaderId | None
    books: list[str]


class Close(Command, name="close-library"):
    pass


class BookAdded(Event, name="book-added", version=2):
    book: BookId
    title: str


class Lent(Event):
    book: BookId
    reader: ReaderId
    on: date


class Returned(Event):
    book: BookId
    reader: ReaderId
    late: Annotated[bool | None, Tag("late")] = None


class Recommended(Event):
    books: list[BookId]
    reader: ReaderId | None = None


class Closed(Event):
    by: str


class Book(WriteModel, tag="book"):
    title: str = ""
    lent_to: str | None = None
    recommended: int = 0
    last_position: int = 0

    def evolve(self, event: BookAdded | Lent | Returned | Recommended, meta: Metadata) -> None:
        self.last_position = meta.position
        match event:
            case BookAdded(title=title):
                self.title = title
            case Lent(reader=reader):
                self.lent_to = reader
            case Returned():
                self.lent_to = None
            case Recommended():
                self.recommended += 1


class Reader(WriteModel, tag="reader"):
    books: list[str] = []

    def evolve(self, event: Lent | Returned) -> None:
        if isinstance(event, Lent):
            self.books = [*self.books, event.book]
        else:
            self.books = [book for book in self.books if book != event.book]


class Shelf(ReadModel, key="book", name="BookOnTheShelf", version=3):
    book: str
    title: str = ""
    reader: str | None = None
    changed_by: str = ""
    changed_at: int = 0

    def evolve(self, event: BookAdded | Lent | Returned, meta: Metadata) -> None:
        self.changed_by, self.changed_at = meta.principal, meta.position
        match event:
            case BookAdded(title=title):
                self.title = title
            case Lent(reader=reader):
                self.reader = reader
            case Returned():
                self.reader = None


class Loans(ReadModel, key=("reader", "book")):
    reader: str
    book: str
    times: int = 0

    def evolve(self, event: Lent) -> None:
        self.times += 1


class Mentions(ReadModel, key="book"):
    book: str
    times: int = 0
    keys: int = 0

    def evolve(self, event: BookAdded) -> None:
        self.keys += 1


class Popular(ReadModel, key="book"):
    book: str
    times: int = 0

    @staticmethod
    def keys(event: Recommended | Lent) -> Iterable[str]:
        return event.books if isinstance(event, Recommended) else [event.book]

    def evolve(self, event: Recommended | Lent) -> None:
        self.times += 1


class Steps(ReadModel, key=("kind", "even")):
    kind: str
    even: bool
    count: int = 0

    @staticmethod
    def keys(event: Lent | Returned, meta: Metadata) -> Iterator[tuple[str, bool]]:
        yield type(event).__name__, meta.position % 2 == 0
        yield "any", meta.position % 2 == 0

    def evolve(self, event: Lent | Returned) -> None:
        self.count += 1


class GetShelf(Query[Shelf | None]):
    book: str


class TimesLent(Query[int]):
    reader: str
    book: str


class MostPopular(Query[list[str]]):
    pass


class Greeting(Query["str"]):
    name: str = "you"


class Calendar:
    def __init__(self, today: date) -> None:
        self.today = today

    async def ask(self) -> date:
        return self.today


books = App("books")
readers = App("readers")
library = App("library")


@books.command
def add_book(command: AddBook, book: Book) -> BookAdded | None:
    if not book.title:
        return BookAdded(command.book, command.title)
    return None


@books.command
async def lend(command: Lend, calendar: Calendar, book: Book) -> Lent:
    if book.lent_to is not None:
        raise Rejected("lent", f"{command.book} is lent to {book.lent_to}", at=book.last_position)
    return Lent(command.book, command.reader, await calendar.ask())


@readers.command
def hand_over(
    command: HandOver, taker: Reader, giver: Reader, calendar: Calendar
) -> tuple[Returned, Lent] | list[Returned]:
    if command.book not in giver.books:
        raise Rejected("not_lent", f"{giver.books} {taker.books}")
    if command.book in taker.books:
        return [Returned(command.book, command.giver_id, True)]
    return (
        Returned(command.book, command.giver_id),
        Lent(command.book, command.taker_reader, calendar.today),
    )


@readers.command
def recommend(command: Recommend) -> Iterator[Recommended]:
    if not command.books:
        raise Rejected("nothing")
    yield Recommended(command.books, command.reader)
    yield from (Recommended([book]) for book in command.books[1:])


@books.query
async def get_shelf(query: GetShelf, shelves: View[Shelf], context: Context) -> Shelf | None:
    assert context.now.tzinfo is not None
    return await shelves.get(query.book)


@readers.query
async def times_lent(query: TimesLent, loans: View[Loans]) -> int:
    found = await loans.get(query.reader, query.book)
    return 0 if found is None else found.times


@readers.query
async def most_popular(query: MostPopular, popular: View[Popular]) -> list[str]:
    return [f"{row.book} {row.times}" for row in await popular.find(order_by=["-times", "book"])]


@readers.query
def greeting(query: Greeting, calendar: Calendar, context: Context) -> str:
    return f"{query.name}, {calendar.today}, {context.principal.name}"


library.include(books)
library.include(readers)
library.read_model(Steps)
library.read_model(Mentions)


@library.command
def close(command: Close, context: Context) -> Closed:
    return Closed(context.principal.name)
