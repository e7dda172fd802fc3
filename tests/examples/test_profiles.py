"""The README's example, on every engine."""

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from examples.profiles.app import GetProfile, Profile, RegisterUser, UpdateProfile, app

from twofold import Rejected

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/data"


async def test_a_registered_user_has_a_profile_that_is_read_right_after_the_command(url: str) -> None:
    ada = uuid4()
    async with app.open(url) as node:
        receipt = await node.send(RegisterUser(ada, "Ada"))

        assert await node.ask(GetProfile(ada), after=receipt) == Profile(ada, "Ada")


async def test_an_update_changes_name_and_bio_and_is_counted(url: str) -> None:
    ada = uuid4()
    async with app.open(url) as node:
        await node.send(RegisterUser(ada, "Ada"))
        receipt = await node.send(UpdateProfile(ada, "Ada Lovelace", "first programmer"))

        assert await node.ask(GetProfile(ada), after=receipt) == Profile(ada, "Ada Lovelace", "first programmer", 1)


async def test_a_user_registers_once(url: str) -> None:
    ada = uuid4()
    async with app.open(url) as node:
        await node.send(RegisterUser(ada, "Ada"))

        with pytest.raises(Rejected) as caught:
            await node.send(RegisterUser(ada, "Ada again"))

    assert caught.value.code == "already_registered"


async def test_an_unknown_user_cannot_be_updated_and_has_no_profile(url: str) -> None:
    nobody = uuid4()
    async with app.open(url) as node:
        with pytest.raises(Rejected) as caught:
            await node.send(UpdateProfile(nobody, "Nobody"))

        assert caught.value.code == "unknown_user"
        assert await node.ask(GetProfile(nobody)) is None


async def test_a_profile_is_there_again_when_the_folder_is_opened_again(tmp_path: Path) -> None:
    ada = uuid4()
    async with app.open(f"sqlite:///{tmp_path}/data") as node:
        receipt = await node.send(RegisterUser(ada, "Ada"))

    async with app.open(f"sqlite:///{tmp_path}/data") as node:
        assert await node.ask(GetProfile(ada), after=receipt) == Profile(ada, "Ada")


def test_the_example_runs_as_a_program_and_prints_the_receipt_and_the_profile() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "examples.profiles"], cwd=root, capture_output=True, text=True, timeout=60, check=True
    )

    receipt, profile = done.stdout.splitlines()
    assert receipt.startswith("Receipt(")
    assert "position=2" in receipt
    assert "name='Ada Lovelace', bio='the first programmer', updates=1" in profile
