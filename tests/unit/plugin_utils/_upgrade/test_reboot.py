# SPDX-License-Identifier: GPL-3.0-or-later
"""Patience with a host that reboots."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, ToolFailed
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result, Step
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade import reboot
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.reboot import order_reboot, wait_for_boot


def _wait(host: Any, clock: Any, timeout: float = 300) -> Any:
    return wait_for_boot(host, clock, "boot-0", timeout, clock.monotonic(), "booting 2")


def test_back_with_an_observation_in_one_round_trip(steady: Any, clock: Any) -> None:
    steady.boot_id, steady.away = "boot-1", 5
    back = _wait(steady, clock)
    assert back.observed.state.boot_id == "boot-1"
    assert steady.round_trips == 1
    assert back.elapsed == reboot.FIRST_POLL + 5 * reboot.POLL_PAUSE


def test_old_boot_that_still_answers_is_no_return(steady: Any, clock: Any) -> None:
    assert _wait(steady, clock, timeout=30) is None
    assert any("still shutting down" in line for line in steady.said)


def test_progress_names_what_is_awaited_and_what_was_heard(steady: Any, clock: Any) -> None:
    steady.away = 10_000
    assert _wait(steady, clock, timeout=100) is None
    assert len(steady.said) == pytest.approx(100 / reboot.SAY_EVERY, abs=2)
    assert steady.said[0].startswith("booting 2: 1")
    assert steady.said[0].endswith("s, no route to host")


def test_shell_that_dies_under_the_poll_is_a_host_that_is_away(steady: Any, clock: Any) -> None:
    polls = iter([FlotillaError("cannot run commands: it ends too early")])
    answer = steady.attempt

    def attempt(steps: Any, limit: float | None = None) -> Any:
        for error in polls:
            raise error
        return answer(steps, limit)

    steady.attempt = attempt
    steady.boot_id = "boot-1"
    assert _wait(steady, clock).observed.state.boot_id == "boot-1"


def test_the_order_is_for_a_full_reboot() -> None:
    """Whatever somebody has prepared under /run/nextroot, or for kexec."""
    assert f"{reboot.FULL_REBOOT} systemctl --no-block reboot" in reboot.REBOOT.script
    assert reboot.FULL_REBOOT == "SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT=1 SYSTEMCTL_SKIP_AUTO_KEXEC=1"


def test_reboot_is_not_ordered_after_a_step_that_failed(steady: Any) -> None:
    steady.acts.update(arm=lambda _host: Result("arm", "sh guard", 1, "", "read-only"), reboot=lambda _host: None)
    with pytest.raises(ToolFailed, match="cannot arm the guard: .*read-only"):
        order_reboot(steady, (Step("arm", "sh guard", required=True),), "arm the guard")
    assert steady.ran == ["arm"]
