"""The public names, and the errors that are drawn as a tree."""

from __future__ import annotations

import inspect
import re
import types
from pathlib import Path

import pytest

import twofold
import twofold.testing
from twofold import errors
from twofold.errors import Rejected, TwofoldError

_BRANCH = re.compile(
    r"^    (?P<indent>(?:[│ ]   )*)[├└]── (?P<name>\w+)"  # where it hangs
    r"(?: {2,}\S.*?)?(?: {2,}(?P<code>\S.*))?$"  # what it says, and its code
)


def public(module: types.ModuleType) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }


def error_classes() -> dict[str, type[TwofoldError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, TwofoldError) and value is not TwofoldError
    }


def drawn() -> dict[str, tuple[str, str]]:
    """Return what the docstring draws: parent and code by name of the class."""
    path = ["TwofoldError"]
    found: dict[str, tuple[str, str]] = {}
    for line in (errors.__doc__ or "").splitlines():
        match = _BRANCH.match(line)
        if match:
            depth = len(match["indent"]) // 4 + 1
            path[depth:] = [match["name"]]
            found[match["name"]] = (path[depth - 1], match["code"] or "")
    return found


@pytest.mark.parametrize("module", [twofold, twofold.testing])
def test_every_public_name_is_listed_and_every_listed_name_is_there(module: types.ModuleType) -> None:
    assert set(module.__all__) == public(module)
    assert sorted(module.__all__) == sorted(set(module.__all__))


@pytest.mark.parametrize("name", twofold.__all__)
def test_every_public_name_says_what_it_is_for(name: str) -> None:
    documentation = inspect.getdoc(getattr(twofold, name))
    assert documentation
    assert documentation.splitlines()[0].endswith((".", ":"))


def test_the_front_door_opens_without_optional_packages() -> None:
    text = Path(str(twofold.__file__)).read_text("utf-8")
    assert not re.search(r"^\s*(from|import) twofold\.(testing|http|cli|console)", text, re.MULTILINE)


def test_every_error_is_drawn_under_its_parent() -> None:
    classes = error_classes()
    tree = drawn()
    assert set(tree) == set(classes)
    assert {name: parent for name, (parent, _) in tree.items()} == {
        name: error.__bases__[0].__name__ for name, error in classes.items()
    }


def test_every_error_is_drawn_with_its_code() -> None:
    for name, (_, code) in drawn().items():
        if name == "Rejected":
            assert code == "the handler's own code"
        else:
            assert code == error_classes()[name].code


def test_codes_are_stable_words_and_no_two_errors_have_one() -> None:
    codes = [TwofoldError.code, *(error.code for error in error_classes().values())]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("error", [e for e in error_classes().values() if e is not Rejected], ids=lambda e: e.__name__)
def test_an_error_is_made_of_its_facts(error: type[TwofoldError]) -> None:
    template = error._template
    fields = set(re.findall(r"\{(\w+)", template))
    facts = dict.fromkeys(fields, 1.5)
    made = error(**facts)
    assert made.facts == facts
    for name in fields:
        assert getattr(made, name) == 1.5
        assert "1.5" in str(made)
    told = set(re.findall(r"`(\w+)`", (error.__doc__ or "").partition("Facts:")[2]))
    assert fields <= told | {"message"}
    with pytest.raises(AttributeError, match="has no fact"):
        _ = made.nosuch


def test_a_rejection_is_told_by_its_code_and_reason() -> None:
    bare, explained = Rejected("too_late"), Rejected("too_late", "it is past noon", hour=13)
    assert (bare.code, bare.reason, str(bare)) == ("too_late", "too late", "too late")
    assert (explained.reason, explained.facts, explained.hour) == ("it is past noon", {"hour": 13}, 13)
    assert bare == explained
    assert explained != Rejected("too_late", "it is past two")
    assert bare != Rejected("too_early")
    assert bare != "too_late"
    assert len({bare, explained}) == 1
    assert repr(bare) == "Rejected('too_late')"
    assert repr(explained) == "Rejected('too_late', 'it is past noon')"
