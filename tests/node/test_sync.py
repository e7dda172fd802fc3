"""`node.sync`: plain threads, scripts and WSGI applications, each with what they do wrong."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from uuid import uuid4
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import msgspec
import pytest

from tests.faults.bank import Deposit, GetStatement, Ponder, Withdraw, bank
from tests.faults.nodes import check_history
from tests.http.test_server import ROOT, environment
from twofold import Receipt, Rejected, SyncNode
from twofold.errors import (
    CannotBlock,
    ChangedSince,
    InvalidAddress,
    InvalidMessage,
    NodeClosed,
    NotFresh,
    StoreUnavailable,
    TimedOut,
)  # fmt: skip


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/data"


@pytest.fixture
def node(url: str) -> Iterator[SyncNode]:
    with bank.open(url).sync as node:
        yield node


def test_a_script_sends_and_asks(node: SyncNode) -> None:
    receipt = node.send(Deposit("a", 5))
    assert receipt == Receipt(receipt.command_id, 1)
    statement = node.ask(GetStatement("a"), after=receipt)
    assert statement is not None
    assert statement.balance == 5
    answer = node.answer(GetStatement("a"))
    assert answer.position == 1
    assert node.preview(Withdraw("a")).position == 1
    assert node.caught_up() == 1
    assert [status.name for status in node.models()] == ["Statement"]
    assert [event.type for event in node.events()] == ["Deposited"]
    assert [entry.type for entry in node.ledger()] == ["Deposit"]
    assert node.causation(receipt.command_id) is not None


def test_errors_have_their_own_types(node: SyncNode) -> None:
    with pytest.raises(Rejected, match="a:0"):
        node.send(Withdraw("a"))
    with pytest.raises(InvalidMessage):
        node.send(Deposit(7))  # type: ignore[arg-type]
    node.send(Deposit("a"))
    with pytest.raises(ChangedSince):
        node.send(Deposit("a"), expected=0)
    with pytest.raises(TimedOut):
        node.send(Deposit("a"), timeout=0)
    with pytest.raises(NotFresh):
        node.ask(GetStatement("a"), after=99, timeout=0.01)


def test_what_cannot_be_opened_is_told_where_it_is_opened(tmp_path: Path) -> None:
    with pytest.raises(InvalidAddress):
        bank.open("nowhere:").sync.open()
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreUnavailable):
        bank.open(f"sqlite:///{tmp_path}/file").sync.open()
    assert not [thread for thread in threading.enumerate() if thread.name == "twofold-bank"]


def test_many_threads_at_once_have_one_history(node: SyncNode) -> None:
    def work(number: int) -> list[Receipt]:
        return [node.send(Deposit(f"account {number % 5}")) for _ in range(20)]

    with ThreadPoolExecutor(16) as threads:
        receipts = [receipt for receipts in threads.map(work, range(32)) for receipt in receipts]
    assert sorted(receipt.position for receipt in receipts) == list(range(1, 641))
    # The last receipt of the last thread need not be the latest one.
    statements = [node.ask(GetStatement(f"account {n}"), after=640) for n in range(5)]
    assert sum(each.entries for each in statements if each) == 640


def test_one_command_from_many_threads_has_one_effect(node: SyncNode) -> None:
    command_id = uuid4()
    with ThreadPoolExecutor(16) as threads:
        receipts = list(threads.map(lambda _: node.send(Deposit("a"), command_id=command_id), range(64)))
    assert {receipt.position for receipt in receipts} == {1}
    assert [receipt.repeated for receipt in receipts].count(False) == 1


def test_long_histories_are_read_step_by_step_and_may_be_left(node: SyncNode) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: node.send(Deposit(str(n))), range(1100)))
    assert [event.position for event in node.events()] == list(range(1, 1101))
    for event in node.events(after=10):
        assert event.position == 11
        break
    assert len(list(node.events(limit=3))) == 3


def test_a_closed_node_refuses_and_may_be_opened_again(url: str) -> None:
    sync = bank.open(url).sync
    with pytest.raises(NodeClosed):
        sync.send(Deposit("a"))
    for position in (1, 2):
        with sync as node:
            assert node.send(Deposit("a")).position == position
            # Entered twice, it is opened once; the inner end is the end.
            assert sync.open() is sync
        with pytest.raises(NodeClosed):
            sync.send(Deposit("a"))
        with pytest.raises(NodeClosed):
            next(iter(sync.events()))
        sync.close()


def test_whoever_is_under_way_when_it_closes_is_answered(url: str) -> None:
    answers: Counter[str] = Counter()
    counting = threading.Lock()

    def count(answer: str) -> None:
        with counting:
            answers[answer] += 1

    with bank.open(url).sync as node:
        started = threading.Barrier(9)

        def work(number: int) -> None:
            started.wait()
            while True:
                try:
                    node.send(Ponder("a", 3) if number % 2 else Deposit("b"))
                except NodeClosed:
                    count("NodeClosed")
                    return
                count("Receipt")

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        started.wait()
        while answers["Receipt"] < 50:
            node.caught_up()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert answers["NodeClosed"] == 8

    async def stored() -> int:
        async with bank.open(url) as again:
            return await check_history(again.history)

    assert asyncio.run(stored()) == answers["Receipt"]


def test_inside_an_event_loop_it_is_refused() -> None:
    async def main() -> None:
        async with bank.open("memory:") as node:
            calls: list[Callable[[], Any]] = [
                lambda: node.sync.send(Deposit("a")),
                lambda: next(node.sync.events()),
                lambda: bank.open("memory:").sync.open(),
            ]
            for call in calls:
                with pytest.raises(CannotBlock, match="to_thread"):
                    call()
            assert await node.history.head() == 0

    asyncio.run(main())


def test_a_node_of_an_event_loop_is_used_from_its_threads() -> None:
    async def main() -> None:
        async with bank.open("memory:") as node:

            def view(number: int) -> Receipt:
                # Entered or not, it is the same node, which stays open.
                with node.sync as inner:
                    inner.send(Deposit("a"))
                return node.sync.send(Deposit("a"))

            receipts = await asyncio.gather(*(asyncio.to_thread(view, n) for n in range(8)))
            assert len({receipt.position for receipt in receipts}) == 8
            assert (await node.send(Deposit("a"))).position == 17
            sync = node.sync
        with pytest.raises(NodeClosed):
            await asyncio.to_thread(sync.send, Deposit("a"))

    asyncio.run(main())


def test_a_node_that_is_forgotten_is_closed_with_a_warning(url: str) -> None:
    sync = bank.open(url).sync.open()
    sync.send(Deposit("a"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Of what other tests have left behind they are to warn.
        gc.collect()
        caught.clear()
        del sync
        gc.collect()
    assert [each.category for each in caught] == [ResourceWarning]
    assert "was not closed" in str(caught[0].message)
    assert not [thread for thread in threading.enumerate() if thread.name == "twofold-bank"]


SCRIPT = """
import sys, threading
from tests.faults.bank import Deposit, Ponder, bank

node = bank.open(sys.argv[1]).sync.open()
for _ in range(3):
    node.send(Deposit("a"))
print("sent", flush=True)
"""


def script(url: str, more: str = "", *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, *options, "-c", SCRIPT + more, url]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_script_that_forgets_to_close_ends_and_has_stored_all(url: str) -> None:
    process = script(url, "", "-W", "default")
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "sent\n"), errors
    assert "ResourceWarning" in errors
    assert "Traceback" not in errors
    with bank.open(url).sync as node:
        assert len(list(node.events())) == 3


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(
    "waiting", ["node.send(Ponder('a', 10**9))", "with node:\n    node.send(Ponder('a', 10**9))", "node.close()"]
)
def test_ctrl_c_ends_a_call_that_waits(url: str, waiting: str) -> None:
    # A handler that is still deciding is given up: the node does not wait for it.
    more = f"threading.Timer(0, lambda: print('waiting', flush=True)).start()\n{waiting}\n"
    process = script(url, more, "-W", "ignore")
    try:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["sent\n", "waiting\n"]
        if "Ponder" in waiting:
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    if "Ponder" in waiting:
        assert process.returncode == -signal.SIGINT, errors
        assert "KeyboardInterrupt" in errors
    with bank.open(url).sync as node:
        assert len(list(node.events())) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_in_a_forked_process_it_is_refused(url: str) -> None:
    more = """
import os, warnings
from twofold.errors import NodeClosed
warnings.simplefilter("ignore")
child = os.fork()
if child == 0:
    try:
        node.send(Deposit("a"))
    except NodeClosed as error:
        os._exit(7 if "forked" in str(error) else 8)
    os._exit(9)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), node.send(Deposit("a")).position)
node.close()
"""
    output, errors = script(url, more).communicate(timeout=60)
    assert output.splitlines() == ["sent", "7 4"], errors


class ThreadedServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None: ...


def office(node: SyncNode) -> Callable[..., Iterable[bytes]]:
    """A WSGI application as one writes it with Flask or Django: views that know nothing of event loops."""

    def deposit(body: dict[str, Any]) -> Any:
        return node.send(Deposit(body["account"], body["amount"]))

    def withdraw(body: dict[str, Any]) -> Any:
        return node.send(Withdraw(body["account"], body["amount"]), expected=body["seen"])

    def show(body: dict[str, Any]) -> Any:
        answer = node.answer(GetStatement(body["account"]), after=body.get("after"))
        return {"statement": answer.value, "seen": answer.position}

    views = {"/deposit": deposit, "/withdraw": withdraw, "/show": show}

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = msgspec.json.decode(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        try:
            answer, status = views[environ["PATH_INFO"]](body), "200 OK"
        except Rejected as error:
            answer, status = error.code, "409 Conflict"
        except ChangedSince as error:
            answer, status = error.position, "412 Precondition Failed"
        start_response(status, [("Content-Type", "application/json")])
        return [msgspec.json.encode(answer)]

    return application


def test_a_wsgi_application_with_real_threads(url: str) -> None:
    with bank.open(url).sync as node:
        server = make_server("127.0.0.1", 0, office(node), ThreadedServer, Quiet)
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()

        def call(path: str, **body: Any) -> tuple[int, Any]:
            address = f"http://127.0.0.1:{server.server_port}{path}"
            try:
                with urllib.request.urlopen(address, msgspec.json.encode(body), timeout=60) as answer:
                    return answer.status, msgspec.json.decode(answer.read())
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, msgspec.json.decode(error.read())

        def visit(number: int) -> None:
            account = f"account {number}"
            status, receipt = call("/deposit", account=account, amount=5)
            assert status == 200
            status, page = call("/show", account=account, after=receipt["position"])
            assert (status, page["statement"]["balance"]) == (200, 5)
            assert call("/withdraw", account=account, amount=6, seen=page["seen"]) == (409, "too_little")
            # Two who look at the same page: one is first.
            with ThreadPoolExecutor(2) as two:
                done = two.map(lambda n: call("/withdraw", account=account, amount=n, seen=page["seen"])[0], (1, 2))
                assert sorted(done) == [200, 412]

        with ThreadPoolExecutor(8) as visitors:
            list(visitors.map(visit, range(24)))
        assert len(list(node.events())) == 48
        server.shutdown()
        serving.join(60)
        server.server_close()
