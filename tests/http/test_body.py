"""Depth is counted in the JSON itself, not in its texts, and counting costs what reading costs."""

from uuid import uuid4

import pytest

from tests.http.client import Client
from twofold.http.body import DEPTH, refuse_depth
from twofold.http.problem import Refused

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "body",
    [
        b"[" * DEPTH + b"]" * DEPTH,
        b'{"a":' * DEPTH + b"1" + b"}" * DEPTH,
        b"[" + b"[]," * 1000 + b"{}]",
        b'["' + b"[{" * 1000 + b'"]',
        b'["\\"' + b"[" * 1000 + b'\\\\"]',
        b'"' + b"[" * 1000,
        b"]" * 1000 + b"[" * DEPTH,
    ],
)
def test_a_body_of_few_levels_is_taken_however_many_brackets_it_has(body: bytes) -> None:
    refuse_depth(body)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * (DEPTH + 1),
        b'["a\\\\",' * (DEPTH + 1),
        b'{"[":{"]":' * (DEPTH // 2 + 1),
        b"[]" * 1000 + b"[" * (DEPTH + 1),
    ],
)
def test_a_body_of_too_many_levels_is_refused_wherever_they_are(body: bytes) -> None:
    with pytest.raises(Refused):
        refuse_depth(body)


@pytest.mark.parametrize("filler", [b'\\"', b'"', b'"\\', b"[]", b"\\\\"])
def test_no_body_takes_longer_than_its_size(filler: bytes) -> None:
    # A search that began again at each quote would take hours for the first of these.
    refuse_depth(b"[]" * 200 + b'"' + filler * (512 * 1024 // len(filler)))


async def test_brackets_in_a_text_come_through(client: Client) -> None:
    fields = {"ticket_id": uuid4(), "title": "t", "extra": "[{" * 500}
    assert (await client.send("OpenTicket", fields)).status_code == 200
