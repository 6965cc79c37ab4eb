# SPDX-License-Identifier: GPL-3.0-or-later
"""The client over real HTTP, against servers that answer as the real ones do, or not at all."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.client import (
    MAX_PAUSE,
    Done,
    Patience,
    Server,
    ask,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.protocol import (
    Identity,
    Meaning,
    read_request,
)

WHO = Identity("c988d2509fdf5cdcbed39037c56406fb", "default")
ANSWERS = json.loads((Path(__file__).parents[2] / "fixtures/fleetlock/answers.json").read_text())


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return sum(self.slept)

    def time(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)


class Script:
    """A server that gives the answers of a list, the last one again and again. None: it hangs up without one."""

    def __init__(self, answers: list[tuple[int, str] | None]) -> None:
        script = self
        self.answers = answers
        self.asked: list[tuple[str, Identity]] = []
        self.headers: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                script.asked.append((self.path, read_request(self.headers["fleet-lock-protocol"], body)))
                script.headers.append(dict(self.headers))
                answer = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
                if answer is None:
                    self.close_connection = True
                    return
                self.send_response(answer[0])
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(answer[1].encode())))
                self.end_headers()
                self.wfile.write(answer[1].encode())

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/base"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def scripted() -> Iterator[Callable[..., Script]]:
    started: list[Script] = []

    def start(*answers: tuple[int, str] | None) -> Script:
        started.append(Script(list(answers)))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def _ask(url: str, held: bool = True, retries: int = 3, clock: Clock | None = None, **options: Any) -> Done:
    server = Server(url, **{"timeout": 20.0, "use_proxy": False, **options})
    return ask(server, held, WHO, Patience(retries, 2), clock or Clock(), lambda _text: None)


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: f"{case['server']} {case['status']}")
def test_dialects(scripted: Callable[..., Script], case: dict[str, Any], held: bool) -> None:
    one = scripted((case["status"], case["body"]))
    meaning = Meaning(case["meaning"])
    if meaning is Meaning.GRANTED:
        assert _ask(one.url, held).attempts == 1
    else:
        with pytest.raises(FlotillaError, match=f"{case['status']} ") as caught:
            _ask(one.url, held)
        assert caught.value.details["kind"] == case["kind"]
        assert caught.value.details["value"] == case["value"]
        assert caught.value.details["uncertain"] is False
    place = "/base/v1/pre-reboot" if held else "/base/v1/steady-state"
    assert one.asked == [(place, WHO)] * (4 if meaning is Meaning.LATER else 1)


def test_refused_then_granted(scripted: Callable[..., Script]) -> None:
    clock = Clock()
    one = scripted((500, '{"kind": "failed_lock", "value": "full"}'), (423, ""), (409, ""), (200, ""))
    assert _ask(one.url, clock=clock).attempts == 4
    assert [low <= slept <= 2 * low for slept, low in zip(clock.slept, (1, 2, 4), strict=True)] == [True] * 3


def test_a_server_that_hangs_up_may_hold_the_lock(scripted: Callable[..., Script]) -> None:
    one = scripted(None)
    with pytest.raises(FlotillaError, match="no answer from .*the server may hold the lock for it all") as caught:
        _ask(one.url, retries=1)
    assert caught.value.details == {"attempts": 2, "uncertain": True, "status": None, "kind": None, "value": None}
    again = scripted(None, (200, ""))
    assert _ask(again.url).attempts == 2


def test_a_server_that_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(FlotillaError, match="no answer from .*timed out"):
            _ask(url, retries=0, timeout=0.2)


def test_no_server_at_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(FlotillaError, match="no answer from .*refused") as caught:
        _ask(f"http://127.0.0.1:{port}", held=False, retries=2)
    assert caught.value.details["attempts"] == 3
    assert caught.value.details["uncertain"] is False


def test_what_speaks_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def nonsense() -> None:
            connection, _address = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-x\r\n")

        thread = threading.Thread(target=nonsense)
        thread.start()
        with pytest.raises(FlotillaError, match="no answer from"):
            _ask(f"http://127.0.0.1:{server.getsockname()[1]}", retries=0)
        thread.join()


def test_a_redirect_is_not_followed(scripted: Callable[..., Script]) -> None:
    one = scripted((307, ""))
    with pytest.raises(FlotillaError, match="says 307"):
        _ask(one.url)
    assert len(one.asked) == 1


def test_headers_are_sent_and_never_shown(scripted: Callable[..., Script]) -> None:
    one = scripted((403, ""))
    headers = {"Authorization": "Bearer hush", "fleet-lock-protocol": "no"}
    with pytest.raises(FlotillaError) as caught:
        _ask(one.url, headers=headers)
    assert one.headers[0]["Authorization"] == "Bearer hush"
    assert "hush" not in f"{caught.value}{caught.value.details}{Server(one.url, headers=headers)}"


def test_progress_is_told(scripted: Callable[..., Script]) -> None:
    said: list[str] = []
    one = scripted((423, '{"kind": "lock_held", "value": "held by x"}'), (200, ""))
    ask(Server(one.url, use_proxy=False), True, WHO, Patience(1, 2), Clock(), said.append)
    assert len(said) == 1
    assert "says 423 lock_held: held by x; asking again in" in said[0]


@given(st.integers(1, 100), st.floats(0, 1), st.floats(0, 3600))
def test_pauses_grow_up_to_a_cap_and_differ(attempt: int, chance: float, delay: float) -> None:
    pause = Patience(1, delay).pause(attempt, chance)
    assert 0 <= pause <= min(MAX_PAUSE, delay * 2.0 ** min(attempt - 1, 32))
    assert Patience(1, delay).pause(attempt + 1, chance) >= pause
