# SPDX-License-Identifier: GPL-3.0-or-later
"""The http probe against a real server, with each tool that can ask."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.probes.http import Http

SECRET = 'Bearer s3cret-"to\\ken" $(id)'


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = {
            "/health": (200, b'{"ready": true, "peers": [1, 2]}'),
            "/broken": (503, b'{"ready": false}'),
            "/moved": (301, b""),
            "/big": (200, b"x" * 300_000),
            "/json": (200, json.dumps({"sent": self.headers.get("Authorization")}).encode()),
            "/edge": (200, b"x" * 4090 + str(self.headers.get("Authorization")).encode("utf-8", "replace")),
            "/binary": (200, b"\xff\xfe\x00ok"),
            "/echo": (200, f"you said {self.headers.get('Authorization')} to {self.headers.get('Host')}".encode()),
        }.get(self.path.partition("?")[0], (404, b""))
        if self.path == "/slow":
            time.sleep(3)
        self.send_response(status)
        if self.path == "/moved":
            self.send_header("Location", "/health")
        length = 999 if self.path == "/cut" else len(body)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}"
    httpd.shutdown()
    httpd.server_close()


TOOLS = ["curl", "wget", "busybox"]


@pytest.fixture(params=TOOLS)
def ask(request: pytest.FixtureRequest, run_in: Callable, tools: Callable) -> Callable:
    path = tools(request.param, "head", "timeout")

    def ask_it(**options: object) -> dict:
        probe = Http(**options)
        data = probe.read(run_in(probe, path))
        assert data["tool"] == ("curl" if request.param == "curl" else "wget")
        return data

    return ask_it


def test_a_good_answer(ask: Callable, server: str) -> None:
    data = ask(url=f"{server}/health")
    assert data["status"] == 200
    assert data["json"] == {"ready": True, "peers": [1, 2]}
    assert data["body"] == '{"ready": true, "peers": [1, 2]}'
    assert data["error"] is None
    assert Http(url=f"{server}/health").demands(data) == {}


def test_a_bad_status_has_its_number(ask: Callable, server: str) -> None:
    data = ask(url=f"{server}/broken")
    probe = Http(url=f"{server}/broken")
    assert data["status"] == 503
    assert probe.demands(data) == {"answer": f"{server}/broken answered 503, expected 200"}
    assert Http(url=f"{server}/broken", status=(200, 503)).demands(data) == {}


def test_a_redirect_is_not_followed(ask: Callable, server: str) -> None:
    assert ask(url=f"{server}/moved")["status"] == 301


def test_a_big_body_is_cut(ask: Callable, server: str) -> None:
    data = ask(url=f"{server}/big")
    assert (data["status"], data["error"]) == (200, None)
    assert data["body"] == "x" * 4096


def test_a_body_of_bytes_becomes_text(ask: Callable, server: str) -> None:
    body = ask(url=f"{server}/binary")["body"]
    assert body.endswith("ok")
    body.encode()


def test_nobody_listens(ask: Callable) -> None:
    probe = Http(url="http://127.0.0.1:1/")
    data = ask(url="http://127.0.0.1:1/")
    assert data["status"] is None
    assert "did not answer: " in probe.demands(data)["answer"]
    assert "refused" in data["error"].lower() or "connect" in data["error"].lower()


def test_an_answer_that_takes_too_long(ask: Callable, server: str) -> None:
    data = ask(url=f"{server}/slow", timeout=1)
    assert data["status"] is None
    assert data["error"]


def test_a_header_arrives_whole_and_is_not_shown(ask: Callable, server: str) -> None:
    data = ask(url=f"{server}/echo", headers={"Authorization": SECRET, "Host": "lab.example"})
    assert data["body"] == "you said ******** to lab.example"
    assert SECRET not in repr(Http(url=server, headers={"Authorization": SECRET}))


def test_a_header_is_masked_in_json_too(ask: Callable, server: str) -> None:
    data = ask(url=f"{server}/json", headers={"Authorization": SECRET})
    assert "s3cret" not in str(data)
    assert data["json"] == {"sent": "********"}


def test_half_a_header_is_not_shown_where_the_body_is_cut(ask: Callable, server: str) -> None:
    body = ask(url=f"{server}/edge", headers={"Authorization": "s3cret-token"})["body"]
    assert body == "x" * 4090 + "******"


def test_what_follows_the_question_mark_is_in_no_message(ask: Callable, server: str) -> None:
    url = f"{server}/broken?token=s3cret-token"
    assert Http(url=url).demands(ask(url=url)) == {"answer": f"{server}/broken?… answered 503, expected 200"}
    nobody = "http://127.0.0.1:1/?token=s3cret-token"
    data = ask(url=nobody)
    assert "s3cret" not in str([data, Http(url=nobody).demands(data)])


def test_a_hostile_url_is_only_a_url(ask: Callable, server: str, tmp_path: Path) -> None:
    data = ask(url=f"{server}/health?a='$(touch${{IFS}}owned);:>owned&b=`id`[1-3]{{x,y}}")
    assert data["status"] == 200
    assert not (tmp_path / "owned").exists()


def test_curl_notices_an_answer_that_breaks_off(run_in: Callable, tools: Callable, server: str) -> None:
    probe = Http(url=f"{server}/cut", status=(404,), timeout=2)
    data = probe.read(run_in(probe, tools("curl", "head")))
    assert data["status"] == 404
    assert "broke off its answer" in probe.demands(data)["answer"]


def test_curl_gets_headers_on_its_standard_input(run_in: Callable, tools: Callable, server: str) -> None:
    # stand-in: shows its arguments as the answer
    path = tools("head", "cat", curl='printf "HTTP/1.1 200 OK\\n\\n%s" "$*"; cat >/dev/null')
    probe = Http(url=server, headers={"Authorization": SECRET})
    assert "s3cret" not in run_in(probe, path).stdout


def test_without_a_tool_it_is_not_known(run_in: Callable, tools: Callable, server: str) -> None:
    with pytest.raises(FlotillaError, match="no curl or wget on the host"):
        Http(url=server).read(run_in(Http(url=server), tools("head")))


def test_busybox_verifies_no_certificate_so_it_is_not_asked(run_in: Callable, tools: Callable) -> None:
    probe = Http(url="https://127.0.0.1:1/")
    with pytest.raises(FlotillaError, match="that verifies certificates"):
        probe.read(run_in(probe, tools("busybox", "head")))
