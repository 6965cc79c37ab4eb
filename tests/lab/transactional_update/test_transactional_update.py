# SPDX-License-Identifier: GPL-3.0-or-later
"""A real machine whose root is a snapshot, by the real snapper, btrfs and rpm; transactional-update is a stand-in.

In this order, on one machine: a reboot is what costs.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "debian"))
from machine import DebianMachine

pytestmark = pytest.mark.vm
# Seconds; never waited for. An emulated machine on a busy controller is slow.
PATIENCE: dict[str, Any] = {"confirm_within": 900, "timeout": 1200}
# The packages of each version, as build.sh makes them, and the digest that the driver gives to these.
PACKAGES = {
    "1": ("lab-old noarch 1.0-1", "lab-release noarch 1-1", "lab-tool noarch 1.0-1"),
    "2": ("lab-new noarch 1.0-1", "lab-release noarch 2-1", "lab-tool noarch 1.1-1"),
    "3": ("lab-release noarch 3-1", "lab-tool noarch 1.2-1"),
}
DIGESTS = {
    version: hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    for version, lines in PACKAGES.items()
}


@pytest.fixture(scope="module")
def machine() -> Iterator[DebianMachine]:
    one = DebianMachine("snapper1", 22960)
    try:
        one.set_up()
        yield one
    finally:
        one.tear_down()


def _runs(machine: DebianMachine) -> tuple[str, str, str]:
    """Return the snapshot at /, the one that boots next, and the version that runs, all past our modules."""
    said = machine.shell(
        "findmnt -no FSROOT /; btrfs subvolume get-default /; sed -n s/^VERSION_ID=//p /etc/os-release"
    )
    root, following, version = said.splitlines()
    return root.split("/")[3], following.split("/")[2], version.strip('"')


def _snapshots(machine: DebianMachine) -> list[str]:
    return machine.shell("snapper --csvout list --columns number").split()[1:]


def _follow(machine: DebianMachine, name: str) -> dict[str, Any]:
    return machine.module("update_channel", channel="lab", source=machine.source(name), verification="none")


def test_observe(machine: DebianMachine) -> None:
    state = machine.module("deployment_info")["host_state"]
    booted = state["booted"]
    assert (state["driver"], booted["id"], booted["version"]) == ("transactional_update", "1", "1")
    assert booted["digest"] == DIGESTS["1"]
    assert (state["staged"], state["rollback"], state["guard"], len(state["deployments"])) == (None, None, None, 1)
    assert state["native_updater"] == {"name": "transactional-update", "state": "active"}
    assert _runs(machine) == ("1", "1", "1")


def test_follow_and_hold(machine: DebianMachine) -> None:
    followed = _follow(machine, "next")
    assert followed["changed"], followed["msg"]
    assert not _follow(machine, "next")["changed"]
    assert machine.module("native_updater", state="held")["native_updater"]["state"] == "held"


def test_staged_is_not_the_next_boot(machine: DebianMachine) -> None:
    staged = machine.module("deployment")
    assert staged["changed"], staged["msg"]
    assert (staged["staged"]["id"], staged["staged"]["version"]) == ("2", "3")
    assert staged["staged"]["digest"] == DIGESTS["3"]
    assert _runs(machine) == ("1", "1", "1")
    assert _snapshots(machine) == ["0", "1", "2"]
    assert machine.shell("btrfs property get /.snapshots/2/snapshot ro").strip() == "ro=true"
    assert not machine.module("deployment")["changed"]


def test_nobody_confirms(machine: DebianMachine) -> None:
    machine.module("deployment_boot", confirm_within=60, timeout=PATIENCE["timeout"])
    deadline = time.monotonic() + 600
    while (state := machine.module("deployment_info").get("host_state")) is None or state["guard"]:
        assert time.monotonic() < deadline
        time.sleep(3)
    assert (state["booted"]["id"], state["last_fallback"]["cause"]) == ("1", "not_confirmed")
    assert "nobody confirmed it within 60 s" in state["last_fallback"]["evidence"]
    assert _runs(machine) == ("1", "1", "1")


def test_upgrade_and_confirm(machine: DebianMachine) -> None:
    _follow(machine, "stable")
    staged = machine.module("deployment")
    assert staged["changed"], staged["msg"]
    assert (staged["staged"]["id"], staged["staged"]["digest"]) == ("3", DIGESTS["2"])

    booted = machine.module("deployment_boot", **PATIENCE)

    assert (booted["failed"], booted["phase"]) == (False, "booted"), booted["msg"]
    assert booted["host_state"]["guard"]["covers"][0] == "confirmation"
    assert _runs(machine) == ("3", "3", "2")
    packages = machine.shell("rpm -qa").split()
    assert sorted(packages) == [f"{name}-{edition}.noarch" for name, _arch, edition in map(str.split, PACKAGES["2"])]
    confirmed = machine.module("deployment_confirm", digest=DIGESTS["2"])
    assert confirmed["changed"], confirmed["msg"]
    state = machine.module("deployment_info")["host_state"]
    assert (state["booted"]["id"], state["rollback"]["id"], state["guard"]) == ("3", "1", None)
    # What was written into /etc after the snapshot was made has come with it: the hold among it.
    assert state["native_updater"]["state"] == "held"


def test_rollback(machine: DebianMachine) -> None:
    """By hand, to the snapshot that the running one was made of; nothing of ours is left."""
    back = machine.module("deployment_rollback", timeout=PATIENCE["timeout"])
    assert (back["failed"], back["phase"]) == (False, "rolled_back"), back["msg"]
    assert back["host_state"]["booted"]["digest"] == DIGESTS["1"]
    assert _runs(machine) == ("1", "1", "1")
    assert machine.module("native_updater", state="released")["native_updater"]["state"] == "active"
    assert "flotilla" not in machine.shell("ls -R /etc/systemd/system")
    assert machine.shell("ls -d /var/lib/flotilla/guard 2>/dev/null; :") == ""
