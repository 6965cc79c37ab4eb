# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking from the controller, at real servers and with real commands."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health import controller
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.controller import PARALLEL, look
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.request import read_probes

SECRET = "Bearer s3cret-token"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = {"path": self.path, "key": self.headers.get("Authorization"), "host": self.headers.get("Host")}
        body = b"x" * 300_000 if self.path == "/big" else json.dumps(asked).encode()
        self.send_response({"/broken": 503, "/moved": 302}.get(self.path, 200))
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body) + 99 if self.path == "/cut" else len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}"
    httpd.shutdown()
    httpd.server_close()


def see(address: str = "127.0.0.1", **options: Any) -> Any:
    """Return what one probe finds from the controller."""
    (found,) = look(read_probes([{"name": "p", "where": "controller", **options}], "it"), address)
    return found


def get(url: str, **options: Any) -> Any:
    return see(type="http", url=url, **options)


def test_a_good_answer(server: str) -> None:
    data = get(f"{server}/a%20b?c=[1]&d=\u00e9", headers={"Host": "lab.example"})
    assert (data["status"], data["error"], data["tool"]) == (200, None, "python")
    assert data["json"] == {"path": "/a%20b?c=[1]&d=%C3%A9", "key": None, "host": "lab.example"}


def test_a_header_arrives_and_is_masked(server: str) -> None:
    assert get(server, headers={"Authorization": SECRET})["json"]["key"] == "********"


@pytest.mark.parametrize(("path", "status"), [("/broken", 503), ("/moved", 302)])
def test_the_status_is_the_servers_own(server: str, path: str, status: int) -> None:
    data = get(f"{server}{path}")
    assert (data["status"], data["error"]) == (status, None)


def test_a_big_body_is_cut(server: str) -> None:
    data = get(f"{server}/big")
    assert (data["body"], data["error"]) == ("x" * 4096, None)


def test_an_answer_that_breaks_off(server: str) -> None:
    assert get(f"{server}/cut", timeout=1)["error"] is not None


def test_no_proxy_is_used(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert get(server)["status"] == 200


def test_nobody_listens() -> None:
    data = get("http://127.0.0.1:1/")
    assert (data["status"], data["error"]) == (None, "Connection refused")


def test_what_is_no_url_has_no_answer() -> None:
    assert get("http://127.0.0.1:99999/")["status"] is None


@pytest.fixture
def speaker() -> Iterator[Callable[[bytes, bytes], int]]:
    """Return a function that starts a server: it says the first words, then the other ones again and again."""
    over = threading.Event()
    listeners = []

    def serve(listener: socket.socket, first: bytes, then: bytes) -> None:
        with contextlib.suppress(OSError):
            conversation, _peer = listener.accept()
            with conversation:
                conversation.sendall(first)
                while not over.wait(0.05):
                    conversation.sendall(then)

    def start(first: bytes, then: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=serve, args=(listener, first, then), daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    over.set()
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize(
    ("first", "then"),
    [(b"", b""), (b"HTTP/1.1 200 OK\r\n", b"X"), (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x")],
    ids=["silent", "headers drop by drop", "body drop by drop"],
)
def test_a_slow_server_does_not_get_more_time(speaker: Callable, first: bytes, then: bytes) -> None:
    data = get(f"http://127.0.0.1:{speaker(first, then)}/", timeout=1)
    assert data["error"] in ("no answer within 1 s", "no answer in 1 s")
    assert data["json"] is None


def test_a_server_that_does_not_speak_http(speaker: Callable) -> None:
    assert get(f"http://127.0.0.1:{speaker(b'220 mail ready' + bytes([13, 10]), b'')}/", timeout=1)["status"] is None


def test_a_server_without_tls(server: str) -> None:
    data = get(server.replace("http:", "https:"), validate_certs=False)
    assert data["status"] is None
    assert data["error"]


def test_tcp_meets_the_host_at_its_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert see(type="tcp", port=port) == {"open": True, "host": "127.0.0.1", "tool": "python", "error": None}
        assert see("192.0.2.1", type="tcp", port=port, host="localhost")["open"] is True


def test_a_closed_port() -> None:
    data = see(type="tcp", port=1)
    assert (data["open"], data["error"]) == (False, "Connection refused")


def test_a_command() -> None:
    data = see(type="command", cmd='echo "{\\"n\\": 1}"; echo no >&2; exit 3')
    assert (data["rc"], data["json"], data["stderr"]) == (3, {"n": 1}, "no\n")


def test_a_command_that_does_not_exist() -> None:
    data = see(type="command", argv=["/no/such/tool"])
    assert (data["rc"], data["stderr"]) == (127, "/no/such/tool: No such file or directory")


def test_a_command_that_takes_too_long_ends_with_all_that_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    data = see(type="command", cmd=f"sleep 600 & echo $! >{note}; echo begun; wait", timeout=1)
    assert (data["rc"], data["stdout"]) == (124, "begun\n")
    child = int(note.read_text())
    deadline = time.monotonic() + 10  # a kill is an order; when it is carried out is the kernel's business
    while _runs(child):
        assert time.monotonic() < deadline, "the child still runs"
        time.sleep(0.01)


def _runs(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def test_a_command_ended_by_a_signal() -> None:
    assert see(type="command", cmd="kill -9 $$")["rc"] == 137


def test_a_command_has_no_input() -> None:
    assert see(type="command", argv=["cat"])["stdout"] == ""


class Watched:
    """Stands for a type of probe; it notes how many look at the same time."""

    patience = 5.0

    def __init__(self) -> None:
        self.lock, self.now, self.most = threading.Lock(), 0, 0

    def look(self, _outside: object, address: str) -> dict[str, Any]:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.05)
        with self.lock:
            self.now -= 1
        return {"address": address}


def probes_of(kind: object, count: int = 1) -> Any:
    return [type("P", (), {"kind": kind})() for _number in range(count)]


def test_several_look_at_the_same_time_but_not_all() -> None:
    kind = Watched()
    found = look(probes_of(kind, 2 * PARALLEL + 1), "192.0.2.1")
    assert found == ({"address": "192.0.2.1"},) * (2 * PARALLEL + 1)
    assert 1 < kind.most <= PARALLEL


def test_one_that_hangs_is_not_known_and_does_not_hold_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "_GRACE", 0.0)
    over = threading.Event()

    class Hangs:
        patience = 0.1

        def look(self, _outside: object, _address: str) -> dict[str, Any]:
            over.wait(30)
            return {}

    (found,) = look(probes_of(Hangs()), "192.0.2.1")
    over.set()
    assert isinstance(found, FlotillaError)
    assert found.message == "the controller had no answer in time"


def test_a_bug_of_ours_shows_itself() -> None:
    class Broken:
        patience = 1.0

        def look(self, _outside: object, _address: str) -> dict[str, Any]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        look(probes_of(Broken()), "192.0.2.1")
