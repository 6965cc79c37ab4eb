# SPDX-License-Identifier: GPL-3.0-or-later
"""One inventory with a host of every family: the real site playbook takes all of them through one rollout."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from family import load
from simhost import Machine
from suite import PATIENCE, environment, inventory, running


@dataclass(frozen=True)
class Site:
    """Two runs of the site playbook, one after the other. `boots`: of each host, after each run."""

    machines: dict[str, Machine]
    outputs: list[str]
    codes: list[int]
    boots: list[dict[str, int]]
    reports: list[dict[str, Any]]


@pytest.fixture(scope="module")
def site(chosen: list[str]) -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="simhost-") as name:
        folder = Path(name)
        # A rollout of one host has no waves.
        families = chosen if len(chosen) > 1 else chosen * 2
        machines = {
            f"h{number}": Machine.create(folder / f"h{number}", family) for number, family in enumerate(families, 1)
        }
        with running(machines.values()):
            yield _played(folder, machines)


def _played(folder: Path, machines: dict[str, Machine]) -> Site:
    common = {
        "ansible_connection": "simhost",
        "upgrade_ledger": f"sqlite:///{folder}/ledger.sqlite",
        "upgrade_max_unavailable": 4,
        "report_directory": str(folder / "reports"),
        "report_formats": ["json"],
    }
    (folder / "inventory.json").write_text(json.dumps(inventory("fleet", machines, common)))
    outputs, codes, boots = [], [], []
    # Confinement is the kernel's, and that is not the hosts' own.
    play = ["-i", "inventory.json", "flotilla.container_os.site", "--skip-tags=confine"]
    argv = [Path(sys.executable).with_name("ansible-playbook"), *play]
    for _run in range(2):
        done = subprocess.run(
            argv, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        outputs.append(done.stdout + done.stderr)
        codes.append(done.returncode)
        boots.append({name: machine.boots() for name, machine in machines.items()})
    reports = [json.loads(path.read_text()) for path in sorted((folder / "reports").glob("*.json"))]
    return Site(machines, outputs, codes, boots, reports)


def test_every_family_is_upgraded_in_one_rollout(site: Site) -> None:
    assert site.codes[0] == 0, site.outputs[0]
    assert len(site.reports) == 1
    hosts = {host["host"]: host for host in site.reports[0]["hosts"]}
    assert {name: host["phase"] for name, host in hosts.items()} == dict.fromkeys(site.machines, "confirmed")
    for name, machine in site.machines.items():
        assert hosts[name]["runs"]["digest"] == load(machine.family).offer["digest"], name
    assert site.boots[0] == dict.fromkeys(site.machines, 2)


def test_the_canary_goes_first(site: Site) -> None:
    waves = sorted(host["wave"] for host in site.reports[0]["hosts"])
    assert waves == [1, *[2] * (len(site.machines) - 1)]


def test_a_second_run_touches_nothing(site: Site) -> None:
    assert site.codes[1] == 0, site.outputs[1]
    assert site.boots[1] == site.boots[0]
    assert len(site.reports) == 1
