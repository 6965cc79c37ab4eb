# SPDX-License-Identifier: GPL-3.0-or-later
"""One real machine of UEFI and systemd-boot, its image (build.sh), and a server for its versions."""

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
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision._protocol import MachineWish
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision.qemu import Qemu
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision.wish import machine_wish

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
LAB = ROOT / ".cache/lab-sysupdate"
HOST, PORT = "sysupdate1", 22980
DIRECTORY = LAB / "machines" / HOST
# What the guest calls the controller.
CONTROLLER = "10.0.2.2"
# Patience for one playbook, the build, and a boot (s); far more than they take.
PLAYBOOK_TIME, BUILD_TIME, BOOT_TIME = 1500, 1800, 900


class Uefi(Qemu):
    """The provider `qemu`, with a firmware that has variables."""

    def definition(self, wish: MachineWish) -> tuple[str, ...]:
        flash = "if=pflash,format=raw,file="
        code = f"{flash}{wish.image.parent / 'ovmf-code.fd'},readonly=on"
        return (*super().definition(wish), "-drive", code, "-drive", f"{flash}{wish.directory / 'ovmf-vars.fd'}")


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


class UefiMachine:
    """What the test does with the machine; `module` returns what the module returned."""

    def __init__(self) -> None:
        LAB.mkdir(parents=True, exist_ok=True)
        self._provider = Uefi()
        self._environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(LAB / "cp"),
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
            [str(HERE / "build.sh"), str(cache)], stdout=subprocess.PIPE, text=True, check=True, timeout=BUILD_TIME
        )
        image = Path(built.stdout.split()[-1])
        self.key = (image / "key.asc").read_text()
        handler = functools.partial(Quiet, directory=str(image / "source"))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._remove()
        DIRECTORY.mkdir(parents=True, mode=0o700)
        (DIRECTORY / "ovmf-vars.fd").write_bytes((image / "ovmf-vars.fd").read_bytes())
        options = {
            "name": HOST,
            "user": "core",
            "user_key": str(LAB / "machines/id_ed25519"),
            "image": str(image / "base.qcow2"),
            "memory": 384,
            "cpus": 2,
            "ssh_port": PORT,
            "acceleration": "auto",
            "disposable": True,
        }
        provision.run(self._provider, machine_wish(options, DIRECTORY, False), BOOT_TIME, print, False)

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
        result = LAB / "result.json"
        result.unlink(missing_ok=True)
        call = {f"flotilla.container_os.{name}": options, "register": "done", "ignore_errors": True}
        keep = {
            "ansible.builtin.copy": {"content": "{{ done | to_json }}", "dest": str(result), "mode": "0600"},
            "delegate_to": "localhost",
            "become": False,
        }
        self._run(name, [call, keep], HOST)
        return dict(json.loads(result.read_text()))

    def shell(self, command: str) -> str:
        """Run a command as root, past Ansible: what it says is evidence of its own."""
        argv = ["ssh", *self._arguments(), "-i", str(LAB / "machines/id_ed25519"), "-p", str(PORT)]
        argv += ["-o", "BatchMode=yes", "core@127.0.0.1", f"sudo sh -c '{command}'"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def entries(self) -> list[str]:
        return self.shell("ls /boot/EFI/Linux").split()

    def console(self) -> str:
        return (DIRECTORY / "console.log").read_text(errors="replace")

    def _remove(self) -> None:
        provision.end(self._provider, HOST, DIRECTORY, "absent", False)

    @staticmethod
    def _arguments() -> list[str]:
        options = {
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(DIRECTORY / "known_hosts"),
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
            "ansible_port": PORT,
            "ansible_user": "core",
            "ansible_become": True,
            "ansible_timeout": 60,
            "ansible_ssh_private_key_file": str(LAB / "machines/id_ed25519"),
            "ansible_ssh_common_args": " ".join(self._arguments()),
        }
        local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        inventory, playbook = LAB / "inventory.json", LAB / f"{name}.json"
        inventory.write_text(json.dumps({"all": {"hosts": {HOST: host, "localhost": local}}}))
        playbook.write_text(json.dumps([{"hosts": hosts, "gather_facts": False, "tasks": tasks}]))
        argv = ["ansible-playbook", "-i", str(inventory), str(playbook)]
        done = subprocess.run(
            argv, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False, timeout=PLAYBOOK_TIME
        )
        (LAB / f"{name}.log").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
