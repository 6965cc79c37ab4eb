# SPDX-License-Identifier: GPL-3.0-or-later
"""A real lock server in a process of its own, on a free port of the loopback, on a ledger in a file."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

COLLECTIONS = Path(__file__).parents[3] / ".collections"
MODULE = "ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.server"
# How long (s) a start or a stop may take on a busy machine; usually it is one or two.
PATIENCE = 60


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class LockServer:
    """The server. `url` of the ledger; further arguments are the server's own."""

    def __init__(self, ledger: str, log: Path, *arguments: str) -> None:
        self.port = free_port()
        self.log = log
        self._argv = [sys.executable, "-m", MODULE, "--listen", f"127.0.0.1:{self.port}", *arguments]
        self._environment = {**os.environ, "PYTHONPATH": str(COLLECTIONS), "FLOTILLA_LEDGER": ledger}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._argv, env=self._environment, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self._process.poll() is None, self.log.read_text()
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def end(self, how: str = "terminate") -> None:
        """End this very process, and wait for it. `how`: terminate or kill."""
        if self._process is not None and self._process.poll() is None:
            getattr(self._process, how)()
            self._process.wait(PATIENCE)

    def ask(self, method: str, place: str, body: bytes | None = None, header: str | None = "true") -> tuple[int, Any]:
        """Return status and JSON of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, place, body, {} if header is None else {"fleet-lock-protocol": header})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def lock(self, name: str, group: str = "default") -> tuple[int, Any]:
        return self.ask("POST", "/v1/pre-reboot", _body(name, group))

    def unlock(self, name: str, group: str = "default") -> tuple[int, Any]:
        return self.ask("POST", "/v1/steady-state", _body(name, group))

    def status(self) -> Any:
        return self.ask("GET", "/v1/status")[1]


def _body(name: str, group: str) -> bytes:
    return json.dumps({"client_params": {"id": name, "group": group}}).encode()
