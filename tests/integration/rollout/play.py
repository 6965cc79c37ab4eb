# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the collection with stand-ins for the hosts, and real ansible-playbook runs of its real playbooks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

ROOT = Path(__file__).parents[3]
STAND_INS = ("Deployment", "DeploymentInfo", "DeploymentBoot", "DeploymentConfirm", "DeploymentRollback", "HostHealth")
# How long (s) any playbook here may take. They take 2 to 5 alone on a machine, and ten times that beside other tests.
PATIENCE = 180
OLD = {"id": "1", "digest": "a" * 64, "version": "1"}
NEW = {"id": "b" * 64, "digest": "b" * 64, "version": "2"}
AWAY = {"guarded", "activating", "booted", "healthy", "returning"}


def copy_collection(to: Path) -> None:
    """Copy what is released, with stand-ins for the actions that touch hosts, and a gate in a hurry."""
    tree = to / "ansible_collections/flotilla/container_os"
    for part in ("plugins", "roles", "playbooks", "meta"):
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "galaxy.yml", tree)
    shutil.copy(Path(__file__).with_name("stand_in.py"), tree / "plugins/plugin_utils/_stand_in.py")
    module = "ansible_collections.flotilla.container_os.plugins.plugin_utils._stand_in"
    for name in STAND_INS:
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
        path = tree / f"plugins/action/{snake}.py"
        assert path.exists()
        path.write_text(f"from {module} import {name} as ActionModule  # noqa: F401\n")
    conduct = tree / "plugins/plugin_utils/_rollout/conduct.py"
    text = conduct.read_text()
    for usual, hurried in (("GATE_PAUSE = 2.0", "GATE_PAUSE = 0.3"), ("STALLED_AFTER = 120.0", "STALLED_AFTER = 3.0")):
        assert usual in text
        text = text.replace(usual, hurried)
    conduct.write_text(text)


@dataclass(frozen=True)
class Run:
    """A playbook that ended."""

    rc: int
    output: str


class Play:
    """A fleet of stand-ins in a directory of its own, with a ledger, for one test."""

    def __init__(self, collections: Path, folder: Path, hosts: int, ledger: str | None = None) -> None:
        self.folder = folder
        self.hosts = [f"h{number}" for number in range(1, hosts + 1)]
        for host in self.hosts:
            state = {"driver": "ostree", "booted": OLD, "staged": None, "rollback": None, "guard": None, "boots": 0}
            (folder / f"{host}.json").write_text(json.dumps({**state, "last_fallback": None, "offer": NEW}))
        self.order()
        # Nobody listens there: whoever really connects to a host finds it unreachable.
        nowhere = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-F /dev/null"}
        fleet = {"hosts": dict.fromkeys(self.hosts, nowhere), "vars": {"stand_in_directory": str(folder)}}
        (folder / "inventory.json").write_text(json.dumps({"fleet": fleet}))
        (folder / "ansible.cfg").write_text("[defaults]\ninternal_poll_interval = 0.01\n")
        self.ledger = folder / "ledger.sqlite"
        self.url = ledger or f"sqlite:///{self.ledger}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        self._environment = {
            **kept,
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(collections / "home"),
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_INVENTORY": str(folder / "inventory.json"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_HOST_KEY_CHECKING": "0",
        }
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def order(self, **orders: tuple[str, str]) -> None:
        """Order what goes wrong from now on: host=(step, what)."""
        told = {host: {"at": at, "do": what} for host, (at, what) in orders.items()}
        new = self.folder / "orders.new"
        new.write_text(json.dumps(told))
        new.replace(self.folder / "orders.json")

    def start(
        self, *arguments: str, playbook: str = "upgrade", output: int = subprocess.PIPE, **variables: Any
    ) -> subprocess.Popen[str]:
        """Start a playbook of the collection, by its name; `output`: a descriptor, if not a pipe."""
        given = {"upgrade_ledger": self.url, **variables}
        command = Path(sys.executable).with_name("ansible-playbook")
        argv = [command, f"flotilla.container_os.{playbook}", "--forks=10", "-e", json.dumps(given), *arguments]
        return subprocess.Popen(
            argv,
            cwd=self.folder,
            env=self._environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def end(self, process: subprocess.Popen[str]) -> Run:
        """Wait for the end of a playbook."""
        try:
            output = process.communicate(timeout=PATIENCE)[0]
        except subprocess.TimeoutExpired:
            self.kill(process)
            raise
        return Run(process.returncode, output)

    def run(self, *arguments: str, **variables: Any) -> Run:
        return self.end(self.start(*arguments, **variables))

    def kill(self, process: subprocess.Popen[str]) -> None:
        """kill -9 the run with all that belongs to it."""
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    @contextmanager
    def asleep(self, process: subprocess.Popen[str], seconds: float) -> Iterator[None]:
        """Have the run with all that belongs to it sleep, as a laptop does that is closed; it wakes at the end.

        What is done meanwhile begins after so many seconds. It falls asleep between two transactions: in the middle of
        one it would keep the file of SQLite locked for others, who on a real machine sleep with it.
        """
        family = _family(process.pid)
        _signal(family, signal.SIGSTOP)
        while not self._is_free():
            _signal(family, signal.SIGCONT)
            time.sleep(0.03)
            family = _family(process.pid)
            _signal(family, signal.SIGSTOP)
        try:
            time.sleep(seconds)
            yield
        finally:
            _signal(family, signal.SIGCONT)

    def _is_free(self) -> bool:
        """Tell whether nobody is in the middle of a transaction."""
        with closing(sqlite3.connect(self.ledger, timeout=0, isolation_level=None)) as connection:
            try:
                connection.execute("begin immediate")
            except sqlite3.OperationalError:
                return False
            connection.execute("rollback")
            return True

    def wait_for(self, event: str, process: subprocess.Popen[str]) -> None:
        """Wait until a host of that run has come to `event`."""
        deadline = time.monotonic() + PATIENCE
        while not self.those_that(event):
            if process.poll() is not None or time.monotonic() > deadline:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                raise AssertionError(f"never came to {event!r}: {process.communicate()[0]}")
            time.sleep(0.02)

    def kill_when(self, event: str, *arguments: str, **variables: Any) -> None:
        """Run a playbook and kill it as soon as a host has come to `event`."""
        process = self.start(*arguments, **variables)
        self.wait_for(event, process)
        self.kill(process)

    def events(self) -> list[tuple[str, str]]:
        """Return (host, event), oldest first."""
        path = self.folder / "events.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(one["host"], one["event"]) for one in map(json.loads, lines)]

    def offer(self, version: str) -> None:
        """Have the channels offer another version."""
        new = {"id": version * 64, "digest": version * 64, "version": version}
        for host in self.hosts:
            (self.folder / f"{host}.json").write_text(json.dumps({**self._state(host), "offer": new}))

    def forget_events(self) -> None:
        (self.folder / "events.jsonl").unlink(missing_ok=True)

    def those_that(self, event: str) -> list[str]:
        """Return the hosts to which `event` happened, in order."""
        return [host for host, seen in self.events() if seen == event]

    def boots(self) -> dict[str, int]:
        return {host: self._state(host)["boots"] for host in self.hosts}

    def versions(self) -> dict[str, str]:
        return {host: self._state(host)["booted"]["version"] for host in self.hosts}

    def _state(self, host: str) -> dict[str, Any]:
        return dict(json.loads((self.folder / f"{host}.json").read_text()))

    def phases(self) -> dict[str, str]:
        """Return where the newest rollout has its hosts."""
        query = "select host, phase from rollout_hosts where rollout_id = (select max(id) from rollouts)"
        return {str(host): str(phase) for host, phase in self._select(query)}

    def transitions(self) -> list[tuple[str, str]]:
        """Return (host, phase) of all rollouts, oldest first."""
        return [
            (str(host), str(phase)) for host, phase in self._select("select host, phase from transitions order by id")
        ]

    def saved(self) -> list[str]:
        """Return of whom something is still to be brought back."""
        return [str(subject) for (subject,) in self._select("select subject from saved_states")]

    def most_away(self) -> int:
        """Return how many hosts were away at the same time at most, by the ledger and by what happened to them."""
        return max(
            _most(self.transitions(), begin=AWAY, stay=AWAY),
            _most(self.events(), begin={"baseline"}, stay={"baseline", "down", "up", "verdict"}),
        )

    def _select(self, query: str) -> list[tuple[Any, ...]]:
        with sa.create_engine(self.url, poolclass=sa.NullPool).connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]


def _most(history: list[tuple[str, str]], begin: set[str], stay: set[str]) -> int:
    away: set[str] = set()
    most = 0
    for host, event in history:
        if event in begin:
            away.add(host)
        elif event not in stay:
            away.discard(host)
        most = max(most, len(away))
    return most


def _signal(family: Iterable[int], number: signal.Signals) -> None:
    for pid in family:
        os.kill(pid, number)


def _family(pid: int) -> list[int]:
    """Return a process and all below it, oldest first. Ansible's workers have sessions of their own."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _family(int(child)))]
