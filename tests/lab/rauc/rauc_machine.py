# SPDX-License-Identifier: GPL-3.0-or-later
"""One real machine with GRUB and two slots under RAUC, its image (build.sh), and a server for its bundles."""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import subprocess
import threading
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
LAB = ROOT / ".cache/lab-rauc"
HOST = "rauc1"
# What the guest calls the controller.
CONTROLLER = "10.0.2.2"
# Patience for one playbook, and for the build (s); far more than they take.
PLAYBOOK_TIME, BUILD_TIME = 900, 1800


class Handler(http.server.SimpleHTTPRequestHandler):
    """Plain files, in parts: RAUC streams a bundle by asking for ranges of it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        size = path.stat().st_size
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(found[1]) if found else 0
        end = min(int(found[2]) if found and found[2] else size - 1, size - 1)
        self.send_response(206 if found else 200)
        self.send_header("Accept-Ranges", "bytes")
        if found:
            self.send_header("Content-Range", f"bytes {start}-{end}/{size}")
        self.send_header("Content-Length", str(end + 1 - start))
        self.end_headers()
        with path.open("rb") as content:
            content.seek(start)
            self._send(content, end + 1 - start)

    def _send(self, content: BinaryIO, left: int) -> None:
        while left:
            block = content.read(min(left, 1 << 20))
            self.wfile.write(block)
            left -= len(block)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


class RaucMachine:
    """What the test does with the machine. `channel` and the others return what the module returned."""

    def __init__(self) -> None:
        LAB.mkdir(parents=True, exist_ok=True)
        self._environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_INVENTORY": str(HERE / "inventory.yml"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(LAB / "cp"),
            "ANSIBLE_NOCOLOR": "1",
        }
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._variables: dict[str, Any] = {"lab_dir": str(LAB)}
        self._server: http.server.ThreadingHTTPServer | None = None

    def set_up(self) -> None:
        """Install what the controller lacks, build the image or find it in the cache, serve the bundles, boot."""
        self._play("packages", [_role("lab", "packages")], "localhost")
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flotilla-lab"
        built = subprocess.run(
            [str(HERE / "build.sh"), str(cache)], stdout=subprocess.PIPE, text=True, check=True, timeout=BUILD_TIME
        )
        image = Path(built.stdout.split()[-1])
        handler = functools.partial(Handler, directory=str(image / "bundles"))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._variables["rauc_image"] = str(image / "base.qcow2")
        self._provision("absent")
        self._provision("running")

    def tear_down(self) -> None:
        if "rauc_image" in self._variables:
            self._provision("absent")
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    @property
    def source(self) -> str:
        """Where the bundles are, as the guest sees it."""
        assert self._server is not None
        return f"http://{CONTROLLER}:{self._server.server_port}"

    def module(self, name: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        """Call one of our modules on the machine, by a play; return its result, also when it has failed."""
        call = {f"flotilla.container_os.{name}": options, "register": "done", "check_mode": check}
        return self._play(name, [{**call, "ignore_errors": True, "ignore_unreachable": True}])

    def shell(self, command: str) -> str:
        """Run a command as root, past Ansible: what it says is evidence of its own."""
        argv = ["ssh", "-i", str(LAB / "machines/id_ed25519"), "-p", "22970", "-o", "StrictHostKeyChecking=yes"]
        argv += ["-o", f"UserKnownHostsFile={LAB}/machines/{HOST}/known_hosts", "-o", "BatchMode=yes"]
        argv += ["-o", "ConnectTimeout=30", "core@127.0.0.1", f"sudo sh -c '{command}'"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def console(self) -> str:
        return (LAB / "machines" / HOST / "console.log").read_text(errors="replace")

    def _provision(self, state: str) -> None:
        play = {"hosts": HOST, "gather_facts": False, "become": False, "tasks": [_role("provision")]}
        self._run("provision", [{**play, "vars": {"provision_state": state}}])

    def _play(self, name: str, tasks: list[dict[str, Any]], hosts: str = HOST) -> dict[str, Any]:
        result = LAB / "result.json"
        result.unlink(missing_ok=True)
        keep = {
            "ansible.builtin.copy": {
                "content": "{{ done | default({}) | to_json }}",
                "dest": str(result),
                "mode": "0600",
            },
            "delegate_to": "localhost",
            "become": False,
            "check_mode": False,
        }
        self._run(name, [{"hosts": hosts, "gather_facts": False, "tasks": [*tasks, keep]}])
        return dict(json.loads(result.read_text()))

    def _run(self, name: str, plays: list[dict[str, Any]]) -> None:
        playbook = LAB / f"{name}.json"
        playbook.write_text(json.dumps(plays))
        argv = ["ansible-playbook", str(playbook), "-e", json.dumps(self._variables)]
        done = subprocess.run(
            argv, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False, timeout=PLAYBOOK_TIME
        )
        (LAB / f"{name}.log").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]


def _role(name: str, tasks: str = "main") -> dict[str, Any]:
    return {"ansible.builtin.import_role": {"name": f"flotilla.container_os.{name}", "tasks_from": tasks}}
