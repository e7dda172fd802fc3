"""Two nodes on one history."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from twofold import App, Node

Both = Callable[[App], AbstractAsyncContextManager[tuple[Node, Node]]]


@pytest.fixture
def both(tmp_path: Path) -> Both:
    """Open an application on two nodes that share a folder."""

    @asynccontextmanager
    async def opened(app: App) -> AsyncIterator[tuple[Node, Node]]:
        url = f"sqlite:///{tmp_path}"
        async with app.open(url) as one, app.open(url) as other:
            yield one, other

    return opened
