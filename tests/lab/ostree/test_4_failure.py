# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts that fail, are paused and halted, on machines."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from fleet import HOSTS, Fleet, log_of, wait_for

pytestmark = pytest.mark.vm


def test_wave_is_brought_back_and_the_version_is_in_quarantine(fleet: Fleet) -> None:
    """lab1 is confirmed; lab2 is sick, by a probe that only it fails. Four reboots."""
    before = fleet.states()
    # lab2 has a fault that shows from its next boot on: /run does not outlive that, /var does.
    fleet.shell("lab2", "touch /run/before /var/lib/faulty")
    probe = {"name": "fault", "type": "command", "cmd": "[ ! -e /var/lib/faulty ] || [ -e /run/before ]"}
    run = fleet.play(
        "upgrade",
        upgrade_waves=[1, 1, 1],
        upgrade_on_failure="rollback_all",
        upgrade_probes=[{"name": "units", "type": "systemd"}, probe],
    )

    after = fleet.states()
    assert run.rc != 0
    assert "not touched: lab3" in " ".join(run.output.split()), run.output[-5000:]
    for host in HOSTS:
        assert after[host]["booted"]["id"] == before[host]["booted"]["id"], host
        assert after[host]["guard"] is None
    assert after["lab3"]["boot_id"] == before["lab3"]["boot_id"]
    assert after["lab1"]["rollback"]["version"] == "2"
    report = fleet.good("report").output
    assert report.count("rolled_back") == 2, report

    again = fleet.play("upgrade")
    assert again.rc != 0
    assert "is in quarantine" in " ".join(again.output.split())
    assert fleet.boot_ids() == {host: state["boot_id"] for host, state in after.items()}


def test_pause_resume_and_halt_from_another_terminal(fleet: Fleet) -> None:
    """Paused in the turn of lab1, resumed, halted in the turn of lab2. Two reboots."""
    before = fleet.states()
    run = fleet.start("upgrade", upgrade_waves=[1])
    wait_for(run, "lab1: guard armed")
    fleet.good("pause", who="ada", why="a look first")
    wait_for(run, "is paused: paused by ada")
    assert "lab2: guard armed" not in log_of(run)

    fleet.good("resume", who="ada", why="looks good")
    wait_for(run, "lab2: guard armed")
    fleet.good("halt", who="ada", why="storage degraded")
    run.wait(300)

    assert run.returncode != 0
    assert "halted by ada" in " ".join(log_of(run).split())
    after = fleet.states()
    assert [after[host]["booted"]["version"] for host in HOSTS] == ["2", "2", "1"]
    assert after["lab3"]["boot_id"] == before["lab3"]["boot_id"]

    refused = fleet.play("upgrade", upgrade_waves=[1])
    assert refused.rc != 0
    assert "halted by ada" in " ".join(refused.output.split())
    assert fleet.boot_ids() == {host: state["boot_id"] for host, state in after.items()}


def test_who_has_no_window_now_is_not_touched(fleet: Fleet) -> None:
    """lab1 may go at any time, the others three days from now. One reboot."""
    before = fleet.states()
    far = (datetime.now(timezone.utc) + timedelta(days=3)).strftime("%a").lower()
    always = {"hosts": "inventory_hostname == 'lab1'", "from": "00:00", "to": "24:00"}
    later = {"hosts": "inventory_hostname != 'lab1'", "days": [far], "from": "00:00", "to": "24:00"}
    run = fleet.play("upgrade", upgrade_windows=[always, later])

    assert run.rc != 0
    text = " ".join(run.output.split())
    for host in ("lab2", "lab3"):
        assert f"{host} is outside of its window ({far} 00:00-24:00 UTC), which opens at" in text, run.output[-5000:]
    after = fleet.states()
    assert [after[host]["booted"]["version"] for host in HOSTS] == ["2", "1", "1"]
    assert after["lab1"]["guard"] is None
    for host in ("lab2", "lab3"):
        assert after[host]["boot_id"] == before[host]["boot_id"]
