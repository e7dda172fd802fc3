"""What a storage URL says, and that nobody is told its password."""

from __future__ import annotations

import traceback

import pytest

from twofold.engines.postgres.address import read_address, shown
from twofold.errors import InvalidAddress


def test_options_of_ours_are_kept_from_the_driver() -> None:
    address = read_address("postgresql://h/d?notify=off&sslmode=require&deadline=2.5&connections=3", {})
    assert (address.notify, address.deadline, address.connections) == (False, 2.5, 3)
    assert address.url == "postgresql://h/d?sslmode=require"


def test_without_options_it_notifies_and_waits_ten_seconds() -> None:
    address = read_address("postgres://h/d", {})
    assert (address.notify, address.deadline, address.connections) == (True, 10.0, 8)


def test_each_role_may_have_a_url_of_its_own() -> None:
    address = read_address("postgresql://h/d", {"TWOFOLD_WRITER_URL": "postgresql://w:secret@h/d?deadline=1"})
    assert address.url_of("writer") == "postgresql://w:secret@h/d"
    assert address.url_of("reader") == "postgresql://h/d"
    assert [address.sets(role) for role in ("writer", "reader")] == [False, True]
    assert "secret" not in repr(address)


@pytest.mark.parametrize(
    ("reader", "is_elsewhere"),
    [
        ("postgresql://r:s@h:5432/d?sslmode=require", False),
        ("postgresql://r:s@replica:5432/d", True),
        ("postgresql://r:s@h:5433/d", True),
        ("postgresql://r:s@h:5432/d?host=replica", True),
        ("postgresql://r:s@h:5432,replica:5432/d", True),
    ],
)
def test_a_reader_at_another_place_may_read_from_a_replica(reader: str, is_elsewhere: bool) -> None:
    assert read_address("postgresql://h:5432/d", {"TWOFOLD_READER_URL": reader}).reads_elsewhere is is_elsewhere
    assert not read_address("postgresql://h:5432/d", {}).reads_elsewhere


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://user:secret@host:5432/data?password=secret", "postgresql://host:5432/data"),
        ("postgresql://user:se@cret@host/data", "postgresql://host/data"),
        ("postgresql://user:se/cret@host/data", "postgresql://host/data"),
        ("postgresql://user:se?cret@host/data", "postgresql://host/data"),
        ("postgresql://user:secret/data", "postgresql://…"),
        ("postgresql://host/data?user=a@b&password=secret", "postgresql://…"),
        ("postgresql://[::1]:5432/data", "postgresql://[::1]:5432/data"),
        ("postgresql://one:5432,two:5433/data", "postgresql://one:5432,two:5433/data"),
        ("postgresql:///data?host=/run/postgresql", "postgresql:///data"),
    ],
)
def test_only_the_place_is_shown(url: str, expected: str) -> None:
    assert shown(url) == expected


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://user:secret@host/data", "expected postgresql://"),
        ("postgresql://user:se@cret@host/data", "%40"),
        ("postgresql://user:se#cret@host/data", "%23"),
        ("postgresql://user:secret@host/data?notify=maybe", "notify is on or off"),
        ("postgresql://user:secret@host/data?deadline=secret", "deadline is a number from 0.1 to 3600"),
        ("postgresql://user:secret@host/data?deadline=nan", "deadline is a number"),
        ("postgresql://user:secret@host/data?connections=0", "connections is a whole number from 1 to 1000"),
        ("postgresql://user:secret@host/data?connections=1.5", "connections is a whole number"),
        ("postgresql://user:secret@host/data?secret", "cannot be read"),
        ("postgresql://user:secret@[host/data", "cannot be read"),
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url: str, problem: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        read_address(url, {})
    assert problem in str(caught.value)
    told = "".join(traceback.format_exception(caught.value, chain=True)).replace(url, "")
    assert "secret" not in str(caught.value)
    assert "Error: " not in told.partition("InvalidAddress")[0]
