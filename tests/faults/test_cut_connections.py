"""The connection goes wrong at any message of an append: senders are told the truth, in time, and may repeat (F12, H7)."""

from __future__ import annotations

import pytest

from tests.faults.cutting import at_every_message
from tests.faults.places import PostgresPlace
from tests.faults.proxy import ACTS, Act
from twofold.errors import OutcomeUnknown, StoreFailed
from twofold.history.store import Appended

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("act", ACTS)
async def test_at_every_message_of_an_append_its_sender_is_told_the_truth(
    database_place: PostgresPlace, act: Act
) -> None:
    for earlier in (0, 1):
        answers = await at_every_message(database_place, act, earlier=earlier)
        assert len(answers) >= 6
        kinds = {type(answer) for answer in answers}
        expected = {"black_hole": {OutcomeUnknown}, "delayed": {Appended}}
        assert kinds == expected.get(act, {Appended, StoreFailed})
    database_place.stored().check_whole()
