# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of QEMU: which acceleration, and what is done when it turns out not to work."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision import qemu
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision._protocol import Machine, MachineWish
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision.qemu import Qemu
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision.seed import Seed

SEED = Seed("lab1", "core", "ssh-ed25519 AAAA user", "private", "ssh-ed25519 BBBB host")


def _wish(folder: Path, acceleration: str = "auto", port: int = 22999) -> MachineWish:
    image = folder / "base.qcow2"
    image.touch()
    return MachineWish("lab1", folder / "lab1", image, 256, 1, port, acceleration, True, SEED)


class Bench:
    """A controller without QEMU: what is run is noted, and how long the firmware takes is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[list[str]] = []
        self.firmware: dict[str, float | None] = {"tcg": 0.1, "kvm": 0.1}
        self.kvm = True
        self.greets: list[bool] = []
        self.failed = False
        self.seconds = 0.0
        monkeypatch.setattr(qemu, "_run", self._run)
        monkeypatch.setattr(qemu, "_firmware_time", lambda accelerator: self.firmware[accelerator])
        monkeypatch.setattr(qemu, "_greeted", lambda _port: bool(self.greets) and self.greets.pop(0))
        monkeypatch.setattr(qemu, "_pid", lambda _folder: 1)
        monkeypatch.setattr(qemu.qmp, "has_failed", lambda _folder: self.failed and self.accelerators[-1] == "kvm")
        monkeypatch.setattr(qemu.os, "access", lambda _path, _mode: self.kvm)
        monkeypatch.setattr(qemu.time, "monotonic", lambda: self.seconds)
        monkeypatch.setattr(qemu.time, "sleep", self._sleep)
        monkeypatch.setattr(Qemu, "power_off", lambda *_arguments: self.ran.append(["power off"]))

    def _sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def _run(self, argv: list[str], _goal: str, cwd: Path | None = None) -> None:
        self.ran.append(argv)
        if argv[0] == "qemu-img":
            Path(argv[-1]).touch()

    @property
    def accelerators(self) -> list[str]:
        return ["kvm" if "kvm" in argv else "tcg" for argv in self.ran if argv[0] == qemu.QEMU]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


@pytest.mark.parametrize(
    ("wanted", "there", "emulated", "accelerated", "chosen"),
    [
        ("auto", True, 0.1, 0.2, "kvm"),
        ("auto", False, 0.1, 0.1, "tcg"),
        ("auto", True, 0.1, None, "tcg"),  # hangs, or refuses to start
        ("auto", True, 0.1, 2.0, "tcg"),  # /dev/kvm is emulated itself
        ("auto", True, 2.0, 2.5, "kvm"),  # a busy controller
        ("auto", True, None, 0.2, "kvm"),
        ("tcg", True, 0.1, 0.1, "tcg"),
        ("kvm", True, 0.1, 9.0, "kvm"),
    ],
)
def test_acceleration(
    bench: Bench,
    tmp_path: Path,
    wanted: str,
    there: bool,
    emulated: float | None,
    accelerated: float | None,
    chosen: str,
) -> None:
    bench.kvm, bench.firmware = there, {"tcg": emulated, "kvm": accelerated}
    Qemu().start(_wish(tmp_path, wanted))
    assert bench.accelerators == [chosen]


@pytest.mark.parametrize("fault", ["internal error", "silence"])
def test_hardware_that_cannot_run_the_os_is_left_for_software(bench: Bench, tmp_path: Path, fault: str) -> None:
    wish = _wish(tmp_path)
    said: list[str] = []
    provider = Qemu()
    provider.start(wish)
    bench.failed = fault == "internal error"
    bench.greets = [False] * (20 if bench.failed else 400) + [True]
    provider.wait(wish, 600, said.append)
    assert bench.accelerators == ["kvm", "tcg"]
    assert bench.ran[-2] == ["power off"]
    assert "hardware acceleration does not work here" in " ".join(said)
    assert (wish.directory / qemu.DISK).exists()
    # It is remembered: a machine that is switched on again is not tried once more.
    provider.start(wish)
    assert bench.accelerators[-1] == "tcg"


def test_hardware_that_worked_once_is_kept(bench: Bench, tmp_path: Path) -> None:
    wish = _wish(tmp_path)
    provider = Qemu()
    provider.start(wish)
    bench.greets = [False, True]
    provider.wait(wish, 600, lambda _text: None)
    assert json.loads((wish.directory / qemu.RECORD).read_text())["proven"] == "kvm"
    bench.failed = True
    bench.greets = [False] * 400
    with pytest.raises(FlotillaError, match=r"cannot reach machine lab1: the hypervisor cannot run its OS"):
        provider.wait(wish, 600, lambda _text: None)
    assert bench.accelerators == ["kvm"]


def test_no_answer_ends_with_the_console(bench: Bench, tmp_path: Path) -> None:
    wish = _wish(tmp_path, "tcg")
    Qemu().start(wish)
    (wish.directory / qemu.CONSOLE).write_text("no init found\n")
    with pytest.raises(FlotillaError, match=r"no SSH on 127\.0\.0\.1:22999 after 30 s; .*no init found"):
        Qemu().wait(wish, 30, lambda _text: None)


def test_panic_ends_the_wait_at_once(bench: Bench, tmp_path: Path) -> None:
    wish = _wish(tmp_path, "tcg")
    Qemu().start(wish)
    bench.greets = [True]  # what was on the console before this wait is of an earlier boot
    (wish.directory / qemu.CONSOLE).write_text("Kernel panic - not syncing: VFS\n")
    with pytest.raises(FlotillaError, match="its console says 'Kernel panic'"):
        Qemu().wait(wish, 30, lambda _text: None)
    assert bench.seconds == 0


def test_a_process_that_is_not_ours_is_never_taken_for_the_machine(tmp_path: Path) -> None:
    folder = tmp_path / "lab1"
    folder.mkdir()
    (folder / qemu.DISK).touch()
    (folder / "pid").write_text("1\n")  # somebody runs under it, without our disk on the command line
    assert Qemu().observe("lab1", folder) == Machine("lab1", "off")
    Qemu().power_off(Machine("lab1", "running"), folder)


def test_port_in_use_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu.shutil, "which", lambda tool: tool)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Refused, match=f"cannot start machine lab1: port 127.0.0.1:{port} is in use"):
            Qemu().refuse(_wish(tmp_path, port=port))


def test_definition_says_nothing_of_the_acceleration(tmp_path: Path) -> None:
    definition = Qemu().definition(_wish(tmp_path))
    assert definition == Qemu().definition(_wish(tmp_path, "kvm"))
    assert "-accel" not in definition
    assert any(argument.startswith("user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:22999-") for argument in definition)
