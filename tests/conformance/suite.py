# SPDX-License-Identifier: GPL-3.0-or-later
"""One play over all hosts: a host for each scenario of each family, each with its own tasks, side by side."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from family import load
from scenarios import tasks
from simhost import Machine

ROOT = Path(__file__).parents[2]
# How long (s) the whole play may take; it takes less than a minute for a family, where there is not much else to do.
PATIENCE = 1800
# Its hosts wait more than they work; all at once they would still starve the machines of tests that run beside it.
FORKS = 20


@dataclass(frozen=True)
class Told:
    """How one task ended. `status`: ok, failed or unreachable; `result` as the task returned it."""

    status: str
    result: dict[str, Any]

    @property
    def changed(self) -> bool:
        return bool(self.result.get("changed"))

    @property
    def msg(self) -> str:
        return str(self.result.get("msg", ""))

    @property
    def state(self) -> dict[str, Any]:
        """The host_state, also of a task that failed."""
        return dict(self.result["host_state"])


@dataclass
class Fleet:
    """The hosts, and what became of their tasks: {(family, scenario): {task: Told}}."""

    folder: Path
    wanted: Collection[tuple[str, str]]
    told: dict[tuple[str, str], dict[str, Told]] = field(default_factory=dict)
    output: str = ""

    def run(self) -> None:
        """Make and boot the hosts, play, and switch them off whatever happened."""
        machines = {_name(*one): Machine.create(self.folder / _name(*one), one[0]) for one in sorted(self.wanted)}
        with running(machines.values()):
            self._play(machines)

    def _play(self, machines: dict[str, Machine]) -> None:
        self._write("inventory.json", inventory("hosts", machines, {"ansible_connection": "simhost"}))
        for family, scenario in self.wanted:
            self._write(f"tasks/{_name(family, scenario)}.json", tasks(load(family), scenario))
        play = {
            "hosts": "hosts",
            "gather_facts": False,
            "strategy": "ansible.builtin.free",
            "ignore_errors": True,
            "ignore_unreachable": True,
            "tasks": [{"name": "All", "ansible.builtin.include_tasks": "tasks/{{ inventory_hostname }}.json"}],
        }
        self._write("play.json", [play])
        with (self.folder / "output").open("wb") as output:
            process = subprocess.Popen(
                [Path(sys.executable).with_name("ansible-playbook"), "-i", "inventory.json", "play.json"],
                cwd=self.folder,
                env=environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.output = (self.folder / "output").read_text()
        self._read()

    def _read(self) -> None:
        self.told = {one: {} for one in self.wanted}
        by_name = {_name(*one): one for one in self.wanted}
        for line in (self.folder / "results.jsonl").read_text().splitlines():
            said = json.loads(line)
            self.told[by_name[said["host"]]][said["task"]] = Told(said["status"], said["result"])

    def _write(self, name: str, document: Any) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(document))


def inventory(group: str, machines: Mapping[str, Machine], variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return an inventory: `machines` as `group`, with their families' variables; what stands beside them apart."""
    hosts, beside = {}, {}
    for name, machine in machines.items():
        hosts[name] = {"simhost_machine": str(machine.folder), **load(machine.family).variables}
        if machine.beside:
            beside[f"{name}.beside"] = {"simhost_machine": str(machine.beside.folder)}
    return {"all": {"children": {group: {"hosts": hosts}, "beside": {"hosts": beside}}, "vars": dict(variables)}}


def environment(folder: Path) -> dict[str, str]:
    """What ansible-playbook runs with in `folder`: our plugins, its own home, and nothing of the user's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    (folder / "ansible.cfg").write_text("[defaults]\ninternal_poll_interval = 0.01\n")
    (folder / "results.jsonl").touch()
    return {
        **kept,
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_CONNECTION_PLUGINS": str(ROOT / "tests/simhost/connection"),
        "ANSIBLE_ACTION_PLUGINS": str(ROOT / "tests/simhost/action_plugins"),
        "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/integration/connections/callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "record",
        "ANSIBLE_FORKS": str(FORKS),
        "ANSIBLE_NOCOLOR": "1",
        "FLOTILLA_RECORD": str(folder / "results.jsonl"),
    }


@contextlib.contextmanager
def running(machines: Collection[Machine]) -> Iterator[None]:
    """Switch the machines on, and off whatever happens; they end with us, too."""
    try:
        for machine in machines:
            machine.switch_on(bound=True)
        for machine in machines:
            machine.wait_until_up()
        yield
    finally:
        for machine in machines:
            machine.stop()


def _name(family: str, scenario: str) -> str:
    return f"{family}.{scenario}"
