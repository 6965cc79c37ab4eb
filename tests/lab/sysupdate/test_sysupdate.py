# SPDX-License-Identifier: GPL-3.0-or-later
"""A real image with systemd-sysupdate and systemd-boot: the real tools, signed sources, automatic boot assessment.

In this order, on one machine: a reboot is what costs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from firmware import UefiMachine

pytestmark = pytest.mark.vm
# Seconds; never waited for. An emulated machine on a busy controller is slow.
PATIENCE: dict[str, Any] = {"confirm_within": 900, "timeout": 1200}


@pytest.fixture(scope="module")
def machine() -> Iterator[UefiMachine]:
    one = UefiMachine()
    try:
        one.set_up()
        yield one
    finally:
        one.tear_down()


def test_observe(machine: UefiMachine) -> None:
    state = machine.module("deployment_info")["host_state"]
    assert (state["driver"], state["booted"]["version"], state["booted"]["id"]) == ("sysupdate", "1", "lab_1.efi")
    assert (state["staged"], state["rollback"], state["guard"]) == (None, None, None)
    assert state["native_updater"] == {"name": "systemd-sysupdate", "state": "active"}
    assert state["booted"]["digest"] == machine.shell("sha256sum /boot/EFI/Linux/lab_1.efi").split()[0]


def test_nothing_is_staged_beside_the_native_updater(machine: UefiMachine) -> None:
    followed = machine.module("update_channel", source=machine.source("stable"), keys=machine.key)
    assert followed["changed"], followed["msg"]
    assert not machine.module("update_channel", source=machine.source("stable"), keys=machine.key)["changed"]
    assert "hold it with native_updater first" in machine.module("deployment")["msg"]
    assert machine.module("native_updater", state="held")["native_updater"]["state"] == "held"


def test_a_manifest_signed_by_somebody_else_is_refused(machine: UefiMachine) -> None:
    machine.module("update_channel", source=machine.source("other-key"))
    refused = machine.module("deployment")
    assert refused["failed"]
    assert "the signature of its manifest is not accepted" in refused["msg"]
    assert machine.entries() == ["lab_1.efi"]


def test_a_version_that_never_comes_up_is_given_up_by_systemd_boot(machine: UefiMachine) -> None:
    machine.module("update_channel", source=machine.source("never-up"))
    staged = machine.module("deployment")
    assert staged["changed"], staged["msg"]
    assert machine.entries() == ["lab_1.efi", "lab_3+3-0.efi"]
    assert 'isDefault":true' in machine.shell('bootctl list --json=short | tr { "\\n" | grep lab_1.efi')

    booted = machine.module("deployment_boot", **PATIENCE)

    assert (booted["failed"], booted["phase"], booted["cause"]) == (True, "rolled_back", "boot_failed"), booted["msg"]
    assert machine.console().count("this version never comes up") == 2
    assert machine.entries() == ["lab_1.efi", "lab_3+0-1.efi"]  # as the guard marks what it has given up
    state = machine.module("deployment_info")["host_state"]
    assert (state["booted"]["version"], state["staged"], state["guard"]) == ("1", None, None)


def test_upgrade_and_confirm(machine: UefiMachine) -> None:
    machine.module("update_channel", source=machine.source("stable"))
    staged = machine.module("deployment", allow_downgrade=False)
    assert staged["changed"], staged["msg"]
    assert (staged["staged"]["version"], staged["staged"]["verified"]) == ("2", True)
    # The oldest would have been removed: it is what runs.
    assert machine.entries() == ["lab_1.efi", "lab_2+3-0.efi"]
    assert not machine.module("deployment")["changed"]

    booted = machine.module("deployment_boot", **PATIENCE)

    assert (booted["failed"], booted["phase"]) == (False, "booted"), booted["msg"]
    assert sorted(booted["host_state"]["guard"]["covers"])[:2] == ["boot", "confirmation"]
    assert machine.shell("sed -n s/^IMAGE_VERSION=//p /etc/os-release").strip() == "2"
    confirmed = machine.module("deployment_confirm")
    assert confirmed["changed"], confirmed["msg"]
    assert machine.entries() == ["lab_1.efi", "lab_2.efi"]
    assert machine.shell("/usr/lib/systemd/systemd-bless-boot status").strip() == "good"
    state = machine.module("deployment_info")["host_state"]
    assert (state["booted"]["version"], state["rollback"]["version"], state["guard"]) == ("2", "1", None)
    assert state["native_updater"]["state"] == "held"


def test_rollback(machine: UefiMachine) -> None:
    back = machine.module("deployment_rollback", timeout=PATIENCE["timeout"])
    assert (back["failed"], back["phase"]) == (False, "rolled_back"), back["msg"]
    assert machine.shell("sed -n s/^IMAGE_VERSION=//p /etc/os-release").strip() == "1"
    assert back["host_state"]["rollback"]["version"] == "2"
    assert "flotilla" not in machine.shell("ls -R /etc/systemd/system")
    assert machine.module("native_updater", state="released")["native_updater"]["state"] == "active"
