"""Full-text search: every word must be there; what a text may hold besides words means nothing to any engine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twofold.errors import InvalidFilter
from twofold.model import ReadModel
from twofold.read.range import Range
from twofold.read.store import Advance, ViewStore
from twofold.read.table import Table
from twofold.read.view import View
from twofold.testing.contracts.engine import ViewEngine
from twofold.testing.contracts.rows import HISTORY, NOTES, Noted, everything, key, prepared, put
from twofold.testing.contracts.view_suite import ViewSuite


class Letter(ReadModel, key="name", search=["title", "text"]):
    """A row of which two fields are searched."""

    name: str
    title: str = ""
    text: str | None = None
    number: int = 0

    def evolve(self, event: Noted) -> None:
        """Do nothing."""


LETTERS = Table(Letter)
ROWS = [
    Letter("a", "A fence", "around the corner plot", 1),
    Letter("b", "Fences", "two of them; one is Ó Briain's", 2),
    Letter("c", "Café", None, 3),
    Letter("d", "Строительство забора", "42", 4),
    Letter("e", "", "STRASSE, Straße; co-op", 5),
    Letter("f", "NEAR and or not", "fence AND corner", 6),
    Letter("g", "x" * 70, "हिन्दी १२ 東京都", 7),
    Letter("h"),
]

FOUND: dict[str, tuple[str, str]] = {
    "a word": ("fence", "af"),
    "a word in either field": ("corner", "af"),
    "every word": ("corner fence", "af"),
    "words in different fields": ("fence plot", "a"),
    "words in any order": ("plot fence around", "a"),
    "a word twice": ("fence fence", "af"),
    "a word that is not there": ("fence nowhere", ""),
    "the beginning of a word": ("fenc*", "abf"),
    "the beginning of a word that is a word": ("fence*", "abf"),
    "the beginnings of several words": ("corn* fen*", "af"),
    "no beginning without a star": ("fenc", ""),
    "a star alone": ("*", ""),
    "a star before a word": ("*fence", "af"),
    "whatever the case": ("FENCE", "af"),
    "without accents": ("cafe", "c"),
    "with accents": ("CAFÉ", "c"),
    "accents that were typed apart": ("cafe\u0301", "c"),
    "another script": ("ЗАБОРА", "d"),
    "the beginning of a word in another script": ("стро*", "d"),
    "a number": ("42", "d"),
    "sharp s and ss": ("strasse", "e"),
    "parts of a word with a hyphen": ("co-op", "e"),
    "parts of a name": ("briain's", "b"),
    "words of query languages": ("NEAR AND OR NOT", "f"),
    "a word longer than counts": ("x" * 64, "g"),
    "a word longer than counts, and longer than that": ("x" * 90, "g"),
    "a word with marks": ("हिन्दी", "g"),
    "a word without spaces": ("東京*", "g"),
    "full-width letters": ("\uff46\uff45\uff4e\uff43\uff45", "af"),
    "nothing": ("", ""),
    "no word": ("'\";--%_!", ""),
}
HOSTILE = [
    '"', "'", '"fence', 'fence"', "fence'", "fence OR", "AND", "NOT fence", "NEAR(fence corner)", "NEAR(", "^fence",
    "{title text}: fence", "title:fence", "fence + corner", "fence - corner", "(fence", "fence)", "*", "**", "fen**",
    "fence & | !", "fence:*", "fence:A", "<->", "fence <2> corner", "\\", "fence\\", "'; drop table letter; --",
    '"; drop table letter; --', "words MATCH 'x'", "$1", ":least", "?", "%s", "\0", "fence\0corner", "\ud800",
    "\N{BELL}", "fence\ncorner", "\u202efence",
]  # fmt: skip


def names(found: list[Letter]) -> str:
    """Return the names of rows, one after another."""
    return "".join(letter.name for letter in found)


class ViewSearch(ViewSuite):
    """Searches find the same rows on every engine.

    Attributes:
        searches_at_random: how many examples; a longer run overrides it.
    """

    searches_at_random = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

    @pytest.mark.usefixtures("searches")
    async def test_a_search_finds_rows_by(self, store: ViewStore) -> None:
        await prepared(store, LETTERS)
        await put(store, LETTERS, *ROWS)
        view = View(store, LETTERS)
        assert {case: names(await view.search(text)) for case, (text, _) in FOUND.items()} == {
            case: expected for case, (_, expected) in FOUND.items()
        }

    @pytest.mark.usefixtures("searches")
    async def test_what_is_found_is_ordered_and_paged_as_find_does(self, store: ViewStore) -> None:
        await prepared(store, LETTERS)
        await put(store, LETTERS, *ROWS)
        view = View(store, LETTERS)
        assert names(await view.search("fenc*", order_by="-number")) == "fba"
        first = await view.search("fenc*", order_by="-number", limit=2)
        assert names(first) == "fb"
        await put(store, LETTERS, Letter("z", "fence", None, 99), expected=1)
        second = await view.search("fenc*", order_by="-number", limit=2, after=first.next)
        assert names(second) == "a"
        assert second.next is None
        assert names(await view.search("fenc*", number=2)) == "b"
        assert names(await view.search("fenc*", number=Range(below=3), name="a")) == "a"

    @pytest.mark.usefixtures("searches")
    async def test_words_change_with_their_rows(self, store: ViewStore) -> None:
        await prepared(store, LETTERS)
        await put(store, LETTERS, *ROWS)
        view = View(store, LETTERS)
        await put(store, LETTERS, Letter("a", "a gate"), Letter("b", "Fences", "two", 9), expected=1)
        assert names(await view.search("fenc*")) == "bf"
        assert names(await view.search("gate")) == "a"
        assert names(await view.search("briain")) == ""
        deleted = Advance(2, 3, [LETTERS.row(Letter("i", "a fence"))], deleted=[key("f"), key("a")])
        assert await store.apply(LETTERS, deleted)
        assert names(await view.search("fenc*")) == "bi"
        assert names(await view.search("gate")) == ""
        assert names(await everything(store, LETTERS)) == "bcdeghi"

    @pytest.mark.usefixtures("searches")
    async def test_a_batch_that_is_not_stored_leaves_no_words(self, store: ViewStore) -> None:
        await prepared(store, LETTERS)
        await put(store, LETTERS, *ROWS)
        assert not await put(store, LETTERS, Letter("a", "gate"), expected=7)
        assert names(await View(store, LETTERS).search("gate")) == ""
        assert names(await View(store, LETTERS).search("fence")) == "af"

    @pytest.mark.usefixtures("searches")
    async def test_a_spare_has_words_of_its_own_and_they_change_places_with_it(self, store: ViewStore) -> None:
        await prepared(store, LETTERS)
        await put(store, LETTERS, *ROWS)
        view = View(store, LETTERS)
        for turn in range(2, 5):
            await store.begin_spare(LETTERS, HISTORY)
            standing = await store.standing(LETTERS.spare)
            assert standing is not None
            rows = [LETTERS.row(Letter("c", f"gate{turn}")), LETTERS.row(ROWS[0])][: 1 + turn % 2]
            assert await store.apply(LETTERS.spare, Advance(0, turn, rows, live=True, epoch=standing.epoch))
            assert names(await view.search(f"gate{turn}")) == ""
            assert await store.exchange(LETTERS)
            await store.prepare(LETTERS, HISTORY)
            standing = await store.standing(LETTERS)
            assert standing is not None
            more = Advance(
                turn, turn + 1, [LETTERS.row(Letter("b", "door")), LETTERS.row(ROWS[5])], epoch=standing.epoch
            )
            assert await store.apply(LETTERS, more)
            assert names(await view.search("door")) == "b"
            assert names(await view.search("fence")) == ("af" if turn % 2 else "f")
            assert names(await view.search(f"gate{turn}")) == "c"

    @pytest.mark.usefixtures("searches")
    async def test_no_text_is_an_error_of_the_database(self, store: ViewStore) -> None:
        await prepared(store, LETTERS)
        await put(store, LETTERS, *ROWS)
        view = View(store, LETTERS)
        for text in HOSTILE:
            plain = "".join(character if character.isalnum() or character in "'-*" else " " for character in text)
            assert names(await view.search(text)) == names(await view.search(plain)), text
        refused: list[tuple[Any, str]] = [("a" * 1001, "1,000 characters"), (" ".join(map(str, range(33))), "32 words")]
        for text, problem in [*refused, (7, "int")]:
            with pytest.raises(InvalidFilter, match=problem):
                await view.search(text)
        assert await everything(store, LETTERS) == ROWS

    @pytest.mark.usefixtures("searches")
    async def test_a_read_model_without_a_search_has_none(self, store: ViewStore) -> None:
        await prepared(store, NOTES)
        with pytest.raises(InvalidFilter, match="it is not searched"):
            await View(store, NOTES).search("a")

    @pytest.mark.usefixtures("searches")
    async def test_texts_of_any_length_are_kept(self, store: ViewStore) -> None:
        await prepared(store, LETTERS)
        many = " ".join(f"{n:x}word" for n in range(100_000))
        await put(store, LETTERS, Letter("a", "fence", many), Letter("b", "é" * 100_000, "fence"))
        view = View(store, LETTERS)
        assert names(await view.search("fence 9fword")) == "a"
        assert names(await view.search(f"{99_999:x}word")) == ""
        assert names(await view.search("eeee*")) == "b"

    @pytest.mark.usefixtures("searches")
    def test_any_words_are_found_in_any_texts(self, engine: ViewEngine) -> None:
        texts = st.text(st.sampled_from("abAB éÉe\u0301ßsИ東'\"*-&|!:()\\%\0\n\u2028_1²"), max_size=12)
        kept = texts.map(lambda text: text.replace("\0", ""))
        letters = st.lists(kept, min_size=1, max_size=5)

        @self.searches_at_random
        @given(titles=letters, wanted=st.lists(texts, min_size=1, max_size=4))
        def check(titles: list[str], wanted: list[str]) -> None:
            asyncio.run(_compare(engine, [Letter(str(n), title) for n, title in enumerate(titles)], wanted))

        check()


async def _compare(engine: ViewEngine, letters: list[Letter], wanted: list[str]) -> None:
    """Compare with a search that is written for this comparison alone."""
    async with engine.opened(engine.place()) as store:
        await prepared(store, LETTERS)
        await put(store, LETTERS, *letters)
        view = View(store, LETTERS)
        for text in wanted:
            expected = [letter for letter in letters if _finds(letter.title, text)]
            assert await view.search(text) == expected, text


def _finds(title: str, text: str) -> bool:
    words, tries = _simple(title), _simple(text)
    return bool([each for each in tries if each != "*"]) and all(
        any(word == each or (follows == "*" and word.startswith(each)) for word in words)
        for each, follows in zip(tries, [*tries[1:], ""], strict=True)
        if each != "*"
    )


def _simple(text: str) -> list[Any]:
    """Return the words of a text of the characters that are tried, and the stars that are right behind one."""
    folded = text.replace("\u0301", "").translate(str.maketrans("ABéÉИ²", "abeeи2")).replace("ß", "ss")
    parts: list[str] = []
    for before, character in zip(" " + folded, folded, strict=False):
        if character.isalnum():
            if parts and parts[-1] != "*" and before.isalnum():
                parts[-1] += character
            else:
                parts.append(character)
        elif character == "*" and before.isalnum():
            parts.append("*")
    return parts
