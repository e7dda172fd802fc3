"""An application with a bit of everything that crosses the HTTP edge, and with handlers that fail."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from twofold import App, Command, Event, Found, Query, ReadModel, Rejected, Tag, View, WriteModel
from twofold.errors import OutcomeUnknown

TicketId = Annotated[UUID, Tag("ticket")]
Title = Annotated[str, Meta(min_length=1, max_length=80, description="what it is <about>")]
Priority = Annotated[int, Meta(ge=1, le=5)]


class Kind(Enum):
    BUG = "bug"
    WISH = "wish"


class Reporter(Struct, frozen=True):
    """Who wrote it."""

    name: str
    phone: Annotated[str, Meta(pattern=r"^\+[0-9]{3,15}$")] | None = None


class OpenTicket(Command):
    """Open a ticket.

    It takes <b>markup</b> & "quotes" as they are.
    """

    ticket_id: TicketId
    title: Title
    priority: Priority = 3
    kind: Kind = Kind.BUG
    labels: Annotated[list[str], Meta(max_length=10)] = []
    due: datetime | None = None
    reporter: Reporter | None = None
    weight: float = 1.0
    number: int = 0
    extra: Any = None


class CloseTicket(Command):
    ticket_id: TicketId


class Reopen(Command, name="re-open {it}/now"):
    ticket_id: TicketId


class NameTicket(Command):
    """Its tag is a text, which may be empty."""

    name: Annotated[str, Tag("name")]


class BreakDown(Command):
    ticket_id: TicketId


class SayNonsense(Command):
    ticket_id: TicketId


class Doubt(Command):
    ticket_id: TicketId


class RejectOddly(Command):
    ticket_id: TicketId


class TicketOpened(Event):
    ticket_id: TicketId
    title: Title
    priority: int
    kind: Kind
    labels: list[str]
    due: datetime | None
    reporter: Reporter | None
    weight: float
    number: int


class TicketClosed(Event):
    ticket_id: TicketId


class TicketNamed(Event):
    name: Annotated[str, Tag("name")]


class State(WriteModel, tag="ticket"):
    open: bool = False

    def evolve(self, event: TicketOpened | TicketClosed) -> None:
        self.open = isinstance(event, TicketOpened)


class Name(WriteModel, tag="name"):
    taken: bool = False

    def evolve(self, event: TicketNamed) -> None:
        self.taken = True


class Ticket(ReadModel, key="ticket_id"):
    """A ticket as people see it."""

    ticket_id: TicketId
    title: str = ""
    priority: int = 3
    kind: Kind = Kind.BUG
    labels: list[str] = []
    open: bool = False

    def evolve(self, event: TicketOpened | TicketClosed) -> None:
        match event:
            case TicketOpened():
                if event.title == "poison":
                    raise ValueError("this row takes no poison")
                self.title, self.priority, self.kind = event.title, event.priority, event.kind
                self.labels, self.open = list(event.labels), True
            case TicketClosed():
                self.open = False


class GetTicket(Query[Ticket | None]):
    ticket_id: UUID


class FindTickets(Query[Found[Ticket]]):
    """Tickets of one priority, in pages."""

    priority: Priority | None = None
    order_by: str = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    after: str | None = None


class CountTickets(Query[int]):
    pass


class Echo(Query[Any]):
    """Answers with its own fields: how they came through."""

    text: str = ""
    number: int = 0
    weight: float = 0.0
    flag: bool = False
    kind: Kind = Kind.BUG
    at: datetime | None = None
    labels: list[str] = []
    numbers: tuple[int, ...] = ()
    reporter: Reporter | None = None
    reporters: list[Reporter] = []
    sizes: dict[str, int] = {}


class BreakQuery(Query[int]):
    secret: str = ""


class AskNonsense(Query[Any]):
    pass


app = App("tickets <&>")


@app.command
def open_ticket(command: OpenTicket, state: State) -> TicketOpened:
    if state.open:
        raise Rejected(
            "already_open", f"ticket {command.ticket_id} is open", status="open", ticket=command.ticket_id, limit=1
        )
    return TicketOpened(
        command.ticket_id, command.title, command.priority, command.kind, command.labels, command.due,
        command.reporter, command.weight, command.number,
    )  # fmt: skip


@app.command
def close_ticket(command: CloseTicket, state: State) -> TicketClosed | None:
    return TicketClosed(command.ticket_id) if state.open else None


@app.command
def reopen(command: Reopen, state: State) -> None:
    raise Rejected("not yet/äöü", "a fact of it is no JSON", odd="\ud800")


@app.command
def name_ticket(command: NameTicket, name: Name) -> TicketNamed:
    return TicketNamed(command.name)


@app.command
def break_down(command: BreakDown, state: State) -> TicketClosed:
    raise RuntimeError("the inner secret of the handler")


@app.command
def say_nonsense(command: SayNonsense, state: State) -> TicketOpened:
    return TicketOpened(command.ticket_id, "", 3, Kind.BUG, [], None, None, 1.0, 0)


@app.command
def doubt(command: Doubt) -> TicketClosed:
    raise OutcomeUnknown(path="the secret path", problem="the disk said nothing")


@app.command
def reject_oddly(command: RejectOddly, state: State) -> None:
    raise Rejected("odd", "a reason with \ud800 in it")


@app.query
async def get_ticket(query: GetTicket, tickets: View[Ticket]) -> Ticket | None:
    return await tickets.get(query.ticket_id)


@app.query
async def find_tickets(query: FindTickets, tickets: View[Ticket]) -> Found[Ticket]:
    equals = {} if query.priority is None else {"priority": query.priority}
    order = (query.order_by,) if query.order_by else ()
    return await tickets.find(order_by=order, limit=query.limit, after=query.after, **equals)


@app.query
async def count_tickets(query: CountTickets, tickets: View[Ticket]) -> int:
    return await tickets.count()


@app.query
def echo(query: Echo) -> Any:
    return query


@app.query
def break_query(query: BreakQuery) -> int:
    raise RuntimeError("the inner secret of the query")


@app.query
def ask_nonsense(query: AskNonsense) -> Any:
    return object()
