"""docs/cli.md against the program: every command, option, status and example."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import cyclopts
import pytest

from tests.cli.conftest import ROOT, Ended, shell
from twofold.cli.program import program
from twofold.cli.status import Status

DOCS = ROOT / "docs" / "cli.md"


def sections() -> dict[str, str]:
    parts = re.split(r"^## twofold (\w+(?: \w+)?)$", DOCS.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands(app: cyclopts.App | None = None, before: str = "") -> dict[str, cyclopts.App]:
    """Return every command by its words: `send`, `db init`."""
    found: dict[str, cyclopts.App] = {}
    for name in (every := app or program()):
        if not name.startswith("-"):
            found |= commands(every[name], f"{before}{name} ") or {f"{before}{name}": every[name]}
    return found


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert set(sections()) == set(commands())


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_option_is_in_its_commands_table_and_the_other_way_round(name: str) -> None:
    arguments = commands()[name].assemble_argument_collection()
    options = {each for argument in arguments for each in argument.names if each.startswith("--")}
    told = re.findall(r"^\| `(--[a-z-]+)` \|", sections()[name], re.MULTILINE)
    assert sorted(told) == sorted(options)


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_argument_tells_in_its_help_what_it_is_for(name: str) -> None:
    for argument in commands()[name].assemble_argument_collection(parse_docstring=True):
        assert argument.parameter.help or argument.names == ("*",), argument.name


def test_the_options_that_are_mentioned_in_the_text_exist() -> None:
    every = {"--help", "--version"}
    for name in commands():
        every |= {each for argument in commands()[name].assemble_argument_collection() for each in argument.names}
    text = re.sub(r"^```.*?^```", "", DOCS.read_text(), flags=re.MULTILINE | re.DOTALL)
    code = re.findall(r"`[^`]*`", text)
    mentioned = {option for part in code for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", part)}
    assert mentioned - {"--field"} <= every


def test_the_statuses_are_the_programs() -> None:
    told = re.findall(r"^\| (\d+) \| ", DOCS.read_text(), re.MULTILINE)
    assert [int(number) for number in told] == [status.value for status in Status]


def test_the_environment_variables_are_the_programs() -> None:
    source = "".join(path.read_text() for path in (ROOT / "src" / "twofold" / "cli").glob("*.py"))
    assert set(re.findall(r"TWOFOLD_[A-Z]+", DOCS.read_text())) == set(re.findall(r"TWOFOLD_[A-Z]+", source))


def examples() -> Iterator[str]:
    for block in re.findall(r"^```sh\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL):
        yield from block.splitlines()


def test_every_example_works_one_after_the_other(cli: Callable[..., Ended], folder: Path) -> None:
    found = list(examples())
    assert len(found) >= 15
    for line in found:
        piped, _, last = line.rpartition(" | ")
        words = shlex.split(last, comments=True)
        assert words[0] == "twofold"
        ended = shell(*words[1:], stdin=shlex.split(piped)[1]) if piped else cli(*words[1:])
        assert ended.status == 0, (line, ended.err)
    assert (folder / "tasks.py").is_file()
