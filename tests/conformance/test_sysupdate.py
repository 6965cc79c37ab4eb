# SPDX-License-Identifier: GPL-3.0-or-later
"""Older versions on simulated images of systemd's own: systemd-boot would not take them, so they get one boot."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from simhost import Machine

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result, Step, Unreachable
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.shell import frame
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import FallbackCause
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.framed import parse_framed
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.boot import BootWish, boot
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.confirm import confirm
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.observe import observe
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.stage import StageWish, stage, unstage

MARK = "@@steps"


class Direct:
    """A simulated host, reached without Ansible."""

    name = "h1"

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def run(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result]:
        program = frame(MARK, steps)
        argv = self.machine.argv("/bin/sh", "-s")
        done = subprocess.run(argv, input=program, capture_output=True, text=True, check=False)
        return parse_framed(MARK, steps, done.stdout)

    def attempt(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result] | Unreachable:
        try:
            return self.run(steps)
        except Exception as exc:  # it has no power at this moment
            return Unreachable(str(exc))

    def forget_connection(self) -> None:
        """There is none."""

    def say(self, message: str) -> None:
        """To nobody."""

    def entries(self) -> list[str]:
        return self.machine.run("ls /boot/EFI/Linux").stdout.split()

    def variables(self) -> set[str]:
        """Those by which systemd-boot is told what to boot."""
        names = self.machine.run("ls /sys/firmware/efi/efivars").stdout.split()
        return {name.partition("-")[0] for name in names} & {"LoaderEntryDefault", "LoaderEntryOneShot"}


@pytest.fixture(params=["good", "never-up"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Direct]:
    """A host on version 1.0 whose channel offers 0.9."""
    machine = Machine.create(tmp_path / "h1", "sysupdate")
    (tmp_path / "h1/sim/server.txt").write_text(f"http://updates.example.org/stable 0.9 {request.param}\n")
    machine.start()
    machine.run("systemctl mask --now systemd-sysupdate.timer systemd-sysupdate-reboot.timer")
    yield Direct(machine)
    machine.stop()


def test_an_older_version(host: Direct, request: pytest.FixtureRequest) -> None:
    good = request.node.callspec.params["host"] == "good"
    with pytest.raises(FlotillaError, match=r"0\.9 is older than 1\.0, which runs; allow_downgrade"):
        stage(host, time, StageWish(), False)
    assert (host.entries(), host.variables()) == (["uki_1.0.efi"], set())
    stage(host, time, StageWish(allow_downgrade=True), False)
    assert unstage(host, False).host_state.staged is None  # type: ignore[union-attr]
    staged = stage(host, time, StageWish(allow_downgrade=True), False).host_state
    assert staged is not None
    assert staged.staged is not None
    assert staged.staged.version == "0.9"
    assert (host.entries(), host.variables()) == (["uki_0.9+3-0.efi", "uki_1.0.efi"], {"LoaderEntryDefault"})
    if not good:
        with pytest.raises(FlotillaError, match="boot_failed: the boot loader used up its tries"):
            boot(host, time, BootWish(), False)
        assert host.machine.boots() == 3
        assert (host.entries(), host.variables()) == (["uki_0.9+0-1.efi", "uki_1.0.efi"], set())
        return
    boot(host, time, BootWish(), False)
    assert host.variables() == {"LoaderEntryDefault"}
    confirm(host, None, False)
    assert (host.entries(), host.variables()) == (["uki_0.9.efi", "uki_1.0.efi"], {"LoaderEntryDefault"})
    host.machine.cut_power()
    while host.machine.boots() < 3 or host.machine.pid is None:
        time.sleep(0.05)
    after = observe(host).state
    assert (after.booted.version, after.rollback.version) == ("0.9", "1.0")  # type: ignore[union-attr]


def test_an_older_version_that_nobody_confirms(tmp_path: Path) -> None:
    machine = Machine.create(tmp_path / "h1", "sysupdate")
    (tmp_path / "h1/sim/server.txt").write_text("http://updates.example.org/stable 0.9 good\n")
    machine.start()
    try:
        host = Direct(machine)
        machine.run("systemctl mask --now systemd-sysupdate.timer systemd-sysupdate-reboot.timer")
        stage(host, time, StageWish(allow_downgrade=True), False)
        boot(host, time, BootWish(), False)
        machine.elapse("flotilla-guard-expire.timer")
        while machine.boots() < 3 or machine.pid is None:
            time.sleep(0.05)
        state = observe(host).state
        assert state.last_fallback is not None
        assert state.last_fallback.cause is FallbackCause.NOT_CONFIRMED
        assert state.booted is not None
        assert (state.booted.version, state.staged) == ("1.0", None)
        assert (host.entries(), host.variables()) == (["uki_0.9+0-1.efi", "uki_1.0.efi"], set())
    finally:
        machine.stop()
