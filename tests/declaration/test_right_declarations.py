"""What declarations allow works as declared, also where annotations are evaluated later."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.declaration import library as eager
from twofold import App, Command, Event, Node, Principal, Query, Rejected

pytestmark = pytest.mark.anyio

TODAY = date(2026, 3, 1)


@pytest.fixture(scope="module")
def postponed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The same application, with annotations that are evaluated later."""
    path = tmp_path_factory.mktemp("postponed") / "postponed_library.py"
    text = Path(str(eager.__file__)).read_text("utf-8")
    path.write_text(f"from __future__ import annotations\n{text}", "utf-8")
    spec = importlib.util.spec_from_file_location("postponed_library", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["postponed_library"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["postponed_library"]


@pytest.fixture(params=["at once", "later"])
def at(request: pytest.FixtureRequest, postponed: ModuleType) -> Any:
    """The application's module, in both ways of evaluating annotations."""
    return eager if request.param == "at once" else postponed


@pytest.fixture
def opened(at: Any) -> Callable[[], Node]:
    return lambda: at.library.open("memory:", provide=[at.Calendar(TODAY)])


async def stored(node: Node, **selected: Any) -> list[tuple[str, int, tuple[str, ...]]]:
    return [(each.type, each.version, each.tags) async for each in node.events(**selected)]


async def test_handlers_return_one_event_or_none(at: Any, opened: Callable[[], Node]) -> None:
    async with opened() as node:
        receipt = await node.send(at.AddBook("b", "Emma"))
        assert receipt.position == 1
        assert (await node.send(at.AddBook("b", "Emma"))).position == 1
        assert await stored(node) == [("book-added", 2, ("book:b",))]


async def test_async_handlers_are_given_dependencies_and_reject(at: Any, opened: Callable[[], Node]) -> None:
    async with opened() as node:
        await node.send(at.Lend("b", "ada"))
        with pytest.raises(Rejected) as rejected:
            await node.send(at.Lend("b", "eva"))
        assert rejected.value.code == "lent"
        assert rejected.value.facts == {"at": 1}
        assert await stored(node) == [("Lent", 1, ("book:b", "reader:ada"))]


async def test_two_fields_of_one_tag_are_told_apart_by_parameter_names(at: Any, opened: Callable[[], Node]) -> None:
    async with opened() as node:
        await node.send(at.Lend("b", "ada"))
        with pytest.raises(Rejected, match=r"\[\] \['b'\]"):
            await node.send(at.HandOver("b", "eva", "ada"))
        receipt = await node.send(at.HandOver("b", "ada", "eva"))
        assert receipt.position == 3
        assert await stored(node, after=1) == [
            ("Returned", 1, ("book:b", "reader:ada")),
            ("Lent", 1, ("book:b", "reader:eva")),
        ]
        await node.send(at.HandOver("b", "eva", "eva"))
        assert await stored(node, after=3) == [("Returned", 1, ("book:b", "reader:eva", "late:True"))]


async def test_handlers_yield_events_with_lists_of_tags_and_empty_ones(at: Any, opened: Callable[[], Node]) -> None:
    async with opened() as node:
        receipt = await node.send(at.Recommend(None, ["a", "b"]))
        assert receipt.position == 2
        await node.send(at.Recommend("ada", ["a"]))
        assert await stored(node) == [
            ("Recommended", 1, ("book:a", "book:b")),
            ("Recommended", 1, ("book:b",)),
            ("Recommended", 1, ("book:a", "reader:ada")),
        ]
        with pytest.raises(Rejected, match="nothing"):
            await node.send(at.Recommend(None, []))
        await node.send(at.AddBook("b", "Emma"))
        await node.send(at.Lend("b", "x"))
        with pytest.raises(Rejected) as rejected:
            await node.send(at.Lend("b", "x"))
        assert rejected.value.facts == {"at": 5}


async def test_context_has_the_principal(at: Any, opened: Callable[[], Node]) -> None:
    async with opened() as node:
        await node.send(at.Close(), principal=Principal("ada"))
        (closed,) = [each async for each in node.events()]
        assert node.app.codec.decode(closed) == at.Closed("ada")
        assert closed.principal == "ada"
        assert await node.ask(at.Greeting("Eva"), principal=Principal("ada")) == "Eva, 2026-03-01, ada"


async def test_read_models_take_metadata_and_their_own_name(at: Any, opened: Callable[[], Node]) -> None:
    async with opened() as node:
        await node.send(at.AddBook("b", "Emma"), principal=Principal("ada"))
        receipt = await node.send(at.Lend("b", "eva"), principal=Principal("ola"))
        shelf = await node.ask(at.GetShelf("b"), after=receipt)
        assert shelf == at.Shelf("b", "Emma", "eva", "ola", 2)
        assert await node.ask(at.GetShelf("c")) is None
        (status,) = [each for each in await node.models() if each.name == "BookOnTheShelf"]
        assert status.table.startswith("book_on_the_shelf__")


async def test_read_models_have_keys_of_several_fields(at: Any, opened: Callable[[], Node]) -> None:
    async with opened() as node:
        await node.send(at.Lend("b", "ada"))
        await node.send(at.HandOver("b", "ada", "eva"))
        receipt = await node.send(at.HandOver("b", "eva", "ada"))
        assert await node.ask(at.TimesLent("ada", "b"), after=receipt) == 2
        assert await node.ask(at.TimesLent("eva", "b")) == 1
        assert await node.ask(at.TimesLent("b", "ada")) == 0


async def test_an_event_may_belong_to_many_rows(at: Any, opened: Callable[[], Node]) -> None:
    async with opened() as node:
        await node.send(at.Lend("b", "ada"))
        receipt = await node.send(at.Recommend(None, ["a", "b", "c"]))
        assert await node.ask(at.MostPopular(), after=receipt) == ["b 3", "c 2", "a 1"]


async def test_keys_may_take_metadata_and_a_read_model_needs_no_query(at: Any, opened: Callable[[], Node]) -> None:
    async with opened() as node:
        await node.send(at.Lend("b", "ada"))
        await node.send(at.HandOver("b", "ada", "eva"))
        await node.caught_up(timeout=120)
        counts = {status.name: status.rows for status in await node.models()}
        assert counts["Steps"] == 5 - 1
        assert counts["Mentions"] == 0


def test_an_application_includes_others(at: Any) -> None:
    names = {command.message_name for command in at.library.commands}
    assert names == {"AddBook", "Lend", "HandOver", "Recommend", "close-library"}
    assert {event.message_name for event in at.library.events} == {
        "book-added", "Lent", "Returned", "Recommended", "Closed",
    }  # fmt: skip
    assert {model.__name__ for model in at.library.tables} == {"Shelf", "Loans", "Popular", "Steps", "Mentions"}
    assert len(at.books.commands) == 2


def test_a_handler_stays_the_function_that_it_was(at: Any) -> None:
    book = at.Book(title="Emma")
    assert at.add_book(at.AddBook("b", "x"), book) is None
    assert at.add_book(at.AddBook("b", "x"), at.Book()) == at.BookAdded("b", "x")
    assert list(at.recommend(at.Recommend("ada", ["b"]))) == [at.Recommended(["b"], "ada")]


def test_messages_are_named_after_their_classes_or_as_they_say(at: Any) -> None:
    assert (at.Close.message_name, at.Lend.message_name) == ("close-library", "Lend")
    assert (at.BookAdded.message_name, at.BookAdded.message_version) == ("book-added", 2)
    assert (at.Lent.message_name, at.Lent.message_version) == ("Lent", 1)
    assert (at.Shelf.model_name, at.Shelf.model_version) == ("BookOnTheShelf", 3)


async def test_an_application_may_be_declared_inside_a_function() -> None:
    local = declared_inside()
    async with local.open("memory:") as node:
        thing: Any = next(iter(local.commands))
        ask: Any = next(iter(local.queries))
        receipt = await node.send(thing("a"))
        assert await node.ask(ask(), after=receipt) == 1


def declared_inside() -> App:
    from tests.declaration.local import declare

    return declare()


def test_commands_and_queries_of_other_bases_are_taken() -> None:
    class Base(Command):
        name: str

    class Special(Base):
        more: int = 0

    class Done(Event):
        name: str

    class Asked(Query[int]):
        pass

    class AskedMore(Asked):
        more: int = 0

    app = App("bases")

    def special(command: Special) -> Done:
        return Done(command.name)

    def asked(query: AskedMore) -> int:
        return query.more

    special.__annotations__ = {"command": Special, "return": Done}
    asked.__annotations__ = {"query": AskedMore, "return": int}
    app.command(special)
    app.query(asked)
    assert set(app.commands) == {Special}
    assert app.queries[AskedMore].answer is int
