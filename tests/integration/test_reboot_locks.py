# SPDX-License-Identifier: GPL-3.0-or-later
"""The real server over real HTTP: what clients send, load, partitions, restarts, expiry, the breaker, no database."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.breaker import by_hand
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.store import reboot_locks_held
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.gate import Answer, ask
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import STOPPED, Ledger

sys.path.insert(0, str(Path(__file__).parent / "fleetlock"))
from lock_server import COLLECTIONS, LockServer

sys.path.insert(0, str(Path(__file__).parents[1] / "databases"))
from postgresql import Server

FIXTURES = Path(__file__).parents[1] / "unit/fixtures/fleetlock"
Serve = Callable[..., LockServer]


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.sqlite"


@pytest.fixture
def serve(tmp_path: Path, ledger: str) -> Iterator[Serve]:
    """Return a function that starts a server with the given arguments; each is ended by its own process id."""
    started: list[LockServer] = []

    def start(*arguments: str, url: str | None = None) -> LockServer:
        one = LockServer(url or ledger, tmp_path / "server.log", *arguments)
        started.append(one)
        one.start()
        return one

    yield start
    for one in started:
        one.end()


def _plan(ledger: str, *hosts: str, unavailable: int = 2) -> tuple[Ledger, int]:
    """Record a rollout of that name with `hosts`, staged."""
    waves = [[{"host": host, "wave": 1, "target": {"digest": "b" * 64, "name": "2"}} for host in hosts]]
    opened = Ledger(ledger)
    with opened.write() as writer:
        number = writer.open_rollout("upgrade", {"waves": waves, "max_unavailable": unavailable, "max_failures": 0})
    _move(opened, Phase.STAGED, *hosts)
    return opened, number


def _move(opened: Ledger, phase: Phase, *hosts: str) -> None:
    with opened.write() as writer:
        rollout = writer.rollout("upgrade")
        assert rollout is not None
        for host in hosts:
            writer.move(rollout, host, phase, "test", "test")


# -- what clients send


@pytest.mark.parametrize(("name", "group"), [("request-airlock", "default"), ("request-zincati", "mock-workers")])
def test_recorded_requests(serve: Serve, name: str, group: str) -> None:
    body = (FIXTURES / f"{name}.json").read_bytes()
    one = serve("--group", f"{group}=1")
    assert one.ask("POST", "/v1/pre-reboot", body) == (
        200,
        {"kind": "ok", "value": "obtained reboot lock", "changed": True},
    )
    assert one.ask("POST", "/v1/pre-reboot", body)[1]["changed"] is False
    status, said = one.lock("another", group)
    assert (status, said["kind"]) == (423, "failed_lock")
    assert said["value"].startswith("all 1 semaphore slots currently locked, held by ")
    assert one.ask("POST", "/v1/steady-state", body)[1]["value"] == "released reboot lock"
    assert one.ask("POST", "/v1/steady-state", body)[1]["value"] == "held no reboot lock"
    assert one.lock("another", group)[0] == 200


def test_errors_of_the_protocol(serve: Serve) -> None:
    one = serve()
    good = (FIXTURES / "request-airlock.json").read_bytes()
    for place in ("/v1/pre-reboot", "/v1/steady-state"):
        asked = {
            (400, "missing_header"): one.ask("POST", place, good, header=None),
            (400, "decode_error"): one.ask("POST", place, b"{"),
            (400, "invalid_client_identity"): one.ask("POST", place, b'{"client_params": {"id": "a"}}'),
            (400, "unknown_group"): one.ask("POST", place, b'{"client_params": {"id": "a", "group": "x"}}'),
            (405, "method_not_allowed"): one.ask("GET", place),
        }
        for (status, kind), (got, said) in asked.items():
            assert (got, said["kind"]) == (status, kind)
            assert said["value"]
    assert one.ask("POST", "/v1/pre-reboot", b" " * 20_000)[1]["kind"] == "decode_error"
    status, said = one.ask("GET", "/")
    assert (status, said["kind"]) == (404, "not_found")
    assert one.status()["locks"] == []


# -- load


def test_never_more_holders_than_slots(serve: Serve, ledger: str) -> None:
    """50 clients, each taking and giving back its lock many times, beside two hosts that are driven."""
    slots, driven, clients, rounds = 5, 2, 50, 12
    opened, _number = _plan(ledger, "d1", "d2", unavailable=9)
    _move(opened, Phase.GUARDED, "d1", "d2")
    one = serve("--group", f"default={slots}")
    holding: set[str] = set()
    guard = threading.Lock()
    most = granted = refused = 0

    def client(name: str) -> None:
        nonlocal most, granted, refused
        for _round in range(rounds):
            status, said = one.lock(name)
            if status != 200:
                assert (status, said["kind"]) == (423, "failed_lock")
                with guard:
                    refused += 1
                continue
            with guard:
                holding.add(name)
                granted += 1
                most = max(most, len(holding))
            assert one.lock(name)[1]["changed"] is False
            with guard:
                holding.remove(name)
            assert one.unlock(name)[0] == 200

    with ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(client, f"h{number}") for number in range(clients)]:
            done.result()
    assert granted + refused == clients * rounds
    assert granted > 0
    assert 1 <= most <= slots - driven
    assert one.status()["locks"] == []


def test_two_servers_on_one_ledger_share_the_slots(serve: Serve) -> None:
    servers = [serve("--group", "default=3"), serve("--group", "default=3")]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: servers[number % 2].lock(f"h{number}")[0], range(40)))
    assert answers.count(200) == 3
    assert answers.count(423) == 37
    assert servers[0].status()["locks"] == servers[1].status()["locks"]


# -- the rollout's budget


def test_hosts_that_are_driven_and_lost_count(serve: Serve, ledger: str) -> None:
    opened, _number = _plan(ledger, "d1", "d2", "d3", unavailable=2)
    one = serve("--group", "default=9")
    _move(opened, Phase.GUARDED, "d1")
    assert one.lock("a")[0] == 200
    status, said = one.lock("b")
    assert status == 423
    assert said["value"] == "max_unavailable of rollout upgrade is 2, away are a, d1"
    _move(opened, Phase.UNREACHABLE, "d1")
    assert one.lock("b")[0] == 423
    assert one.status()["rollouts"] == [{"name": "upgrade", "state": "open", "max_unavailable": 2, "away": ["d1"]}]


def test_a_rollout_that_stopped_trips_the_breaker(serve: Serve, ledger: str) -> None:
    opened, number = _plan(ledger, "d1")
    one = serve()
    assert one.lock("a")[0] == 200
    with opened.write() as writer:
        writer.set_state(number, STOPPED, "max_failures is 0; d1 rolled_back")
    status, said = one.lock("b")
    assert (status, said["kind"]) == (423, "breaker_tripped")
    assert said["value"] == "no host may reboot: rollout upgrade is stopped: max_failures is 0; d1 rolled_back"
    assert one.unlock("a")[0] == 200
    assert by_hand(ledger, False, None, False).changed is True
    assert one.lock("b")[0] == 200


# -- the breaker by hand


def test_the_breaker_by_hand(serve: Serve, ledger: str) -> None:
    one = serve("--group", "default=3")
    assert one.lock("a")[0] == 200
    assert by_hand(ledger, True, "storage is being rebuilt", True).changed is True
    assert one.lock("b")[0] == 200  # that was check mode
    assert by_hand(ledger, True, "storage is being rebuilt", False).changed is True
    assert by_hand(ledger, True, "storage is being rebuilt", False).changed is False
    for name in ("a", "c"):
        status, said = one.lock(name)
        assert (status, said["kind"]) == (423, "breaker_tripped")
        assert said["value"].startswith("no host may reboot: storage is being rebuilt (tripped by ")
    assert one.unlock("a")[0] == 200
    assert one.status()["breaker"]["tripped"] is True
    assert by_hand(ledger, False, None, False).changed is True
    assert by_hand(ledger, False, None, False).changed is False
    assert one.lock("c")[0] == 200


# -- time


def test_leases_expire_by_the_clock_of_the_database(serve: Serve, tmp_path: Path, ledger: str) -> None:
    one = serve("--lease", "1000", "--max-lost", "1")
    assert one.lock("a")[0] == 200
    assert one.lock("b")[0] == 423
    _age(tmp_path, 2000)
    assert one.lock("b")[0] == 200
    assert [lost["id"] for lost in one.status()["lost"]] == ["a"]
    _age(tmp_path, 2000)
    status, said = one.lock("c")
    assert (status, said["kind"]) == (423, "breaker_tripped")
    assert "2 hosts took a lock and never reported back, and 1 may: a, b" in said["value"]
    assert one.unlock("a")[0] == 200  # it is back after all
    assert one.lock("c")[0] == 200
    assert by_hand(ledger, False, None, False).changed is True
    assert one.status()["lost"] == []


def _age(folder: Path, seconds: int) -> None:
    """Make every lock older, as if that time had passed."""
    with sqlite3.connect(folder / "ledger.sqlite", timeout=30) as database:
        database.execute("UPDATE reboot_locks SET lease_until = lease_until - ?", (seconds,))
    database.close()


# -- partitions


def _raw(body: bytes) -> bytes:
    """Return the bytes of a request to lock."""
    head = ("POST /v1/pre-reboot HTTP/1.1", "Host: a", "fleet-lock-protocol: true", f"Content-Length: {len(body)}")
    return "\r\n".join((*head, "", "")).encode() + body


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_a_restart_keeps_the_locks(serve: Serve, how: str) -> None:
    one = serve()
    assert one.lock("a")[0] == 200
    before = one.status()["locks"]
    one.end(how)
    one.start()
    assert one.status()["locks"] == before
    assert one.lock("b")[0] == 423
    assert one.lock("a")[0] == 200


def test_a_request_that_is_cut_off_takes_no_lock(serve: Serve) -> None:
    one = serve()
    body = (FIXTURES / "request-airlock.json").read_bytes()
    with socket.create_connection(("127.0.0.1", one.port), timeout=10) as connection:
        connection.sendall(_raw(body)[:-40])
    assert one.status()["locks"] == []
    assert one.lock("b")[0] == 200


def test_killed_in_the_middle_of_requests(serve: Serve) -> None:
    """However it ends, at most `slots` locks are on record afterwards, and every granted one is."""
    one = serve("--group", "default=3")
    granted: list[str] = []

    def client(number: int) -> None:
        try:
            if one.lock(f"h{number}")[0] == 200:
                granted.append(f"h{number}")
        except (OSError, ValueError):
            pass  # no answer: no proof of a lock
        except Exception as exc:  # http.client's, for an answer that was cut off
            assert type(exc).__module__ == "http.client"

    with ThreadPoolExecutor(20) as pool:
        for number in range(100):
            pool.submit(client, number)
            if number == 50:
                one.end("kill")
    one.start()
    held = {lock["id"] for lock in one.status()["locks"]}
    assert set(granted) <= held
    assert len(held) <= 3


def test_a_server_that_hangs_and_comes_back(serve: Serve) -> None:
    """What a client sent to a server that hung is answered, or recorded as if it had been: asking again is safe."""
    one = serve("--group", "default=2")
    os.kill(one.pid, signal.SIGSTOP)
    try:
        with socket.create_connection(("127.0.0.1", one.port), timeout=1) as connection, pytest.raises(TimeoutError):
            body = b'{"client_params": {"id": "a", "group": "default"}}'
            head = (
                f"POST /v1/pre-reboot HTTP/1.1\r\nHost: a\r\nfleet-lock-protocol: true\r\nContent-Length: {len(body)}"
            )
            connection.sendall(head.encode() + b"\r\n\r\n" + body)
            connection.recv(1)
    finally:
        os.kill(one.pid, signal.SIGCONT)
    assert one.lock("a")[0] == 200
    assert [lock["id"] for lock in one.status()["locks"]] == ["a"]


# -- the database


def test_no_database_no_lock(serve: Serve, tmp_path: Path) -> None:
    one = serve("--group", "default=9")
    assert one.lock("a")[0] == 200
    file = tmp_path / "ledger.sqlite"
    away = file.rename(tmp_path / "away")
    file.mkdir()
    for request in (one.lock, one.unlock):
        status, said = request("a")
        assert (status, said["kind"]) == (503, "ledger_unavailable")
        assert str(tmp_path) not in json.dumps(said)
    assert one.ask("GET", "/v1/status")[0] == 503
    file.rmdir()
    away.rename(file)
    assert [lock["id"] for lock in one.status()["locks"]] == ["a"]
    assert one.lock("b")[0] == 200


def test_on_postgresql(serve: Serve, postgresql: Server) -> None:
    """Two servers, one budget with the rollout; the database stops and comes back."""
    url = postgresql.new_database()
    opened, _number = _plan(url, "d1", "d2", unavailable=9)
    _move(opened, Phase.GUARDED, "d1")
    servers = [serve("--group", "default=4", url=url) for _again in range(2)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: servers[number % 2].lock(f"h{number}")[0], range(60)))
    assert (answers.count(200), answers.count(423)) == (3, 57)
    held = servers[0].status()["locks"]
    assert by_hand(url, True, "storage", True).changed is True
    postgresql.stop()
    status, said = servers[0].lock("h1")
    assert (status, said["kind"]) == (503, "ledger_unavailable")
    postgresql.start()
    assert servers[1].status()["locks"] == held
    assert all(servers[0].unlock(lock["id"])[0] == 200 for lock in held)
    assert servers[1].lock("z")[0] == 200


def test_an_empty_database_grants_nothing(serve: Serve, tmp_path: Path) -> None:
    one = serve("--group", "default=9")
    (tmp_path / "ledger.sqlite").unlink()
    assert one.lock("a")[0] == 503


# -- the process


def test_the_log_names_who_and_no_secret(serve: Serve, tmp_path: Path) -> None:
    one = serve()
    one.lock("a")
    one.lock("b")
    log = (tmp_path / "server.log").read_text()
    assert "INFO /v1/pre-reboot: id=a group=default obtained reboot lock" in log
    assert "WARNING /v1/pre-reboot refused: id=b group=default failed_lock: all 1 semaphore slots" in log
    assert "sqlite" not in log


def test_a_lease_is_counted_from_when_it_was_taken(serve: Serve) -> None:
    one = serve("--lease", "500")
    one.lock("a")
    lock = one.status()["locks"][0]
    assert lock["until"] - lock["taken_at"] == 500


# -- our client, by real Ansible


def _playbook(tmp_path: Path, port: int, tasks: str) -> subprocess.CompletedProcess[str]:
    play = tmp_path / "play.yml"
    head = "- hosts: web1,web2\n  gather_facts: false\n  module_defaults:\n    flotilla.container_os.reboot_lock:\n"
    play.write_text(f"{head}      url: http://127.0.0.1:{port}\n      delay: 0\n      retries: 2\n  tasks:\n{tasks}")
    inventory = tmp_path / "inventory"
    inventory.write_text("web1\nweb2\n")
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", inventory, play],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_by_real_ansible(serve: Serve, tmp_path: Path) -> None:
    one = serve("--group", "default=1")
    tasks = """
    - {name: foretell, flotilla.container_os.reboot_lock: {state: held}, check_mode: true}
    - {name: take, flotilla.container_os.reboot_lock: {state: held}, register: taken, ignore_errors: true}
    - name: give back
      flotilla.container_os.reboot_lock: {state: released}
      when: taken is not failed
"""
    done = _playbook(tmp_path, one.port, tasks)
    assert done.returncode == 0, done.stdout
    assert "cannot take the reboot lock of web" in done.stdout
    assert "423 failed_lock: all 1 semaphore slots currently locked, held by web" in done.stdout
    assert "(3 attempts)" in done.stdout
    assert one.status()["locks"] == []


def test_a_host_with_a_lock_draws_on_the_rollout(serve: Serve, ledger: str) -> None:
    """The other way round: a host that updates itself holds a lock, and the gate counts it."""
    opened, _number = _plan(ledger, "d1", unavailable=1)
    one = serve("--group", "default=2", "--group", "apart=2@other")
    assert one.lock("z", "apart")[0] == 200  # of another rollout
    assert one.lock("a")[0] == 200

    def answer() -> tuple[Answer, str]:
        with opened.write() as writer:
            rollout = writer.rollout("upgrade")
            assert rollout is not None
            locked = reboot_locks_held(writer.connection, writer.now, "upgrade")
            verdict = ask(rollout, "d1", writer.now, lambda _controller: False, locked=locked)
        return verdict.answer, verdict.why

    assert answer() == (Answer.WAIT, "max_unavailable is 1: a (holds a reboot lock)")
    assert one.unlock("a")[0] == 200
    assert answer()[0] is Answer.GO
