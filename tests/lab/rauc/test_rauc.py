# SPDX-License-Identifier: GPL-3.0-or-later
"""A real RAUC machine: the real tool, signed bundles, GRUB that counts. In this order, on one machine."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from rauc_machine import RaucMachine

pytestmark = pytest.mark.vm


@pytest.fixture(scope="module")
def machine() -> Iterator[RaucMachine]:
    one = RaucMachine()
    try:
        one.set_up()
        yield one
    finally:
        one.tear_down()


def _variables(machine: RaucMachine) -> dict[str, str]:
    listed = machine.shell("grub-editenv /data/grub/grubenv list").split("\n")
    return dict(line.split("=", 1) for line in listed if "=" in line)


def _slots(machine: RaucMachine) -> dict[str, str]:
    """By RAUC itself."""
    shown = machine.shell("rauc status --output-format=shell").replace("\x27", "").splitlines()
    said = dict(line.split("=", 1) for line in shown if "=" in line)
    return {said[f"RAUC_SLOT_BOOTNAME_{n}"]: said[f"RAUC_SLOT_BOOT_STATUS_{n}"] for n in said["RAUC_SLOTS"].split()}


def test_observe_and_follow(machine: RaucMachine) -> None:
    state = machine.module("deployment_info")["host_state"]
    assert (state["driver"], state["booted"]["version"]) == ("rauc", "1")
    assert state["booted"]["id"].startswith("A.")
    assert (state["staged"], state["rollback"], state["guard"]) == (None, None, None)
    assert machine.module("update_channel", channel="good", source=machine.source)["changed"]
    assert not machine.module("update_channel", channel="good", source=machine.source)["changed"]


@pytest.mark.parametrize(
    ("bundle", "cause"),
    [
        ("other-key", "signature verification failed: Verify error: self-signed certificate"),
        ("too-big", "is too small for image"),
    ],
)
def test_refused_bundle_changes_nothing(machine: RaucMachine, bundle: str, cause: str) -> None:
    machine.module("update_channel", channel=bundle)
    refused = machine.module("deployment")
    assert refused["failed"]
    assert cause in refused["msg"]
    assert machine.module("deployment_info")["host_state"]["staged"] is None
    assert _variables(machine)["ORDER"] == "A B"
    assert _slots(machine) == {"A": "good", "B": "bad"}


def test_staged_is_not_the_next_boot(machine: RaucMachine) -> None:
    machine.module("update_channel", channel="good")
    staged = machine.module("deployment")
    assert staged["changed"], staged["msg"]
    assert (staged["staged"]["version"], staged["staged"]["verified"]) == ("2", True)
    assert not machine.module("deployment")["changed"]
    assert _variables(machine)["ORDER"] == "A B"


def test_upgrade(machine: RaucMachine) -> None:
    booted = machine.module("deployment_boot", confirm_within=600, timeout=800)
    assert booted.get("phase") == "booted", booted["msg"]
    state = booted["host_state"]
    assert (state["booted"]["version"], state["rollback"]["version"]) == ("2", "1")
    assert {"boot", "confirmation"} <= set(state["guard"]["covers"])
    assert machine.shell("grep ^VERSION_ID /usr/lib/os-release") == "VERSION_ID=2\n"
    confirmed = machine.module("deployment_confirm")
    assert confirmed["changed"], confirmed["msg"]
    assert _variables(machine) == {"ORDER": "B A", "A_OK": "1", "A_TRY": "0", "B_OK": "1", "B_TRY": "0"}
    assert machine.shell("ls -d /var/lib/flotilla/guard /etc/systemd/system/*flotilla* 2>/dev/null; :") == ""


def test_roll_back_by_hand(machine: RaucMachine) -> None:
    back = machine.module("deployment_rollback", timeout=600)
    assert back.get("phase") == "rolled_back", back["msg"]
    assert (back["host_state"]["booted"]["version"], back["host_state"]["rollback"]["version"]) == ("1", "2")
    assert _variables(machine)["ORDER"] == "A B"
    assert _slots(machine) == {"A": "good", "B": "good"}


def test_bad_image_falls_back_by_boot_counting(machine: RaucMachine) -> None:
    machine.module("update_channel", channel="never-up")
    assert machine.module("deployment")["staged"]["version"] == "3"
    before = machine.console()
    failed = machine.module("deployment_boot", confirm_within=600, timeout=800)
    assert (failed["phase"], failed["cause"]) == ("rolled_back", "boot_failed"), failed["msg"]
    seen = machine.console()[len(before) :]
    assert "this version never comes up" in seen
    # GRUB's one try, and the way back.
    assert re.findall(r"lab-grub: default=(\d)", seen) == ["2", "1"]
    state = machine.module("deployment_info")["host_state"]
    assert (state["booted"]["version"], state["guard"], state["rollback"]) == ("1", None, None)
    assert _slots(machine) == {"A": "good", "B": "bad"}


@pytest.mark.long
def test_nobody_confirms(machine: RaucMachine) -> None:
    """The OS's own unit has marked the slot good by then: only the guard's deadline is left."""
    machine.module("update_channel", channel="good")
    assert machine.module("deployment")["staged"]["version"] == "2"
    machine.module("deployment_boot", confirm_within=60, timeout=800)
    deadline = time.monotonic() + 600
    while (state := machine.module("deployment_info").get("host_state")) is None or state["guard"]:
        assert time.monotonic() < deadline
        time.sleep(3)
    assert (state["booted"]["version"], state["last_fallback"]["cause"]) == ("1", "not_confirmed")
    assert "nobody confirmed it within 60 s" in state["last_fallback"]["evidence"]
    assert _variables(machine)["ORDER"] == "A B"
    assert _slots(machine) == {"A": "good", "B": "bad"}
