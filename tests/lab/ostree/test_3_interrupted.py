# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers and machines that die half-way."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from fleet import HOSTS, Fleet, wait_for

pytestmark = pytest.mark.vm

# The files of a detached job that runs: it has a pid, and no exit code yet.
UNDER_WAY = ["key", "log", "pid", "run", "script", "what"]


def _boots(fleet: Fleet, host: str) -> int:
    """How often the machine has started its kernel, by its console."""
    return fleet.console(host).count("lab-grub: default=")


def _wait_until(holds: Callable[[], bool], timeout: float = 60) -> None:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < timeout, "it never came to that"


def _nothing_left(fleet: Fleet) -> None:
    for host, state in fleet.states().items():
        assert state["booted"]["version"] == "2", host
        assert state["guard"] is None
        assert state["busy"] is None
        assert state["last_fallback"] is None
        assert "flotilla-guard" not in fleet.shell(
            host, "ls /etc/systemd/system /etc/systemd/system/sysinit.target.wants"
        )
        assert fleet.shell(host, "ls -A /var/lib/flotilla") == "native_updater\n"


def test_controller_killed_at_every_step(fleet: Fleet) -> None:
    """One rollout, four controllers killed with -9, the fifth ends it."""
    boots = {host: _boots(fleet, host) for host in HOSTS}

    during_staging = fleet.start("upgrade")
    wait_for(during_staging, "Stage the target")
    _wait_until(lambda: fleet.shell("lab1", "ls /run/flotilla/jobs/stage 2>/dev/null || :").split() == UNDER_WAY)
    fleet.kill(during_staging)

    # The guard is armed and the order to reboot goes nowhere: the state of a run that was cut off between the two.
    fleet.shell("lab1", "systemctl mask --runtime reboot.target")
    before_reboot = fleet.start("upgrade")
    wait_for(before_reboot, "lab1: guard armed")
    time.sleep(4)
    fleet.kill(before_reboot)
    assert _boots(fleet, "lab1") == boots["lab1"]
    assert fleet.states("lab1")["lab1"]["guard"] is not None
    fleet.shell("lab1", "systemctl unmask --runtime reboot.target")

    during_reboot = fleet.start("upgrade")
    wait_for(during_reboot, "lab1: guard armed")
    time.sleep(8)
    fleet.kill(during_reboot)

    before_confirm = fleet.start("upgrade", upgrade_soak=30)
    wait_for(before_confirm, "See how healthy it is before")
    wait_for(before_confirm, "Reboot into the target under the guard")
    time.sleep(5)
    fleet.kill(before_confirm)

    fleet.good("upgrade")

    _nothing_left(fleet)
    for host in HOSTS:
        assert 1 <= _boots(fleet, host) - boots[host] <= 2, host
    report = fleet.good("report").output
    assert report.count("confirmed") == len(HOSTS)

    boot_ids = fleet.boot_ids()
    fleet.good("upgrade")
    assert fleet.boot_ids() == boot_ids, "a second run rebooted somebody"

    rolled = fleet.good("rollback", target="lab1")
    assert "changed=1" in rolled.output
    state = fleet.states("lab1")["lab1"]
    assert state["booted"]["version"] == "1"
    assert state["rollback"]["version"] == "2"
    assert "flotilla-guard" not in fleet.shell("lab1", "ls /etc/systemd/system")


def test_power_cut_in_the_middle_of_a_wave(fleet: Fleet) -> None:
    before, boots = fleet.boot_ids(), _boots(fleet, "lab1")
    run = fleet.start("upgrade", upgrade_confirm_within=200, upgrade_boot_timeout=201)
    wait_for(run, "lab1: guard armed")
    # The old system is down, the new one has not come up.
    _wait_until(lambda: _boots(fleet, "lab1") > boots, 180)
    fleet.good("provision", target="lab1", provision_state="powered_off")
    run.wait(400)
    text = " ".join(run.log.read_text().split())  # type: ignore[attr-defined]
    assert run.returncode != 0
    assert "lab1 is unreachable" in text, text[-4000:]
    assert "not touched: lab2, lab3" in text
    others = fleet.states("lab2", "lab3")
    assert {host: state["boot_id"] for host, state in others.items()} == {host: before[host] for host in others}

    still_off = fleet.play("upgrade", upgrade_reach_timeout=0)
    assert still_off.rc != 0
    others = fleet.states("lab2", "lab3")
    assert {host: state["boot_id"] for host, state in others.items()} == {host: before[host] for host in others}

    fleet.good("provision", target="lab1")
    fleet.forget_connections()
    fleet.good("upgrade", upgrade_confirm_within=200, upgrade_boot_timeout=201)
    _nothing_left(fleet)
