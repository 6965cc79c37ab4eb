# SPDX-License-Identifier: GPL-3.0-or-later
"""The real snapd, on a system that is not Ubuntu Core: local snaps as its OS, updated from folders, and taken back.

In this order, on one machine: a reboot is what costs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from snap_machine import SnapMachine

pytestmark = pytest.mark.vm
# Seconds; never waited for. An emulated machine on a busy controller is slow.
PATIENCE: dict[str, Any] = {"confirm_within": 900, "timeout": 1200}
FIRST, SECOND = "lab-extra_1.0 lab-os_1.0", "lab-extra_1.0 lab-os_2.0"


@pytest.fixture(scope="module")
def machine() -> Iterator[SnapMachine]:
    one = SnapMachine()
    try:
        one.set_up()
        url = one.source("first")
        one.shell(
            f"snap wait system seed.loaded && cd /root && wget -q {url}/lab-os_1.0.snap {url}/lab-extra_1.0.snap && "
            "snap install --dangerous ./lab-os_1.0.snap ./lab-extra_1.0.snap && rm *.snap"
        )
        yield one
    finally:
        one.tear_down()


def _follow(machine: SnapMachine, channel: str, verification: str = "none") -> dict[str, Any]:
    return machine.module("update_channel", source=machine.source(""), channel=channel, verification=verification)


def test_observe(machine: SnapMachine) -> None:
    state = machine.module("deployment_info")["host_state"]
    assert (state["driver"], state["booted"]["id"]) == ("snapd", "lab-extra_x1+lab-os_x1")
    assert (state["booted"]["version"], state["booted"]["digest"]) == (FIRST, machine.digest("first"))
    assert (state["booted"]["verified"], state["staged"], state["rollback"]) == (None, None, None)
    assert (state["guard"], state["busy"]) == (None, None)
    assert state["native_updater"] == {"name": "snapd", "state": "active"}


def test_hold_and_release(machine: SnapMachine) -> None:
    # It holds itself for two hours when it is new.
    before = machine.shell("snap get system refresh.hold")
    held = machine.module("native_updater", state="held")
    assert (held["changed"], held["native_updater"]["state"]) == (True, "held"), held["msg"]
    assert not machine.module("native_updater", state="held")["changed"]
    assert machine.shell("snap get system refresh.hold").strip() == "forever"
    assert "hold: forever" in machine.shell("snap refresh --time")
    released = machine.module("native_updater", state="released")
    assert (released["changed"], released["native_updater"]["state"]) == (True, "active"), released["msg"]
    assert machine.shell("snap get system refresh.hold") == before
    assert machine.module("native_updater", state="held")["changed"]


def test_what_no_store_knows_is_not_staged_from_one(machine: SnapMachine) -> None:
    refused = machine.module("deployment", digest="0" * 64)
    assert "lab-os_x1 has a local snap, which no store knows" in refused["msg"]


def test_a_file_that_is_not_the_one_of_the_list_is_refused(machine: SnapMachine) -> None:
    assert _follow(machine, "changed")["changed"]
    refused = machine.module("deployment")
    assert "lab-os_2.0.snap is not what SHA256SUMS says that it is" in refused["msg"]
    assert refused["host_state"]["staged"] is None


def test_snapd_takes_no_assertion_of_somebody_else(machine: SnapMachine) -> None:
    assert _follow(machine, "signed", "sign")["changed"]
    refused = machine.module("deployment")
    assert "its signature is not accepted" in refused["msg"], refused["msg"]
    assert refused["host_state"]["staged"] is None


@pytest.mark.long
def test_nobody_confirms(machine: SnapMachine) -> None:
    followed = _follow(machine, "stable")
    assert followed["changed"], followed["msg"]
    assert machine.module("deployment")["staged"]["version"] == SECOND
    booted = machine.module("deployment_boot", confirm_within=60, timeout=PATIENCE["timeout"])
    assert booted["boot"]["boot_id_after"] != booted["boot"]["boot_id_before"], booted["msg"]
    deadline = time.monotonic() + PATIENCE["timeout"]
    while (state := machine.module("deployment_info").get("host_state", {})).get("last_fallback") is None:
        assert time.monotonic() < deadline, state
        time.sleep(3)
    assert (state["booted"]["digest"], state["guard"]) == (machine.digest("first"), None)
    assert state["last_fallback"]["cause"] == "not_confirmed"
    assert state["last_fallback"]["target_digest"] == machine.digest("stable")
    assert machine.snaps()[:2] == ["lab-extra x1*", "lab-os x1*"]


def test_refresh_and_confirm(machine: SnapMachine) -> None:
    _follow(machine, "stable")
    assert not _follow(machine, "stable")["changed"]
    before = machine.snaps()
    staged = machine.module("deployment")
    assert staged["changed"], staged["msg"]
    assert (staged["staged"]["version"], staged["staged"]["digest"]) == (SECOND, machine.digest("stable"))
    assert not machine.module("deployment")["changed"]
    assert machine.snaps() == before
    # Not x2 again: that is on the host still. snapd counts on, and forgets what it was reverted from.
    number = staged["staged"]["id"].rpartition("_")[2]

    booted = machine.module("deployment_boot", **PATIENCE)

    assert (booted["failed"], booted["phase"]) == (False, "booted"), booted["msg"]
    assert booted["host_state"]["booted"]["digest"] == machine.digest("stable")
    assert machine.snaps() == ["lab-extra x1*", "lab-os x1", f"lab-os {number}*"]
    confirmed = machine.module("deployment_confirm", digest=machine.digest("stable"))
    assert confirmed["changed"], confirmed["msg"]
    state = machine.module("deployment_info")["host_state"]
    assert (state["rollback"]["id"], state["rollback"]["digest"]) == ("lab-extra_x1+lab-os_x1", machine.digest("first"))
    assert (state["staged"], state["guard"], state["native_updater"]["state"]) == (None, None, "held")
    assert not machine.module("deployment")["changed"]


def test_rollback_is_a_revert(machine: SnapMachine) -> None:
    back = machine.module("deployment_rollback", target=machine.digest("first"), timeout=PATIENCE["timeout"])
    assert (back["failed"], back["phase"]) == (False, "rolled_back"), back["msg"]
    assert back["boot"]["to"]["digest"] == machine.digest("first")
    assert machine.snaps()[:2] == ["lab-extra x1*", "lab-os x1*"]
    assert 'Revert "lab-os" snap' in machine.shell("snap changes")
    assert back["host_state"]["rollback"]["digest"] == machine.digest("stable")


def test_what_is_left(machine: SnapMachine) -> None:
    assert machine.module("native_updater", state="released")["native_updater"]["state"] == "active"
    assert "flotilla" not in machine.shell("ls -R /etc/systemd/system")
    assert machine.shell("ls /var/lib/misc/flotilla /var/lib/misc/flotilla/snapd").split()[1:] == [
        "snapd",
        "/var/lib/misc/flotilla/snapd:",
        "activated",
        "before",
        "change",
        "folder",
    ]
