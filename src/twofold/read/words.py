"""Words of texts, as a full-text search sees them: made here and not by a database, so that all engines find the same.

A word is a run of letters, digits and the marks on them. Case does not count, nor do accents: `Café` has the word
`cafe`. A text in a script that puts no spaces between words is one long word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

import msgspec

VERSION = 1
"""Part of the definition of a read model that is searched; to be raised when texts get other words."""

LONGEST_WORD = 64
"""Characters of a word that count."""

MOST_BYTES = 500_000
"""Of the words of a row, which PostgreSQL keeps in one value of at most a megabyte; words beyond are not found."""

MOST_WORDS = 32
"""In what is searched for."""

LONGEST_QUERY = 1_000
"""Characters of what is searched for."""

_ASCII = re.compile(r"[0-9a-z]+")
_ACCENTS = re.compile("[\u0300-\u036f]")


class Word(msgspec.Struct, frozen=True):
    """A word to be found, or the beginning of one."""

    text: str
    begins: bool = False


def words_of(texts: Iterable[str | None]) -> str:
    """Return the words of texts, each once, with a space between them."""
    words: dict[str, None] = {}
    size = 0
    for text in texts:
        for word, _ in _split(text or ""):
            if word not in words:
                size += len(word.encode()) + 1
                if size > MOST_BYTES:
                    return " ".join(words)
                words[word] = None
    return " ".join(words)


def wanted_words(text: str) -> tuple[Word, ...]:
    """Return the words of what is searched for, each once; one that a `*` follows is the beginning of a word.

    Raises:
        ValueError: it is too long, or has too many words.
    """
    if len(text) > LONGEST_QUERY:
        raise ValueError(f"expected at most {LONGEST_QUERY:,} characters to search for, found {len(text):,}")
    words = tuple(dict.fromkeys(Word(word, follows == "*") for word, follows in _split(text)))
    if len(words) > MOST_WORDS:
        raise ValueError(f"expected at most {MOST_WORDS} words to search for, found {len(words)}")
    return words


def has(words: str, wanted: Iterable[Word]) -> bool:
    """Tell whether words, as `words_of` gives them, have every wanted one."""
    found = words.split(" ")
    return all(
        any(word.startswith(each.text) for word in found) if each.begins else each.text in found for each in wanted
    )


def _split(text: str) -> Iterator[tuple[str, str]]:
    """Yield the words of a text, each with the character behind it."""
    text = text.casefold()
    if text.isascii():
        for found in _ASCII.finditer(text):
            yield found[0][:LONGEST_WORD], text[found.end() : found.end() + 1]
        return
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text)).casefold()
    plain = f"{unicodedata.normalize('NFC', _ACCENTS.sub('', unicodedata.normalize('NFKD', plain)))} "
    start = None
    for place, character in enumerate(plain):
        if character.isalnum() or unicodedata.category(character)[0] == "M":
            start = place if start is None else start
        elif start is not None:
            yield plain[start : min(place, start + LONGEST_WORD)], character
            start = None
