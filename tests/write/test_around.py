"""Middleware: what surrounds a command sees it, may refuse it, and cannot bend the truth about it."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest

from tests.faults.rough_history import GatedHistory
from tests.faults.virtual import run_virtually
from twofold import App, Command, Context, Event, Principal, Proceed, Receipt, Rejected, Tag, WriteModel
from twofold.engines.memory import MemoryHistory
from twofold.errors import ChangedSince, DeclarationError, HandlerFailed, OutcomeUnknown, TimedOut
from twofold.write.passage import Passage

pytestmark = pytest.mark.anyio

Room = Annotated[str, Tag("room")]


class Tenants(Command):
    """Commands of tenants."""

    room: Room
    tenant: str = ""


class Book(Tenants):
    pass


class Leave(Command):
    room: Room


class Booked(Event):
    room: Room


class Left(Event):
    room: Room


class State(WriteModel, tag="room"):
    taken: bool = False

    def evolve(self, event: Booked | Left) -> None:
        self.taken = isinstance(event, Booked)


class Journal:
    def __init__(self) -> None:
        self.lines: list[str] = []


def rooms() -> App:
    app = App("rooms")

    @app.command
    def book(command: Book, state: State) -> Booked:
        if state.taken:
            raise Rejected("taken")
        return Booked(command.room)

    @app.command
    def leave(command: Leave, state: State) -> Left:
        return Left(command.room)

    return app


def journalled(app: App, name: str) -> None:
    @app.around_command
    async def write_down(command: Command, journal: Journal, context: Context, proceed: Proceed) -> Receipt:
        journal.lines.append(f"{name} before {type(command).__name__} by {context.principal.name}")
        try:
            receipt = await proceed()
        except Rejected as error:
            journal.lines.append(f"{name} after {error.code}")
            raise
        journal.lines.append(f"{name} after {receipt.position}")
        return receipt


async def test_several_surround_a_command_the_first_declared_outermost() -> None:
    app, journal = rooms(), Journal()
    journalled(app, "outer")
    journalled(app, "inner")
    async with app.open("memory:", provide=[journal]) as node:
        await node.send(Book("a"), principal=Principal("ada"))
        with pytest.raises(Rejected, match="taken"):
            await node.send(Book("a"))
    assert journal.lines == [
        "outer before Book by ada", "inner before Book by ada", "inner after 1", "outer after 1",
        "outer before Book by ", "inner before Book by ", "inner after taken", "outer after taken",
    ]  # fmt: skip


async def test_it_surrounds_the_commands_of_its_first_parameters_class() -> None:
    app = rooms()
    seen: list[Command] = []

    @app.around_command
    async def check_tenant(command: Tenants, proceed: Proceed) -> Receipt:
        seen.append(command)
        if command.tenant != "ours":
            raise Rejected("wrong_tenant", "this room is another tenant's", tenant=command.tenant)
        return await proceed()

    async with app.open("memory:") as node:
        with pytest.raises(Rejected) as caught:
            await node.send(Book("a", "theirs"))
        assert caught.value.facts == {"tenant": "theirs"}
        assert await node.history.head() == 0
        await node.send(Book("a", "ours"))
        await node.send(Leave("a"))
    assert seen == [Book("a", "theirs"), Book("a", "ours")]


async def test_included_middleware_surrounds_its_own_applications_commands_inside_the_others() -> None:
    journal, main, part = Journal(), App("main"), rooms()

    class Open(Command):
        room: Room

    @main.command
    def open_room(command: Open, state: State) -> None:
        return None

    journalled(main, "main")
    journalled(part, "part")
    main.include(part)
    journalled(part, "too late")
    journalled(main, "main too")
    async with main.open("memory:", provide=[journal]) as node:
        await node.send(Open("a"))
        await node.send(Book("a"))
    assert [line.partition(" before")[0] for line in journal.lines if "before" in line] == [
        "main", "main too", "main", "main too", "part",
    ]  # fmt: skip


async def test_a_refusal_is_in_the_ledger_and_leaves_the_id_free(tmp_path: Any) -> None:
    app = rooms()
    closed = True

    @app.around_command
    async def office_hours(command: Command, proceed: Proceed) -> Receipt:
        if closed:
            raise Rejected("closed")
        return await proceed()

    command_id = uuid4()
    async with app.open(f"sqlite:///{tmp_path}") as node:
        with pytest.raises(Rejected, match="closed"):
            await node.send(Book("a"), command_id=command_id)
        closed = False
        first = await node.send(Book("a"), command_id=command_id)
        closed = True
        # What was accepted stays accepted: its repeat is told so.
        assert await node.send(Book("a"), command_id=command_id) == Receipt(command_id, first.position, repeated=True)


async def failing(app: App, *, error: str) -> HandlerFailed:
    async with app.open("memory:") as node:
        with pytest.raises(HandlerFailed, match=error) as caught:
            await node.send(Book("a"))
        assert await node.history.head() == 0
        return caught.value


async def test_middleware_that_fails_is_told_by_its_name() -> None:
    app = rooms()

    @app.around_command
    async def trip(command: Command, proceed: Proceed) -> Receipt:
        raise ZeroDivisionError("a secret")

    error = await failing(app, error=r"trip.*ZeroDivisionError")
    assert error.incident
    assert isinstance(error.__cause__, ZeroDivisionError)


async def test_a_receipt_cannot_be_made_up() -> None:
    app = rooms()

    @app.around_command
    async def invent(command: Command, proceed: Proceed) -> Receipt:
        return Receipt(UUID(int=1), 99)

    await failing(app, error="did not return the receipt")


async def test_a_refusal_that_the_ledger_cannot_hold_is_a_failure() -> None:
    app = rooms()

    @app.around_command
    async def mumble(command: Command, proceed: Proceed) -> Receipt:
        raise Rejected("odd", "\ud800")

    await failing(app, error="mumble")


async def test_a_rejection_cannot_be_swallowed() -> None:
    app = rooms()

    @app.around_command
    async def soothe(command: Command, proceed: Proceed) -> Receipt:
        try:
            return await proceed()
        except Rejected:
            return Receipt(UUID(int=1), 99)

    async with app.open("memory:") as node:
        await node.send(Book("a"))
        with pytest.raises(HandlerFailed, match="soothe"):
            await node.send(Book("a"))


async def test_a_rejection_can_be_told_in_other_words() -> None:
    app = rooms()

    @app.around_command
    async def translate(command: Command, proceed: Proceed) -> Receipt:
        try:
            return await proceed()
        except Rejected as error:
            raise Rejected("belegt", "das Zimmer ist belegt") from error

    async with app.open("memory:") as node:
        await node.send(Book("a"))
        with pytest.raises(Rejected, match="das Zimmer"):
            await node.send(Book("a"))


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_command_is_decided_once_however_often_it_proceeds(
    at_once: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = rooms()

    @app.around_command
    async def stutter(command: Command, proceed: Proceed) -> Receipt:
        if at_once:
            return (await asyncio.gather(proceed(), proceed()))[0]
        await proceed()
        return await proceed()

    async with app.open("memory:") as node:
        answers = await asyncio.gather(node.send(Leave("a")), return_exceptions=True)
        assert await node.history.head() == 1
    # It is never told that nothing was stored.
    assert isinstance(answers[0], Receipt | OutcomeUnknown), answers
    if not at_once:
        assert "failed after the command was accepted" in caplog.text


async def test_an_acceptance_cannot_be_taken_back(caplog: pytest.LogCaptureFixture) -> None:
    app = rooms()

    @app.around_command
    async def regret(command: Command, proceed: Proceed) -> Receipt:
        await proceed()
        raise Rejected("changed_my_mind")

    caplog.set_level(logging.ERROR)
    async with app.open("memory:") as node:
        assert (await node.send(Book("a"))).position == 1
    assert "regret failed after the command was accepted" in caplog.text


async def cut_off() -> None:
    """Let middleware give a decision up that is in the append by then."""
    history = GatedHistory(MemoryHistory())
    app = rooms()

    @app.around_command
    async def hurry(command: Command, proceed: Proceed) -> Receipt:
        async with asyncio.timeout(0.05):
            return await proceed()

    node = app.open("memory:", roles=["write"])
    node._parts.open_history = lambda: history
    async with node:
        with history.shut(), pytest.raises(OutcomeUnknown) as caught:
            await node.send(Book("a"))
        # It is stored after all, which a repeat finds out.
        again = await node.send(Book("a"), command_id=caught.value.command_id)
        assert again == Receipt(caught.value.command_id, 1, repeated=True)


def test_middleware_that_cuts_a_decision_off_leaves_its_outcome_unknown() -> None:
    run_virtually(cut_off())


def test_a_planted_bug_is_found_a_decision_that_was_cut_off_and_is_told_as_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Passage, "is_open", False)
    with pytest.raises(HandlerFailed, match="nothing was stored"):
        run_virtually(cut_off())


async def test_a_deadline_cuts_middleware_off_too() -> None:
    app = rooms()

    @app.around_command
    async def ponder(command: Command, proceed: Proceed) -> Receipt:
        await asyncio.Event().wait()
        return await proceed()

    async with app.open("memory:") as node:
        with pytest.raises(TimedOut):
            await node.send(Book("a"), timeout=0.05)
        assert await node.history.head() == 0


def test_a_deadline_does_not_cut_off_what_comes_after_the_acceptance() -> None:
    app = rooms()

    @app.around_command
    async def linger(command: Command, proceed: Proceed) -> Receipt:
        receipt = await proceed()
        await asyncio.sleep(0.2)
        return receipt

    async def main() -> None:
        async with app.open("memory:") as node:
            assert (await node.send(Book("a"), timeout=0.1)).position == 1

    run_virtually(main())


async def test_expectations_pass_through() -> None:
    app, journal = rooms(), Journal()
    journalled(app, "it")
    async with app.open("memory:", provide=[journal]) as node:
        await node.send(Book("a"))
        with pytest.raises(ChangedSince):
            await node.send(Leave("a"), expected=0)


async def test_what_is_not_provided_is_told_before_anything_is_opened() -> None:
    app = rooms()
    journalled(app, "it")
    with pytest.raises(DeclarationError, match="nothing of type Journal was provided"):
        app.open("memory:")
    # A node that takes no commands needs none of it.
    app.open("memory:", roles=["read"])


def refused(function: Any) -> DeclarationError:
    with pytest.raises(DeclarationError) as caught:
        App("wrong").around_command(function)
    assert __file__ in caught.value.where
    assert caught.value.mend
    return caught.value


def test_wrong_declarations_are_refused_with_their_mend() -> None:
    async def without_proceed(command: Command) -> Receipt:
        return Receipt(UUID(int=1), 1)

    def plain(command: Command, proceed: Proceed) -> Any:
        return proceed()

    async def no_receipt(command: Command, proceed: Proceed) -> None:
        await proceed()

    async def no_annotation(command: Command, proceed) -> Receipt:  # type: ignore[no-untyped-def]
        return await proceed()  # type: ignore[no-any-return]

    async def no_command(context: Context, proceed: Proceed) -> Receipt:
        return await proceed()

    async def models(command: Command, state: State, proceed: Proceed) -> Receipt:
        return await proceed()

    async def twice(command: Command, proceed: Proceed, again: Proceed) -> Receipt:
        return await proceed()

    async def value(command: Command, name: str, proceed: Proceed) -> Receipt:
        return await proceed()

    async def other_message(command: Command, event: Booked, proceed: Proceed) -> Receipt:
        return await proceed()

    assert "await proceed()" in refused(without_proceed).mend
    assert "async def" in refused(plain).mend
    assert "-> Receipt" in refused(no_receipt).mend
    assert "annotate every parameter" in refused(no_annotation).mend
    assert "or with Command itself" in refused(no_command).mend
    assert "handler" in refused(models).mend
    assert "once for Proceed" in refused(twice).mend
    assert "name" in refused(value).what
    assert "Booked" in refused(other_message).what
