"""`module:attribute`: how an application is found, and what is told where it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import ORDERS, Ended, shell

Run = Callable[..., Ended]
BARE = "from twofold import App\napp = App('bare')\nother = App('another')\nclass Holder: app = App('held')\n"


def test_the_attribute_is_app_if_left_out_and_may_lie_deeper(cli: Run, folder: Path) -> None:
    (folder / "bare_target.py").write_text(BARE)
    assert cli("describe", "bare_target").json["name"] == "bare"
    assert cli("describe", "bare_target:").json["name"] == "bare"
    assert cli("describe", "bare_target:other").json["name"] == "another"
    assert cli("describe", "bare_target:Holder.app").json["name"] == "held"


def test_a_module_in_the_current_directory_is_found_by_the_installed_command_too(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "__init__.py").write_text("")
    (folder / "inner" / "app.py").write_text(BARE)
    assert shell("describe", "inner.app", PYTHONSAFEPATH="1").json["name"] == "bare"


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("no_such_module", "there is no module 'no_such_module'"),
        ("no_such.module:app", "there is no module 'no_such.module'"),
        ("tests.cli.no_such:app", "there is no module 'tests.cli.no_such'"),
        ("tests.cli.orders:nothing", "has no attribute 'nothing'; it has `tests.cli.orders:app`"),
        ("tests.cli.conftest", "has no attribute 'app'; it holds no App"),
        ("tests.cli.orders:not_an_app", "is of type str, expected a twofold App"),
        ("tests.cli.orders:PlaceOrder", "is of type MessageType, expected a twofold App"),
        ("tests/cli/orders.py", "names a file, expected a module; try `tests.cli.orders:app`"),
        ("orders.py:app", "try `orders:app`"),
        ("", "names no module"),
        (":app", "names no module"),
        ("..", "names no module"),
        ("tests.cli. orders", "names no module"),
    ],
)
def test_what_names_no_application_ends_with_2_and_says_why(cli: Run, target: str, told: str) -> None:
    for command in ("describe", "models", "run"):
        ended = cli(command, target)
        assert (ended.status, ended.out) == (2, "")
        assert told in ended.err
        assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        ("models verify Order", "models verify APP Order`, with APP as in `profiles:app`"),
        ("models verify Order tests.cli.orders:app", "models verify tests.cli.orders:app Order`"),
        ("models rebuild Order tests.cli.orders", "models rebuild APP Order tests.cli.orders`"),
        ("models retry Order day:1", "models retry APP Order day:1`"),
        ("models retry Order no_such_module:app", "models retry APP Order no_such_module:app`"),
        ("models drop Order 7 tests.cli.orders:app --yes", "models drop tests.cli.orders:app Order 7`"),
        ("models parked Order", "models parked APP Order`"),
        ("send PlaceOrder order_id=1", "send APP PlaceOrder order_id=1`"),
        ("send order_id=1", "send APP order_id=1`"),
        ("ask GetOrder tests.cli.orders:app --order-id 1", "ask tests.cli.orders:app GetOrder --order-id 1`"),
    ],
)
def test_where_another_word_stands_in_the_applications_place_it_is_shown_where_it_comes(
    cli: Run, words: str, mend: str
) -> None:
    ended = cli(*words.split())
    assert (ended.status, ended.out) == (2, "")
    assert "where the application is expected" in ended.err
    assert f"the application comes first: `twofold {mend}" in ended.err


def test_the_shown_command_line_is_written_as_for_a_shell(cli: Run) -> None:
    assert "`twofold send APP AddTask 'title=water the plants'`" in cli("send", "AddTask", "title=water the plants").err


def test_an_application_of_which_only_the_module_is_wrong_is_told_as_such(cli: Run) -> None:
    told = cli("models", "verify", "no_such_module:app", "Order").err
    assert "there is no module 'no_such_module'" in told
    assert "comes first" not in told


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        ("models rebuild Order", "models rebuild APP NAME`"),
        ("models drop Order", "models drop APP NAME KEY`"),
        ("models verify", "models verify APP [NAME]`"),
        ("describe", "describe APP`"),
    ],
)
def test_where_a_word_is_missing_it_is_shown_how_the_command_is_written(cli: Run, words: str, usage: str) -> None:
    ended = cli(*words.split())
    assert (ended.status, ended.out) == (2, "")
    assert f"expected `twofold {usage}" in ended.err
    assert f"see: twofold {usage.split(' APP')[0]} --help" in ended.err


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("broken_syntax", "def\n", "broken_syntax.py:1"),
        ("broken_name", "\nundefined_name\n", "NameError: name 'undefined_name' is not defined"),
        ("broken_import", "import missing_package\n", "No module named 'missing_package'"),
        ("broken_value", "raise ValueError('stop')\n", "ValueError: stop"),
        ("broken_exit", "import sys; sys.exit(0)\n", "SystemExit: 0"),
    ],
)
def test_a_module_that_cannot_be_imported_ends_with_2_naming_file_and_line(
    cli: Run, folder: Path, name: str, text: str, told: str
) -> None:
    (folder / f"{name}.py").write_text(text)
    ended = cli("describe", name)
    assert ended.status == 2
    assert f"module '{name}' cannot be imported" in ended.err
    assert told in ended.err
    assert f"{name}.py:" in ended.err
    assert "Traceback" not in ended.err


def test_a_wrong_declaration_ends_with_2_and_shows_its_mend(cli: Run, folder: Path) -> None:
    (folder / "wrongly.py").write_text(
        "from twofold import App, Command\n"
        "app = App('wrongly')\n"
        "class Do(Command): pass\n"
        "@app.command\n"
        "def do(command: Do): pass\n"
    )
    ended = cli("describe", "wrongly")
    assert (ended.status, ended.out) == (2, "")
    assert "error (declaration): do: the return annotation is missing" in ended.err
    assert "wrongly.py:4" in ended.err
    assert "mend: say what it returns" in ended.err
    assert "Traceback" not in ended.err


def test_the_application_of_the_tests_is_found(cli: Run) -> None:
    assert cli("describe", ORDERS).status == 0
