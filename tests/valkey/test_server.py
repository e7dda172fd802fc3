"""What the server must be, how it is addressed, and what is told when it is away; nothing tells its password."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.engines.conftest import valkey_views
from tests.read.stocks import GetItem, Sell, app
from twofold import engines
from twofold.engines.valkey.address import read_address
from twofold.engines.valkey.scripts import Script, script
from twofold.engines.valkey.server import Server
from twofold.engines.valkey.views import ValkeyViews
from twofold.errors import (
    DeclarationError,
    InvalidAddress,
    InvalidFilter,
    MissingExtra,
    StoreError,
    StoreFull,
    StoreUnavailable,
)
from twofold.history.record import Position
from twofold.read.store import Advance
from twofold.read.table import Table
from twofold.read.view import View
from twofold.storage import storage_at
from twofold.testing import ValkeyServer, valkey
from twofold.testing.contracts.rows import HISTORY, NOTES, Note, indexed, prepared, put
from twofold.testing.server_process import free_port

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "url",
    [
        "valkey:", "valkey:/host", "valkey://ada:secret@host:x", "valkey://ada:secret@host/name", "valkey+unix://secret@rel",
        "valkey://ada:secret@host?prefix={a}", "valkey://ada:secret@host?deadline=0", "redis://ada:secret@host?connections=1.5",
        "valkey://ada:secret@host?nosuch=secret", "valkeys://ada:secret@ho\nst",
    ],
)  # fmt: skip
def test_a_url_that_is_wrong_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        storage_at(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("valkey://host", "valkey://host"),
        ("redis://:secret@host:1/2?prefix=a", "redis://host:1/2"),
        ("rediss://ada:secret@[::1]:6380", "rediss://[::1]:6380"),
        ("valkey+unix://ada:secret@/run/valkey.sock?db=3", "valkey+unix:///run/valkey.sock"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert storage_at(url).shown == shown
    assert "secret" not in repr(read_address(url))


def test_where_the_driver_is_not_installed_the_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # What is imported again takes the place of the package in its parent, too.
    monkeypatch.setattr(engines, "valkey", sys.modules["twofold.engines.valkey"])
    for name in [name for name in sys.modules if name.startswith("twofold.engines.valkey")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "valkey", None)
    with pytest.raises(MissingExtra, match=r"pip install 'twofold\[valkey\]'"):
        storage_at("valkey://host")


def test_a_url_of_no_engine_is_told_what_there_is() -> None:
    with pytest.raises(InvalidAddress) as caught:
        storage_at("mysql://ada:secret@host/data")
    for scheme in ("sqlite:///FOLDER", "postgresql://", "memory:", "valkey://HOST", "duckdb:///FOLDER"):
        assert scheme in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_it_keeps_no_history(valkey_server: ValkeyServer) -> None:
    with pytest.raises(InvalidAddress, match="it keeps read models, no history"):
        await app.open(valkey_server.place(), views={"analytics": "memory:"}).__aenter__()


async def test_a_server_that_is_not_there_is_told_without_the_password(tmp_path: Path) -> None:
    place = "valkey://ada:secret@127.0.0.1:1/0"
    with pytest.raises(StoreUnavailable, match=r"valkey://127\.0\.0\.1:1/0: nobody answers there") as caught:
        await app.open(f"sqlite:///{tmp_path}", views={"": place, "analytics": "memory:"}).__aenter__()
    assert "secret" not in "".join(traceback.format_exception(caught.value))


async def test_a_wrong_password_is_told_without_it(valkey_server: ValkeyServer) -> None:
    url = valkey_server.url.replace("valkey://:", "valkey://:wrong")
    with pytest.raises(StoreUnavailable, match="the server refuses the user, the password") as caught:
        await storage_at(url).views([])
    assert "wrong" not in str(caught.value)


async def test_a_server_that_throws_rows_away_when_memory_is_full_is_refused() -> None:
    with valkey({"maxmemory-policy": "allkeys-lru"}) as server:
        storage = storage_at(server.url)
        with pytest.raises(StoreUnavailable, match="its maxmemory-policy is allkeys-lru"):
            await storage.views([])


async def test_a_batch_for_which_there_is_no_memory_is_not_stored_in_part(tmp_path: Path) -> None:
    with valkey({"maxmemory": "10mb"}) as server:
        engine = valkey_views(server.place)
        async with engine.opened(server.place()) as store:
            await prepared(store, NOTES)
            stored = 0

            async def fill() -> None:
                nonlocal stored
                for batch in range(100):
                    notes = [Note(f"{batch}/{n}", text="x" * 1000) for n in range(500)]
                    stored += await put(store, NOTES, *notes, expected=batch)

            with pytest.raises(StoreFull):
                await fill()
            assert stored > 0
            status = await store.status(NOTES)
            assert (status.checkpoint, status.rows) == (stored, stored * 500)


async def test_over_a_unix_socket(valkey_server: ValkeyServer) -> None:
    assert valkey_server._process is not None
    password = valkey_server.url.partition("@")[0].rpartition(":")[2]
    url = f"valkey+unix://:{password}@{valkey_server._process.socket}?db=2&prefix={uuid4().hex}"
    async with app.open("memory:", views=url) as node:
        receipt = await node.send(Sell("tea", 3))
        assert await node.ask(GetItem("tea"), after=receipt) == 3


async def test_all_keys_of_a_read_model_are_in_one_slot_of_a_cluster() -> None:
    # Without a port of its own the bus of the cluster takes one that is 10,000 higher, which there may not be.
    with valkey({"cluster-enabled": "yes", "cluster-port": str(free_port())}) as server:
        plain = Server(read_address(server.url))
        await plain.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while b"cluster_state:ok" not in await plain.call("CLUSTER", "INFO"):
            pass
        await plain.close()
        async with app.open("memory:", views={"": server.url, "analytics": server.url}) as node:
            receipt = await node.send(Sell("tea", 3))
            assert await node.ask(GetItem("tea"), after=receipt) == 3
            store = node._parts.views
            assert isinstance(store, ValkeyViews)
            for table in app.tables.values():
                await store.begin_spare(table, node.history.id)
                standing = await store.standing(table.spare)
                assert standing is not None
                assert await store.apply(table.spare, Advance(0, 9, live=True, epoch=standing.epoch))
                assert await store.exchange(table)


@pytest.mark.parametrize("table", [indexed("number")], ids=["indexes"])
async def test_a_read_model_that_wants_more_than_keys_is_refused(
    valkey_server: ValkeyServer, table: Table[Any]
) -> None:
    async with valkey_views(valkey_server.place).opened(valkey_server.place()) as store:
        with pytest.raises(DeclarationError, match="read model Case declares indexes=, and valkey://127"):
            await store.prepare(table, HISTORY)


async def test_what_cannot_be_found_by_key_is_refused_with_what_to_do(valkey_server: ValkeyServer) -> None:
    async with valkey_views(valkey_server.place).opened(valkey_server.place()) as store:
        await prepared(store, NOTES)
        notes = View(store, NOTES)
        with pytest.raises(InvalidFilter, match=r"key's order \(name\); rows by number cannot be had there: keep"):
            await notes.find(number=1)
        with pytest.raises(InvalidFilter, match="an order by -number, name cannot be had there"):
            await notes.find(order_by="-number")
        with pytest.raises(InvalidFilter, match="knows no SQL: ask by key, or keep it in a store that does"):
            await notes.sql("where number = 1")


async def test_queries_are_told_that_nothing_was_projected_yet(valkey_server: ValkeyServer) -> None:
    async with valkey_views(valkey_server.place).opened(valkey_server.place()) as store:
        with pytest.raises(StoreUnavailable, match="read model Note is not there; a node that projects makes it"):
            await View(store, NOTES).get("a")


async def test_a_script_that_reads_cannot_write(valkey_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = script("checkpoint")
    text = reading.text + "\nredis.call('SET', LIVE, 'x')"
    server = Server(read_address(valkey_server.place()))
    monkeypatch.setattr("twofold.engines.valkey.server.script", lambda name: Script(text, "0" * 40, reads=True))
    try:
        with pytest.raises(StoreError):
            await server.run("checkpoint", ["{a}:table:b"])
    finally:
        await server.close()


async def test_an_epoch_that_was_lost_with_the_database_does_not_come_again(valkey_server: ValkeyServer) -> None:
    url = valkey_server.place()
    epochs: list[int] = []
    for _ in range(2):
        async with valkey_views(valkey_server.place).opened(url) as store:
            await store.prepare(NOTES, HISTORY)
            epochs.append((await store.claim(NOTES, "one", 0)).epoch)
            assert await store.apply(NOTES, Advance(0, Position(1), epoch=epochs[-1]))
            assert isinstance(store, ValkeyViews)
            await store._server.call("DEL", store._key(NOTES))
            assert not await store.apply(NOTES, Advance(1, 2, epoch=epochs[-1]))
    assert epochs[0] < epochs[1]
