# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet on version 1: nothing changes what is right, nothing bad is staged, a look touches nothing."""

from __future__ import annotations

import pytest
from fleet import HOSTS, Fleet

pytestmark = pytest.mark.vm


def test_provisioned_and_configured(steady: Fleet) -> None:
    for host, state in steady.states().items():
        assert state["booted"]["version"] == "1", host
        assert state["booted"]["verified"] is True
        assert state["channel"]["name"] == "lab/x86_64/stable"
        assert state["channel"]["source"].endswith(":18932/")
        assert state["native_updater"] == {"name": "lab-autoupdate", "state": "held"}
        assert state["mac"] == {"system": "apparmor", "mode": "enforcing"}
        assert state["guard"] is None
    assert "python" not in steady.shell("lab1", "ls /usr/bin /usr/sbin")
    # What we hold is not left behind as failed.
    assert steady.shell("lab1", "systemctl list-units --failed --plain --no-legend") == ""


def test_second_run_changes_nothing(steady: Fleet) -> None:
    for playbook in ("provision", "configure"):
        output = steady.good(playbook).output
        for host in HOSTS:
            line = next(line for line in output.splitlines() if line.startswith(host) and "ok=" in line)
            assert "changed=0" in line, output


def test_check_and_diff_show_the_plan_and_touch_nothing(steady: Fleet) -> None:
    before = steady.states()
    output = steady.good("upgrade", "--check", "--diff").output
    after = steady.states()
    assert "-lab1: 1 (" in output
    assert "+lab1: 2 (" in output
    assert "wave 2" in output
    for host in HOSTS:
        for key in ("boot_id", "deployments", "staged", "guard", "busy"):
            assert before[host][key] == after[host][key]
    assert steady.shell("lab1", "ls -A /var/lib/flotilla") in ("native_updater\n",)
    assert "no rollout so far" in steady.good("report").output


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("unsigned", "it is not signed"),
        ("tampered", "tampered with"),
        ("other-key", "a key that the remote does not trust"),
    ],
)
def test_bad_signature_is_refused_at_staging(steady: Fleet, version: str, reason: str) -> None:
    before = steady.states()
    steady.follow(version)
    run = steady.play("upgrade")
    after = steady.states()
    assert run.rc != 0
    text = " ".join(run.output.split())
    assert reason in text
    assert f"lab:lab/x86_64/{version}" in text
    assert "keys trusted for remote lab" in text
    assert "no host was rebooted" in text
    for host in HOSTS:
        assert after[host]["boot_id"] == before[host]["boot_id"]
        assert after[host]["staged"] is None
        assert [one["id"] for one in after[host]["deployments"]] == [one["id"] for one in before[host]["deployments"]]


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"upgrade_waves": [1, 2, 5]}, "no host is left for wave 3"),
        ({"upgrade_max_unavailable": 0}, "no host could ever be rebooted"),
        ({"upgrade_probes": [{"name": "x", "type": "telepathy"}]}, "telepathy"),
        ({"upgrade_soak": -1}, "upgrade_soak"),
        ({"upgrade_boot_timeout": 10}, "upgrade_boot_timeout"),
        ({"configure_channel_keys_file": "/nonexistent.asc"}, "there is no file /nonexistent.asc"),
        ({"configure_channel": "not//a branch"}, "configure_channel"),
        ({"target": "nosuchgroup"}, "no host of the inventory matches the pattern"),
    ],
)
def test_bad_input_is_refused_before_any_host_is_touched(
    untouched: Fleet, variables: dict[str, object], reason: str
) -> None:
    run = untouched.play("site", **variables)
    assert run.rc != 0, run.output
    assert reason in " ".join(run.output.split())
    assert "Bring the machine" not in run.output
    assert "Observe the host" not in run.output


def test_kernel_arguments(fleet: Fleet) -> None:
    before = fleet.states("lab1")["lab1"]
    wish = {"present": ["panic=7"], "absent": ["quiet"], "reboot": "allow"}

    predicted = fleet.module("lab1", "kernel_arguments", "--check", **wish)
    assert predicted["changed"] is True
    assert fleet.states("lab1")["lab1"] == before

    done = fleet.module("lab1", "kernel_arguments", **wish)
    assert done.get("failed") is not True, done
    assert done["changed"] is True
    state = done["host_state"]
    assert state["boot_id"] != before["boot_id"]
    assert state["booted"]["digest"] == before["booted"]["digest"]
    assert state["rollback"]["id"] == before["booted"]["id"]
    assert state["guard"] is None
    assert "panic=7" in fleet.shell("lab1", "cat /proc/cmdline").split()

    again = fleet.module("lab1", "kernel_arguments", **wish)
    assert again["changed"] is False
    assert again["host_state"]["boot_id"] == state["boot_id"]
