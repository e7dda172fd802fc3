"""A scenario: what was given, and then what is tried. It runs without a node, a file or an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from twofold.app import App
from twofold.context import ANONYMOUS, Context, Principal
from twofold.message import Command, Event, Query
from twofold.testing.answer import answer
from twofold.testing.answered import Answered
from twofold.testing.decide import decide, shown
from twofold.testing.decided import Decided
from twofold.testing.story import Happened, told

A = TypeVar("A")
R = TypeVar("R")

START = datetime(2000, 1, 1, tzinfo=UTC)
"""The time at which a scenario plays until `at` says otherwise."""


def scenario(app: App, *, provide: Collection[Any] = ()) -> Scenario:
    """Begin a scenario in which nothing has happened yet.

        scenario(app).given(UserRegistered(u, "Ada")).when(RegisterUser(u, "Ada")).then(Rejected("already_registered"))

    Args:
        app: the application.
        provide: objects that the handlers at hand ask for by their class, as in `app.open`.
    """
    return Scenario(app, provide=provide)


class Scenario:
    """What has been given so far. Every method returns a new scenario, so that one may begin several others.

    Args and meaning: see `scenario`.
    """

    def __init__(
        self,
        app: App,
        *,
        provide: Collection[Any] = (),
        now: datetime = START,
        principal: Principal = ANONYMOUS,
        facts: tuple[Happened, ...] = (),
    ) -> None:
        self._app = app
        self._provide = provide
        self._now = now
        self._principal = principal
        self._facts = facts

    def given(self, *events: Event) -> Scenario:
        """Let events have happened, in this order, at the scenario's time and caused by its principal.

        Raises:
            TypeError: something else than an event is given.
        """
        for event in events:
            if not isinstance(event, Event):
                raise TypeError(f"given() takes events, found {event!r}")
        more = tuple(Happened(event, self._now, self._principal) for event in events)
        return self._with(facts=self._facts + more)

    def at(self, now: datetime) -> Scenario:
        """Set the time for what follows: `context.now`, and the time of events that are given after this.

        Raises:
            ValueError: the time has no zone.
        """
        if now.tzinfo is None:
            raise ValueError(f"at() takes a time with a zone, found {now!r}; add tzinfo=UTC")
        return self._with(now=now.astimezone(UTC))

    def by(self, principal: Principal | str) -> Scenario:
        """Set who sends, asks and causes what follows; a name stands for a principal without scopes."""
        return self._with(principal=Principal(principal) if isinstance(principal, str) else principal)

    def when(self, command: Command, *, command_id: UUID | None = None) -> Decided:
        """Decide a command against what was given, as a node would; say with `then` how it should be.

        The events are folded into the handler's write models, the same events that a history would give back.

        Args:
            command: what is tried.
            command_id: what `context.command_id` is; the same in every run when left out.

        Raises:
            AssertionError: no handler takes it; it, a given or a returned event does not validate; the handler
                changed a write model, or raised anything but `Rejected`; an `evolve` raised.
        """
        __tracebackhide__ = True
        context = self._context(command_id or UUID(int=len(self._facts) + 1))
        outcome = _run(decide(self._app, self._provided, self._facts, command, context))
        handler = shown(self._app.commands[type(command)])
        return Decided(self, handler, told(self._facts, "when", command), outcome)

    def ask(self, query: Query[A]) -> Answered[A]:
        """Answer a query from read models that were projected from what was given; compare with `answers`.

        Raises:
            AssertionError: no handler takes it; it or a given event does not validate; the handler or an `evolve`
                raised.
        """
        __tracebackhide__ = True
        found = _run(answer(self._app, self._provided, self._facts, query, self._context(None)))
        handler = self._app.queries[type(query)].signature
        return Answered(self, f"{handler.name} ({handler.where})", told(self._facts, "ask", query), found)

    @property
    def _provided(self) -> dict[type, Any]:
        return {type(each): each for each in self._provide}

    def _context(self, command_id: UUID | None) -> Context:
        return Context(now=self._now, principal=self._principal, command_id=command_id)

    def _with(
        self,
        *,
        now: datetime | None = None,
        principal: Principal | None = None,
        facts: tuple[Happened, ...] | None = None,
    ) -> Scenario:
        return Scenario(
            self._app,
            provide=self._provide,
            now=self._now if now is None else now,
            principal=self._principal if principal is None else principal,
            facts=self._facts if facts is None else facts,
        )


def _run(work: Coroutine[Any, Any, R]) -> R:
    """Run to the end, also where an event loop is running already, as in an async test."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
