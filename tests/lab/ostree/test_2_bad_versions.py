# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions that do not hold: the canary alone is touched, comes back by itself, and nobody tries them again."""

from __future__ import annotations

import pytest
from fleet import HOSTS, Fleet

pytestmark = pytest.mark.vm


@pytest.mark.parametrize(
    ("version", "name", "cause", "variables"),
    [
        ("never-up", "3-never-up", "boot_failed: the boot loader used up its tries", {}),
        ("hang", "4-hang", "boot_failed: the boot loader used up its tries", {}),
        (
            "no-network",
            "5-no-network",
            "not_confirmed: nobody confirmed it within 60 s",
            {"upgrade_confirm_within": 60},
        ),
        ("broken-workload", "6-broken-workload", "cannot call lab1 healthy", {"upgrade_health_timeout": 30}),
    ],
)
def test_canary_comes_back_and_nobody_else_is_touched(
    fleet: Fleet, version: str, name: str, cause: str, variables: dict[str, object]
) -> None:
    fleet.follow(version)
    before = fleet.states()

    run = fleet.play("upgrade", **variables)

    after = fleet.states()
    text = " ".join(run.output.split())
    assert run.rc != 0
    assert cause in text, run.output[-5000:]
    assert name in text
    assert "not touched: lab2, lab3" in text
    for host in ("lab2", "lab3"):
        assert after[host]["boot_id"] == before[host]["boot_id"], f"{host} was rebooted"
    assert after["lab1"]["boot_id"] != before["lab1"]["boot_id"]
    for host in HOSTS:
        assert after[host]["booted"]["id"] == before[host]["booted"]["id"]
        assert after[host]["guard"] is None
    # The way back is the default, and the boot loader counts no more.
    assert after["lab1"]["deployments"][0]["id"] == before["lab1"]["booted"]["id"]
    assert "boot_success=1" in fleet.shell("lab1", "head -n 3 /boot/grub/grubenv")
    assert "flotilla" not in fleet.shell("lab1", "ls /etc/systemd/system")

    again = fleet.play("upgrade", **variables)

    assert again.rc != 0
    assert "is in quarantine" in " ".join(again.output.split()), again.output[-5000:]
    assert fleet.boot_ids() == {host: state["boot_id"] for host, state in after.items()}
