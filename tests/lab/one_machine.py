# SPDX-License-Identifier: GPL-3.0-or-later
"""One real machine of a test: its image, a server for its versions, and our modules called on it by plays."""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision import machine as provision
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision.qemu import Qemu
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision.wish import machine_wish

ROOT = Path(__file__).parents[2]
# What the guest calls the controller.
CONTROLLER = "10.0.2.2"
# Patience for one playbook, the build, and a boot (s); far more than they take.
PLAYBOOK_TIME, BUILD_TIME, BOOT_TIME = 1500, 1800, 900


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


class OneMachine:
    """What a test does with its machine; `module` returns what the module returned."""

    def __init__(self, name: str, port: int, memory: int, build: Path, provider: Qemu) -> None:
        self.name, self.port = name, port
        self._memory, self._build, self._provider = memory, build, provider
        self._lab = ROOT / ".cache" / f"lab-{name}"
        self.directory = self._lab / "machines" / name
        self._key = self._lab / "machines/id_ed25519"
        self._lab.mkdir(parents=True, exist_ok=True)
        self._environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self._lab / "cp"),
            "ANSIBLE_NOCOLOR": "1",
        }
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._server: http.server.ThreadingHTTPServer | None = None

    def set_up(self) -> None:
        """Install what the controller lacks, build the image or find it in the cache, serve its source, boot."""
        packages = {"name": "flotilla.container_os.lab", "tasks_from": "packages"}
        self._run("packages", [{"ansible.builtin.import_role": packages}], "localhost")
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flotilla-lab"
        built = subprocess.run(
            [str(self._build), str(cache)], stdout=subprocess.PIPE, text=True, check=True, timeout=BUILD_TIME
        )
        image = Path(built.stdout.split()[-1])
        handler = functools.partial(Quiet, directory=str(image / "source"))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._remove()
        self.directory.mkdir(parents=True, mode=0o700)
        self.prepare(image)
        options = {
            "name": self.name,
            "user": "core",
            "user_key": str(self._key),
            "image": str(image / "base.qcow2"),
            "memory": self._memory,
            "cpus": 2,
            "ssh_port": self.port,
            "acceleration": "auto",
            "disposable": True,
        }
        provision.run(self._provider, machine_wish(options, self.directory, False), BOOT_TIME, print, False)

    def prepare(self, image: Path) -> None:
        """For what a machine needs of the folder of its image before it is started."""

    def tear_down(self) -> None:
        self._remove()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def source(self, name: str) -> str:
        """Where versions are, as the guest sees it."""
        assert self._server is not None
        return f"http://{CONTROLLER}:{self._server.server_port}/{name}"

    def module(self, name: str, **options: Any) -> dict[str, Any]:
        """Call one of our modules on the machine, by a play; return its result, also when it has failed."""
        result = self._lab / "result.json"
        result.unlink(missing_ok=True)
        call = {f"flotilla.container_os.{name}": options, "register": "done", "ignore_errors": True}
        keep = {
            "ansible.builtin.copy": {"content": "{{ done | to_json }}", "dest": str(result), "mode": "0600"},
            "delegate_to": "localhost",
            "become": False,
        }
        self._run(name, [{**call, "ignore_unreachable": True}, keep], self.name)
        return dict(json.loads(result.read_text()))

    def shell(self, command: str) -> str:
        """Run a command as root, past Ansible: what it says is evidence of its own."""
        argv = [*self.login(), f"sudo sh -c '{command}'"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def login(self) -> list[str]:
        words = ["ssh", *self._arguments(), "-i", str(self._key), "-p", str(self.port), "-o", "BatchMode=yes"]
        return [*words, "core@127.0.0.1"]

    def console(self) -> str:
        return (self.directory / "console.log").read_text(errors="replace")

    def _remove(self) -> None:
        provision.end(self._provider, self.name, self.directory, "absent", False)

    def _arguments(self) -> list[str]:
        options = {
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.directory / "known_hosts"),
            "HostKeyAlgorithms": "ssh-ed25519",
            "KexAlgorithms": "curve25519-sha256",
            "ServerAliveInterval": "5",
            "ServerAliveCountMax": "6",
            "ConnectTimeout": "60",
        }
        return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]

    def _run(self, name: str, tasks: list[dict[str, Any]], hosts: str) -> None:
        host = {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": "core",
            "ansible_become": True,
            "ansible_timeout": 60,
            "ansible_ssh_private_key_file": str(self._key),
            "ansible_ssh_common_args": " ".join(self._arguments()),
        }
        local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        inventory, playbook = self._lab / "inventory.json", self._lab / f"{name}.json"
        inventory.write_text(json.dumps({"all": {"hosts": {self.name: host, "localhost": local}}}))
        playbook.write_text(json.dumps([{"hosts": hosts, "gather_facts": False, "tasks": tasks}]))
        argv = ["ansible-playbook", "-i", str(inventory), str(playbook)]
        done = subprocess.run(
            argv, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False, timeout=PLAYBOOK_TIME
        )
        (self._lab / f"{name}.log").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
