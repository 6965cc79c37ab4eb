# SPDX-License-Identifier: GPL-3.0-or-later
"""host_health by a real ansible-playbook, with a real server; nothing secret is printed, however much is asked for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SECRET = "s3cret-token"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"ready": True, "key": self.headers.get("Authorization")}).encode()
        self.send_response(503 if self.path.startswith("/broken") else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield httpd.server_address[1]
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("collections")
    tree = root / "ansible_collections/flotilla/container_os"
    for part in ("plugins", "meta"):
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "galaxy.yml", tree)
    return root


def play(collections: Path, folder: Path, task: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one task of host_health on a host that is this machine by another name."""
    tasks = [{"name": "See", "flotilla.container_os.host_health": task}]
    (folder / "play.json").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    host = {"ansible_connection": "local", "ansible_host": "127.0.0.1"}
    (folder / "inventory.json").write_text(json.dumps({"all": {"hosts": {"web1": host}}}))
    (folder / "ansible.cfg").write_text("[defaults]\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
    }
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    argv = [program, "-i", str(folder / "inventory.json"), str(folder / "play.json"), *arguments]
    return subprocess.run(argv, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("arguments", [(), ("--check", "--diff")], ids=["run", "check"])
def test_from_both_places(collections: Path, tmp_path: Path, port: int, arguments: tuple[str, ...]) -> None:
    url = f"http://{{{{ ansible_host }}}}:{port}/health"
    probes = [
        {"name": "inside", "type": "http", "url": url, "query": "json.ready"},
        {"name": "outside", "type": "http", "url": url, "query": "json.ready", "where": "controller"},
        {"name": "port", "type": "tcp", "port": port, "where": "controller"},
        {"name": "name", "type": "command", "argv": ["echo", "{{ inventory_hostname }}"], "where": "controller"},
        {"name": "release", "type": "file", "path": "/etc/os-release", "file_type": "file"},
    ]
    done = play(collections, tmp_path, {"probes": probes, "timeout": 0}, "-v", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "healthy: 5 probes good" in done.stdout
    assert '"host": "127.0.0.1"' in done.stdout
    assert "changed=0" in done.stdout


@pytest.mark.parametrize("where", ["host", "controller"])
def test_nothing_secret_is_printed(collections: Path, tmp_path: Path, port: int, where: str) -> None:
    probe = {
        "name": "web",
        "type": "http",
        "where": where,
        "url": f"http://127.0.0.1:{port}/broken?token={SECRET}-2",
        "headers": {"Authorization": f"Bearer {SECRET}-1"},
    }
    done = play(collections, tmp_path, {"probes": [probe], "timeout": 0}, "-vvv", "--diff")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "/broken?… answered 503, expected 200" in done.stdout
    assert "********" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_a_url_with_a_password_is_refused_and_not_printed(collections: Path, tmp_path: Path) -> None:
    probe = {"name": "web", "type": "http", "url": f"https://admin:{SECRET}@192.0.2.1/"}
    done = play(collections, tmp_path, {"probes": [probe]}, "-vvv")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "without name and password" in done.stdout
    assert SECRET not in done.stdout + done.stderr
