# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of three real virtual machines, apart from the demo's: own directory, own ports.

It is provisioned and configured once, on version 1, and saved with its memory; each test begins by restoring that, so
that a test costs what it does and not three boots more.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
LAB = ROOT / ".cache/lab-test"
HOSTS = ("lab1", "lab2", "lab3")
# Patience for one playbook (s); far more than it takes, far less than CI has.
PLAYBOOK_TIME = 1200


@dataclass(frozen=True)
class Run:
    """A playbook that ended."""

    rc: int
    output: str


class Fleet:
    """What tests do with the fleet."""

    def __init__(self) -> None:
        LAB.mkdir(parents=True, exist_ok=True)
        self._sockets = LAB / "cp"
        self._runs = 0
        self._started: list[subprocess.Popen[bytes]] = []
        self._variables = {
            "lab_dir": str(LAB),
            "lab_ssh_port_base": 22930,
            "lab_repository_port": 18932,
            "upgrade_ledger": f"sqlite:///{LAB}/ledger.sqlite",
            "upgrade_health_timeout": 40,
            "upgrade_confirm_within": 400,
            "upgrade_reach_timeout": 90,
        }
        self._environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self._sockets),
            "ANSIBLE_NOCOLOR": "1",
        }
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def start(self, playbook: str, *arguments: str, **variables: Any) -> subprocess.Popen[bytes]:
        """Start a playbook; its output goes to `log_of(process)`."""
        self._runs += 1
        log = LAB / f"run-{self._runs:03d}-{playbook.split('/')[-1]}.log"
        argv = ["ansible-playbook", f"playbooks/{playbook}.yml", *arguments]
        argv += ["-e", json.dumps({**self._variables, **variables})]
        with log.open("wb") as stream:
            process = subprocess.Popen(
                argv, cwd=ROOT, env=self._environment, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
            )
        process.log = log  # type: ignore[attr-defined]
        self._started.append(process)
        return process

    def play(self, playbook: str, *arguments: str, **variables: Any) -> Run:
        """Run a playbook to its end."""
        process = self.start(playbook, *arguments, **variables)
        try:
            process.wait(PLAYBOOK_TIME)
        except subprocess.TimeoutExpired:
            self.kill(process)
            raise
        return Run(process.returncode, log_of(process))

    def good(self, playbook: str, *arguments: str, **variables: Any) -> Run:
        """Run a playbook that must succeed."""
        run = self.play(playbook, *arguments, **variables)
        assert run.rc == 0, run.output[-6000:]
        return run

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9 the whole run: ansible-playbook, its workers, its ssh."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def states(self, *hosts: str) -> dict[str, dict[str, Any]]:
        """Return host_state by host."""
        path = LAB / "states.json"
        path.unlink(missing_ok=True)
        variables = {**self._variables, "states_file": str(path), "target": ",".join(hosts or HOSTS)}
        self._observe(["tests/lab/ostree/observe.yml", "-e", json.dumps(variables)], path)
        return dict(json.loads(path.read_text()))

    def module(self, host: str, name: str, *arguments: str, **options: Any) -> dict[str, Any]:
        """Call one of our modules on a host; return its result, also when it has failed."""
        path, play = LAB / "result.json", LAB / "module.json"
        path.unlink(missing_ok=True)
        call = {"name": name, f"flotilla.container_os.{name}": options, "register": "done", "ignore_errors": True}
        keep = {"content": "{{ done | to_json }}", "dest": str(path), "mode": "0600"}
        onto = {"delegate_to": "localhost", "become": False, "check_mode": False}
        tasks = [call, {"name": "Keep the result", "ansible.builtin.copy": keep, **onto}]
        play.write_text(json.dumps([{"hosts": host, "gather_facts": False, "tasks": tasks}]))
        self._observe([str(play), *arguments, "-e", json.dumps(self._variables)], path)
        return dict(json.loads(path.read_text()))

    def _observe(self, arguments: list[str], result: Path) -> None:
        done = subprocess.run(
            ["ansible-playbook", *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.exists(), done.stdout + done.stderr

    def boot_ids(self) -> dict[str, str]:
        return {host: state["boot_id"] for host, state in self.states().items()}

    def shell(self, host: str, command: str, patience: int = 90) -> str:
        """Run a command as root on a host, past Ansible: what it says is evidence of its own. `patience`: seconds."""
        machine = LAB / "machines" / host
        argv = ["ssh", "-i", str(LAB / "machines/id_ed25519"), "-p", str(22930 + int(host[-1]))]
        argv += ["-o", f"UserKnownHostsFile={machine}/known_hosts", "-o", "StrictHostKeyChecking=yes"]
        argv += ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={min(patience, 20)}"]
        argv += ["core@127.0.0.1", f"sudo sh -c '{command}'"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=patience, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def console(self, host: str) -> str:
        return (LAB / "machines" / host / "console.log").read_text(errors="replace")

    def follow(self, version: str) -> None:
        """Make the whole fleet follow the channel that offers a version of the lab."""
        self.good("configure", "--tags", "channel", lab_channel=f"lab/x86_64/{version}")

    def forget_connections(self) -> None:
        for path in self._sockets.glob("*") if self._sockets.is_dir() else ():
            subprocess.run(["ssh", "-o", f"ControlPath={path}", "-O", "exit", "x"], capture_output=True, check=False)
            path.unlink(missing_ok=True)

    def restore(self) -> None:
        """Back to version 1, configured, with an empty ledger. Machines that were switched off are made anew."""
        self.clear()
        restored = self.play("provision", provision_state="restored", provision_snapshot="configured")
        if restored.rc:
            self._provision()
        self.forget_connections()

    def clear(self) -> None:
        """An empty ledger and no run; the machines are left as they are."""
        for process in self._started:
            if process.poll() is None:  # left behind by a test that failed
                self.kill(process)
        self._started.clear()
        self.forget_connections()
        (LAB / "ledger.sqlite").unlink(missing_ok=True)

    def set_up(self) -> None:
        self.good("lab_build")
        self.good("lab_serve")
        self._provision()

    def _provision(self) -> None:
        self.good("provision", provision_state="absent")
        self.good("provision")
        self.good("configure")
        self.good("provision", provision_state="saved", provision_snapshot="configured")

    def tear_down(self) -> None:
        self.forget_connections()
        self.good("lab_down")


def log_of(process: subprocess.Popen[bytes]) -> str:
    return process.log.read_text(errors="replace")  # type: ignore[attr-defined,no-any-return]


def wait_for(process: subprocess.Popen[bytes], words: str, timeout: float = 600) -> str:
    """Wait until a running playbook says `words`; return all that it said."""
    began = time.monotonic()
    while words not in log_of(process):
        assert process.poll() is None, f"ended before it said {words!r}: {log_of(process)[-4000:]}"
        assert time.monotonic() - began < timeout, f"never said {words!r}: {log_of(process)[-4000:]}"
        time.sleep(0.2)
    return log_of(process)
