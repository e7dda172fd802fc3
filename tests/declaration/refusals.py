"""What every refusal of a declaration must tell."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.declaration.parts import Join
from twofold import App, ReadModel
from twofold.errors import DeclarationError


@contextmanager
def refused(at: Any, *words: str, mend: str) -> Iterator[pytest.ExceptionInfo[DeclarationError]]:
    """Expect a refusal that names file and line of a function or class, these words, and this mend."""
    with pytest.raises(DeclarationError) as caught:
        yield caught
    error = caught.value
    line = inspect.getsourcelines(at)[1]
    assert error.where == f"{inspect.getsourcefile(at)}:{line}"
    for word in words:
        assert word in error.what
    assert mend in error.mend
    assert str(error) == f"{error.what} ({error.where})\n  mend: {error.mend}"
    assert error.code == "declaration"


def app() -> App:
    return App("wrong")


def declare(model: Any) -> None:
    """Declare a model, as a handler that asks for it does."""
    if issubclass(model, ReadModel):
        app().read_model(model)
        return

    def handler(command: Any, model: Any) -> None: ...

    handler.__annotations__ = {"command": Join, "model": model, "return": None}
    app().command(handler)
