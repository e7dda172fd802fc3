"""Documentation is code that runs: every Python block of a page, in order, in one namespace."""

import ast
import asyncio
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from twofold.testing import scenario

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


def blocks(page: Path) -> Iterator[tuple[int, str]]:
    text = page.read_text("utf-8")
    for match in _BLOCK.finditer(text):
        yield text[: match.start()].count("\n") + 2, match[1]


async def run(page: Path, names: dict[str, Any]) -> None:
    for line, code in blocks(page):
        tree = ast.parse("\n" * (line - 1) + code, filename=str(page))
        # Names in annotations are looked for in the module that defines them.
        compiled = compile(tree, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        result = eval(compiled, names)
        if inspect.isawaitable(result):
            await result
        for name, test in list(names.items()):
            if name.startswith("test_") and callable(test):
                test()
                del names[name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_block_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not any(blocks(page)):
        pytest.skip(f"{page.name} has no Python block")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page", "user_id": uuid4(), "u": uuid4(), "scenario": scenario}
    asyncio.run(run(page, names))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readme_is_short_and_shows_the_example_as_it_is() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert len(readme.splitlines()) <= 150
    example = (ROOT / "examples/profiles/app.py").read_text("utf-8").partition('"""\n\n')[2]
    assert example in readme
