"""A model whose fold is declared wrongly, on either side, is refused where a handler asks for it."""

# mypy: disable-error-code="no-untyped-def, misc, override"
# pyright: reportIncompatibleMethodOverride=false, reportReturnType=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.declaration.parts import Join, Joined, Left, Noted, Renamed
from tests.declaration.refusals import declare, refused
from twofold import Event, Metadata, ReadModel, WriteModel

# evolve


class NoEvolve(WriteModel, tag="user"):
    joined: bool = False


class EvolveIsAField(WriteModel, tag="user"):
    evolve: int = 0


class ReadsWithoutEvolve(ReadModel, key="user"):
    user: UUID


@pytest.mark.parametrize("model", [NoEvolve, EvolveIsAField, ReadsWithoutEvolve])
def test_a_model_evolves(model: Any) -> None:
    with refused(model, f"{model.__name__} has no evolve method", mend="define `def evolve(self, event:"):
        declare(model)


class EvolvesAnything(WriteModel, tag="user"):
    def evolve(self, event: Any) -> None: ...


class EvolvesWithoutAnnotation(WriteModel, tag="user"):
    def evolve(self, event) -> None: ...


class EvolvesText(WriteModel, tag="user"):
    def evolve(self, event: str) -> None: ...


class EvolvesCommands(WriteModel, tag="user"):
    def evolve(self, event: Join) -> None: ...


class EvolvesEventsAndText(ReadModel, key="user"):
    user: UUID

    def evolve(self, event: Joined | str) -> None: ...


class EvolvesPerhaps(ReadModel, key="user"):
    user: UUID

    def evolve(self, event: Joined | None) -> None: ...


class EvolvesLists(ReadModel, key="user"):
    user: UUID

    def evolve(self, event: list[Joined]) -> None: ...


class EvolvesAnyEvent(WriteModel, tag="user"):
    def evolve(self, event: Event) -> None: ...


@pytest.mark.parametrize(
    "model",
    [
        EvolvesAnything,
        EvolvesWithoutAnnotation,
        EvolvesText,
        EvolvesCommands,
        EvolvesEventsAndText,
        EvolvesPerhaps,
        EvolvesLists,
        EvolvesAnyEvent,
    ],
)
def test_evolve_says_which_events_it_takes(model: Any) -> None:
    with refused(model.evolve, f"{model.__name__}.evolve must say which events", mend="with an event or a union"):
        declare(model)


class EvolvesNothing(WriteModel, tag="user"):
    def evolve(self) -> None: ...


class EvolvesTooMuch(WriteModel, tag="user"):
    def evolve(self, event: Joined, meta: Metadata, more: int) -> None: ...


class EvolvesStatically(WriteModel, tag="user"):
    @staticmethod
    def evolve(event: Joined) -> None: ...


@pytest.mark.parametrize(("model", "count"), [(EvolvesNothing, 0), (EvolvesTooMuch, 2 + 1), (EvolvesStatically, 0)])
def test_evolve_takes_the_event_and_perhaps_the_metadata(model: Any, count: int) -> None:
    with refused(model.evolve, f"evolve takes {count} parameters", mend="let it take the event and, if wanted"):
        declare(model)


class EvolvesWithText(WriteModel, tag="user"):
    def evolve(self, event: Joined, meta: str) -> None: ...


class EvolvesWithNothing(WriteModel, tag="user"):
    def evolve(self, event: Joined, meta) -> None: ...


@pytest.mark.parametrize("model", [EvolvesWithText, EvolvesWithNothing])
def test_the_second_parameter_of_evolve_is_the_metadata(model: Any) -> None:
    with refused(model.evolve, "the second parameter of", "must be Metadata", mend="`meta: Metadata`"):
        declare(model)


class EvolvesLater(WriteModel, tag="user"):
    async def evolve(self, event: Joined) -> None: ...


class EvolvesYielding(WriteModel, tag="user"):
    def evolve(self, event: Joined) -> Any:
        yield event


class ReadsLater(ReadModel, key="user"):
    user: UUID

    async def evolve(self, event: Joined) -> None: ...


@pytest.mark.parametrize("model", [EvolvesLater, EvolvesYielding, ReadsLater])
def test_evolve_is_a_plain_function(model: Any) -> None:
    with refused(model.evolve, "evolve is async or a generator", mend="make it a plain function"):
        declare(model)


class EvolvesUnknown(WriteModel, tag="user"):
    def evolve(self, event: Nobody) -> None: ...  # type: ignore[name-defined]  # noqa: F821 # pyright: ignore


def test_an_event_whose_name_cannot_be_resolved_is_told() -> None:
    with refused(EvolvesUnknown.evolve, "name 'Nobody' is not defined", mend="import the name"):
        declare(EvolvesUnknown)


# tags


class Untagged(WriteModel):
    def evolve(self, event: Joined) -> None: ...


def test_a_write_model_has_a_tag() -> None:
    with refused(Untagged, "write model Untagged does not say which tag", mend='`class Untagged(WriteModel, tag="…")`'):
        declare(Untagged)


class TagTwice(WriteModel, tag=("user", "user")):
    def evolve(self, event: Joined) -> None: ...


def test_a_write_model_names_a_tag_once() -> None:
    with refused(TagTwice, "write model TagTwice names a tag twice: user, user", mend="name each kind of tag once"):
        declare(TagTwice)


class OneTagOfTwo(WriteModel, tag=("user", "team")):
    def evolve(self, event: Joined) -> None: ...


class UnknownTag(WriteModel, tag="usr"):
    def evolve(self, event: Joined | Left) -> None: ...


class TagOfOneEventOnly(WriteModel, tag="user"):
    def evolve(self, event: Joined | Renamed) -> None: ...


class TagOfNoTaggedEvent(WriteModel, tag="user"):
    def evolve(self, event: Noted) -> None: ...


@pytest.mark.parametrize(
    ("model", "tag", "event", "carried"),
    [
        (UnknownTag, "usr", "Joined", "user"),
        (OneTagOfTwo, "team", "Joined", "user"),
        (TagOfOneEventOnly, "user", "Renamed", "team"),
        (TagOfNoTaggedEvent, "user", "Noted", "none"),
    ],
)
def test_every_event_carries_the_write_models_tag(model: Any, tag: str, event: str, carried: str) -> None:
    with refused(
        model,
        f"{model.__name__} is folded from tag {tag!r}, which {event} does not carry (it carries: {carried})",
        mend=f"tag a field of {event}",
    ):
        declare(model)


# fields


class NoDefault(WriteModel, tag="user"):
    name: str

    def evolve(self, event: Joined) -> None: ...


class ReadsNoDefault(ReadModel, key="user"):
    user: UUID
    name: str

    def evolve(self, event: Joined) -> None: ...


@pytest.mark.parametrize("model", [NoDefault, ReadsNoDefault])
def test_every_field_but_the_key_has_a_default(model: Any) -> None:
    with refused(model, f"{model.__name__}.name has no default", "before the first event", mend="give it one"):
        declare(model)


class Frozen(WriteModel, tag="user", frozen=True):
    def evolve(self, event: Joined) -> None: ...


class ReadsFrozen(ReadModel, key="user", frozen=True):
    user: UUID

    def evolve(self, event: Joined) -> None: ...


@pytest.mark.parametrize("model", [Frozen, ReadsFrozen])
def test_a_model_is_not_frozen(model: Any) -> None:
    with refused(model, f"{model.__name__} is frozen, so evolve cannot change it", mend="leave out `frozen=True`"):
        declare(model)
