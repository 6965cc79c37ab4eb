# SPDX-License-Identifier: GPL-3.0-or-later
"""Patience with a host that reboots."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.ostree import OSTree
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.talos import Talos
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import (
    CannotParse,
    FlotillaError,
    Refused,
    ToolFailed,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result, Step
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade import reboot
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.reboot import order_reboot, wait_for_boot


def _wait(host: Any, clock: Any, timeout: float = 300) -> Any:
    return wait_for_boot(host, OSTree(), clock, "boot-0", timeout, clock.monotonic(), "booting 2")


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
    assert f"{reboot.FULL_REBOOT} systemctl --no-block reboot" in reboot.reboot_step(OSTree()).script
    assert reboot.FULL_REBOOT == "SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT=1 SYSTEMCTL_SKIP_AUTO_KEXEC=1"


def test_reboot_is_not_ordered_after_a_step_that_failed(steady: Any) -> None:
    steady.acts.update(arm=lambda _host: Result("arm", "sh guard", 1, "", "read-only"), reboot=lambda _host: None)
    with pytest.raises(ToolFailed, match="cannot arm the guard: .*read-only"):
        order_reboot(steady, OSTree(), (Step("arm", "sh guard", required=True),), "arm the guard")
    assert steady.ran == ["arm"]


class Shell:
    """A host whose steps are really run by sh; `systemctl` and `sleep` are stand-ins, /proc is a folder."""

    name = "h1"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.round_trips: list[list[str]] = []
        for tool, act in (("systemctl", f"touch {root}/rebooted"), ("sleep", f". {root}/meanwhile")):
            (root / tool).write_text(f"#!/bin/sh\n{act}\n")
            (root / tool).chmod(0o755)
        (root / "meanwhile").write_text("")
        self.at(100)

    def at(self, uptime: int, boot_id: str = "boot-0") -> None:
        (self.root / "uptime").write_text(f"{uptime}.25 200.0\n")
        (self.root / "boot_id").write_text(f"{boot_id}\n")

    def run(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result]:
        self.round_trips.append([step.name for step in steps])
        results = {step.name: Result(step.name, step.script, None) for step in steps}
        for step in steps:
            script = step.script.replace("/proc/sys/kernel/random/boot_id", f"{self.root}/boot_id")
            script = script.replace("/proc/uptime", f"{self.root}/uptime").replace("setsid sh", "sh")
            # Without the `&`, the order has been carried out when the step ends.
            environment = {**os.environ, "PATH": f"{self.root}:{os.environ['PATH']}"}
            argv = ["sh", "-c", f"{script}\nwait"]
            done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
            results[step.name] = Result(step.name, step.script, done.returncode, done.stdout, done.stderr)
            if step.required and done.returncode:
                break
        return results

    @property
    def changed(self) -> set[str]:
        return {path.name for path in self.root.iterdir()} & {"rebooted", "armed", "undone"}


class Granted:
    """A permission for `seconds`; `meanwhile` happens between the question and the order."""

    def __init__(self, seconds: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._seconds, self._meanwhile = seconds, meanwhile

    def until(self, uptime: Callable[[], int]) -> int:
        end = uptime() + self._seconds
        self._meanwhile()
        return end


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def _order(shell: Shell, permission: Any) -> None:
    arm = Step("arm", f"touch {shell.root}/armed", required=True)
    undo = f"touch {shell.root}/undone"
    order_reboot(cast("Any", shell), OSTree(), (arm,), "arm the guard on h1", permission, undo)


@pytest.mark.parametrize("permission", [None, Granted(60)])
def test_reboots_in_time(shell: Shell, permission: Any) -> None:
    _order(shell, permission)
    assert shell.changed == {"armed", "rebooted"}


@pytest.mark.parametrize(("uptime", "boot_id"), [(160, "boot-0"), (100_000, "boot-0"), (30, "boot-1")])
def test_order_that_comes_too_late_or_to_another_boot_changes_nothing(shell: Shell, uptime: int, boot_id: str) -> None:
    with pytest.raises(Refused, match="cannot arm the guard on h1: the order came too late after it was permitted"):
        _order(shell, Granted(60, lambda: shell.at(uptime, boot_id)))
    assert shell.changed == set()


def test_host_that_was_held_up_after_it_armed_calls_it_off(shell: Shell) -> None:
    (shell.root / "meanwhile").write_text(f"echo 160.0 200.0 >{shell.root}/uptime\n")
    _order(shell, Granted(60))
    assert shell.changed == {"armed", "undone"}


def test_without_permission_nothing_is_done(shell: Shell) -> None:
    class Denied:
        def until(self, uptime: Callable[[], int]) -> int:
            raise Refused("cannot tell h1 to reboot: lease 1 is over")

    with pytest.raises(Refused, match="lease 1 is over"):
        _order(shell, Denied())
    assert shell.changed == set()
    assert shell.round_trips == []


def test_clock_that_cannot_be_read_is_no_permission(shell: Shell) -> None:
    (shell.root / "uptime").write_text("up 3 days\n")
    with pytest.raises(CannotParse, match="not a boot id and a number"):
        _order(shell, Granted(60))
    assert shell.changed == set()


def test_host_beside_which_we_are_says_itself_which_boot_it_is(talos: Any, clock: Any) -> None:
    driver = Talos()
    assert "order_reboot" in reboot.reboot_step(driver).script
    assert "systemctl" not in reboot.reboot_step(driver).script
    assert reboot.boot_id_of(OSTree()) == "cat /proc/sys/kernel/random/boot_id"
    # Its API comes up after its kernel: what cannot be observed yet is asked again.
    tries = iter(["", "", "v1.14.0"])
    talos.acts["os"] = lambda host: setattr(host, "runs", next(tries, "v1.14.0"))
    talos.boot_id = "00000001-0000-4000-8000-000000000000"
    before = "00000000-0000-4000-8000-000000000000"
    back = wait_for_boot(talos, driver, clock, before, 60, clock.monotonic(), "booting")
    assert back is not None
    assert back.observed.state.booted is not None
    assert back.observed.state.booted.version == "v1.14.0"
