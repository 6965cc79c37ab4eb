# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's script, run for real by the shells that are here, on a host made of files.

`ostree`, `systemctl` and `ip` are stand-ins: ostree keeps its deployments in a file, in boot order, the running one
starred; GRUB is played by `_grub`, as 08_fallback_counting does it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.ostree import OSTree
from ansible_collections.flotilla.container_os.plugins.plugin_utils._guard.render import guard_script
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import FallbackCause
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.guard import parse_guard

OLD, NEW = "a" * 64 + ".0", "b" * 64 + ".0"
SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]

OSTREE = """#!/bin/sh
# Stand-in. State: one deployment a line, "*" before the running one.
case "$1 $2" in
  "admin status") sed 's/^\\*\\(.*\\)/* lab \\1/; s/^ \\(.*\\)/  lab \\1/' "$STATE/deployments" ;;
  "admin set-default")
    [ ! -e "$STATE/broken" ] || exit 1
    line=$(sed -n "$(($3 + 1))p" "$STATE/deployments")
    { echo "$line"; sed "$(($3 + 1))d" "$STATE/deployments"; } >"$STATE/d.new"
    mv "$STATE/d.new" "$STATE/deployments" ;;
esac
"""
SYSTEMCTL = """#!/bin/sh
# Stand-in: notes the reboot; a watchdog is fed.
case "$*" in
  *reboot*) echo reboot >>"$STATE/log" ;;
  *RuntimeWatchdogUSec*) echo 1min ;;
esac
"""


class Host:
    """A host made of files."""

    def __init__(self, root: Path, shell: list[str]) -> None:
        self.root, self.shell = root, shell
        for folder in ("state", "bin", "boot/grub", "var", "units", "proc"):
            (root / folder).mkdir(parents=True)
        for name, text in (("ostree", OSTREE), ("systemctl", SYSTEMCTL), ("ip", "#!/bin/sh\n")):
            (root / "bin" / name).write_text(text)
            (root / "bin" / name).chmod(0o755)
        (root / "boot/grub/grub.cfg").write_text("if boot_counter\n")
        self.write_environment("saved_entry=x\n")
        self.deployments(f"*{OLD}", f" {NEW}")
        (root / "proc/uptime").write_text("40.5 80.0\n")
        self.boot_id("boot-0")
        script = guard_script(OSTree())
        for path, place in (
            ("/var/lib/flotilla", f"{root}/var/flotilla"),
            ("/etc/systemd/system", f"{root}/units"),
            ("/boot/grub2", f"{root}/boot/grub2"),
            ("/boot/grub", f"{root}/boot/grub"),
            ("/proc/sys/kernel/random/boot_id", f"{root}/proc/boot_id"),
            ("/proc/uptime", f"{root}/proc/uptime"),
            ("/ostree/deploy/", f"{root}/none/"),
            ("/dev/watchdog", f"{root}/dev-watchdog"),
        ):
            script = script.replace(path, place)
        self.guard_dir = root / "var/flotilla/guard"
        self.script = root / "guard.sh"
        self.script.write_text(script)

    def write_environment(self, text: str) -> None:
        block = f"# GRUB Environment Block\n{text}"
        (self.root / "boot/grub/grubenv").write_text(block + "#" * (1024 - len(block)))

    def deployments(self, *lines: str) -> None:
        (self.root / "state/deployments").write_text("".join(f"{line}\n" for line in lines))

    def boot_id(self, value: str) -> None:
        (self.root / "proc/boot_id").write_text(f"{value}\n")

    def guard(self, *argv: str) -> subprocess.CompletedProcess[str]:
        self.guard_dir.mkdir(parents=True, exist_ok=True)
        environment = {"PATH": f"{self.root}/bin:{os.environ['PATH']}", "STATE": str(self.root / "state")}
        return subprocess.run(
            [*self.shell, str(self.script), *argv],
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def arm(self, tries: int = 2) -> None:
        done = self.guard("arm", NEW, NEW[:64], OLD, "300", str(tries))
        assert done.returncode == 0, done.stderr
        # The shutdown finalises what was staged: it comes first.
        self.deployments(f" {NEW}", f"*{OLD}")

    def environment(self) -> dict[str, str]:
        text = (self.root / "boot/grub/grubenv").read_text()
        assert len(text) == 1024
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def boot(self, number: int, comes_up: bool = True) -> str:
        """One power-on: GRUB chooses and counts; returns the id that was chosen."""
        env = self.environment()
        lines = [line[1:] for line in (self.root / "state/deployments").read_text().splitlines()]
        entry = 0
        if "boot_counter" in env and env.get("boot_success") == "0":
            counter = int(env["boot_counter"])
            if counter <= 0:
                entry, counter = 1, -1
            else:
                counter -= 1
            kept = {key: value for key, value in env.items() if key not in ("boot_counter", "boot_success")}
            self.write_environment(
                "".join(f"{k}={v}\n" for k, v in {**kept, "boot_counter": counter, "boot_success": 0}.items())
            )
        if comes_up:
            self.boot_id(f"boot-{number}")
            self.deployments(*(("*" if at == entry else " ") + line for at, line in enumerate(lines)))
            assert self.guard("boot").returncode == 0
        return lines[entry]

    def log(self) -> str:
        path = self.root / "state/log"
        return path.read_text() if path.exists() else ""

    def records(self) -> object:
        shown = "".join(
            f"\n@@flotilla-file {path}\n{path.read_text()}"
            for path in (self.guard_dir / name for name in ("armed", "trial", "fallback"))
            if path.exists()
        )
        return parse_guard(shown, (self.root / "proc/boot_id").read_text().strip())

    def first(self) -> str:
        return (self.root / "state/deployments").read_text().splitlines()[0][1:]

    def units(self) -> list[str]:
        return sorted(path.name for path in (self.root / "units").rglob("*") if not path.is_dir() or path.is_symlink())


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return Host(tmp_path, request.param)


def test_confirmed_leaves_nothing(host: Host) -> None:
    host.arm()
    assert len(host.units()) == 5
    assert host.boot(1) == NEW
    guard, _fallback = host.records()  # type: ignore[misc]
    assert guard.deadline is not None
    assert set(guard.covers) == {"confirmation", "boot"}
    assert host.guard("confirm", NEW).returncode == 0
    assert not (host.root / "var/flotilla").exists()
    assert host.units() == []
    assert host.environment() == {"boot_success": "1", "saved_entry": "x"}
    assert [host.boot(number) for number in range(2, 6)] == [NEW] * 4


def test_never_up_falls_back_after_its_tries(host: Host) -> None:
    host.arm(tries=2)
    assert [host.boot(number, comes_up=False) for number in (1, 2)] == [NEW, NEW]
    assert host.boot(3) == OLD
    guard, fallback = host.records()  # type: ignore[misc]
    assert guard is None
    assert fallback.cause is FallbackCause.BOOT_FAILED
    assert fallback.target_digest == NEW[:64]
    assert host.first() == OLD
    assert [host.boot(number) for number in range(4, 8)] == [OLD] * 4
    assert host.units() == []


def test_not_confirmed_goes_back_with_evidence(host: Host) -> None:
    host.arm()
    host.boot(1)
    assert host.guard("expire").returncode == 0
    assert "reboot" in host.log()
    assert host.boot(2) == OLD
    _guard, fallback = host.records()  # type: ignore[misc]
    assert fallback.cause is FallbackCause.NOT_CONFIRMED
    assert "network: no address" in fallback.evidence


def test_expired_goes_back_by_the_boot_loader_when_the_tool_is_broken(host: Host) -> None:
    host.arm()
    host.boot(1)
    (host.root / "state/broken").touch()
    assert host.guard("expire").returncode == 0
    (host.root / "state/broken").unlink()
    assert host.boot(2) == OLD
    assert host.first() == OLD


def test_reset_while_on_trial(host: Host) -> None:
    host.arm(tries=1)
    host.boot(1)
    assert host.boot(2) == OLD
    _guard, fallback = host.records()  # type: ignore[misc]
    assert fallback.cause is FallbackCause.RESET


def test_one_power_cut_is_forgiven(host: Host) -> None:
    host.arm(tries=2)
    assert host.boot(1, comes_up=False) == NEW
    assert host.boot(2) == NEW
    assert host.guard("confirm", NEW).returncode == 0


def test_staged_update_lost_with_the_power(host: Host) -> None:
    host.arm()
    host.deployments(f"*{OLD}")
    host.boot(1)
    _guard, fallback = host.records()  # type: ignore[misc]
    assert fallback.cause is FallbackCause.NOT_ACTIVATED


def test_confirm_of_another_deployment_is_refused(host: Host) -> None:
    host.arm()
    host.boot(1)
    refused = host.guard("confirm", OLD)
    assert refused.returncode == 76
    assert (host.guard_dir / "armed").exists()


def test_confirm_comes_too_late(host: Host) -> None:
    host.arm()
    host.boot(1)
    (host.guard_dir / "lock").symlink_to("expire")
    assert host.guard("confirm", NEW).returncode == 75
    assert host.environment()["boot_success"] == "0"


def test_confirm_that_died_keeps_the_guard(host: Host) -> None:
    """After the counter, before the rest: the timer still guards, and a second confirm ends it."""
    host.arm()
    host.boot(1)
    (host.guard_dir / "lock").symlink_to("confirm")
    assert (host.guard_dir / "armed").exists()
    assert host.guard("confirm", NEW).returncode == 0
    assert not host.guard_dir.exists()


def test_counter_that_cannot_be_cleared_is_an_error(host: Host) -> None:
    host.arm()
    host.boot(1)
    (host.root / "boot/grub/grub.cfg").write_text("nothing that counts\n")
    assert host.guard("confirm", NEW).returncode != 0
    assert (host.guard_dir / "armed").exists()


def test_disarm_before_the_reboot(host: Host) -> None:
    done = host.guard("arm", NEW, NEW[:64], OLD, "300", "2")
    assert done.returncode == 0
    assert host.guard("disarm").returncode == 0
    assert host.units() == []
    assert not host.guard_dir.exists()


def test_without_a_counting_boot_loader_it_says_what_it_covers(host: Host) -> None:
    (host.root / "boot/grub/grub.cfg").write_text("nothing\n")
    host.arm()
    guard, _fallback = host.records()  # type: ignore[misc]
    assert guard.covers == ("confirmation",)


def test_full_environment_block_is_refused(host: Host) -> None:
    host.write_environment("x=" + "y" * 985 + "\n")
    assert host.guard("arm", NEW, NEW[:64], OLD, "300", "2").returncode != 0


def test_units_survive_late_mounts_and_emergency_mode(host: Host) -> None:
    host.arm()
    timer = (host.root / "units/flotilla-guard-expire.timer").read_text()
    assert "OnBootSec=300" in timer
    assert "Condition" not in timer
    assert "IgnoreOnIsolate=yes" in timer
    service = (host.root / "units/flotilla-guard-expire.service").read_text()
    assert "FailureAction=reboot-force" in service
    assert "RequiresMountsFor" not in service
