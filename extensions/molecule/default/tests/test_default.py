# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine is like after site.yml, seen by testinfra over ssh, without Ansible."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import testinfra

LAB = Path(os.environ["FLOTILLA_ROOT"]) / ".cache/molecule"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    config = tmp_path_factory.mktemp("ssh") / "config"
    config.write_text(
        f"Host lab1\n  HostName 127.0.0.1\n  Port 22941\n  User core\n  IdentityFile {LAB}/machines/id_ed25519\n"
        f"  UserKnownHostsFile {LAB}/machines/lab1/known_hosts\n  StrictHostKeyChecking yes\n"
    )
    return testinfra.get_host("ssh://lab1?sudo=true", ssh_config=str(config))


def test_runs_the_next_version(machine: Any) -> None:
    manifest = json.loads((LAB / "current/manifest.json").read_text())
    status = machine.check_output("ostree admin status")
    booted = next(line for line in status.splitlines() if line.startswith("*"))
    assert manifest["versions"]["stable"]["digest"] in booted
    assert "Good signature" in status


def test_has_no_python(machine: Any) -> None:
    assert not machine.exists("python3")
    assert not machine.exists("python")


def test_nothing_of_the_guard_is_left(machine: Any) -> None:
    assert not machine.file("/var/lib/flotilla/guard").exists
    assert machine.check_output("find /etc/systemd/system -name 'flotilla*'") == ""
    assert "boot_success=1" in machine.file("/boot/grub/grubenv").content_string


def test_follows_its_channel_with_verification(machine: Any) -> None:
    remote = machine.file("/etc/ostree/remotes.d/lab.conf").content_string
    assert "gpg-verify=true" in remote
    assert ":18933/" in remote


def test_native_updater_is_held(machine: Any) -> None:
    for unit in ("lab-autoupdate.timer", "lab-autoupdate.service"):
        assert machine.service(unit).is_masked
    assert machine.file("/var/lib/flotilla/native_updater/state").exists


def test_apparmor_enforces(machine: Any) -> None:
    profiles = machine.check_output("cat /sys/kernel/security/apparmor/profiles")
    assert "(enforce)" in profiles
    assert "(complain)" not in profiles


def test_workload_answers(machine: Any) -> None:
    answer = json.loads(machine.check_output("curl -s http://127.0.0.1:8080/health"))
    assert answer["status"] == "ok"
