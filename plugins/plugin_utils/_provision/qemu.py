# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines of QEMU on this controller: one process, one overlay disk, one console log each.

A process is ours only with proof: its pid, its start time, and the machine's directory on its command line.
Sources: qemu(1), docs/interop/qmp-spec.rst of QEMU.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .._errors import FlotillaError, Refused, tail
from . import qmp
from ._protocol import Machine, MachineWish
from .seed import credentials, encoded

QEMU = "qemu-system-x86_64"
DISK, CONSOLE, RECORD = "disk.qcow2", "console.log", "machine.json"
# Hardware acceleration has to show that it works. First the firmware: seconds that it may take, and how much longer
# than under software emulation (a factor, and seconds for the noise of a busy controller).
PROBE_TIME = 6
SLOWER, SLACK = 2.0, 0.5
# Then the first boot: seconds until the OS answers. Software emulation takes over when it does not.
TRIAL_TIME = 90
# How often (s) QEMU is asked whether the processor still runs.
STATUS_PAUSE = 2
# Translated code (MiB): one boot of a small OS makes 150 of it, and what does not fit is thrown away and made again.
_ACCELERATION = {
    "tcg": ("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,-svm,-la57"),
    "kvm": ("-accel", "kvm", "-cpu", "host"),
}
# Seconds for a process to be gone after it was killed.
KILL_TIME = 10
# What a console says when there is no point in waiting longer.
_LOST = ("Kernel panic", "Entering emergency mode", "No bootable device")


class Qemu:
    """The provider `qemu`."""

    def observe(self, name: str, directory: Path) -> Machine:
        if not (directory / DISK).exists():
            return Machine(name, "absent")
        record = _record(directory)
        pid = _pid(directory)
        if pid is None:
            return Machine(name, "off")
        return Machine(name, "running", pid, tuple(record.get("definition", ())))

    def refuse(self, wish: MachineWish) -> None:
        for tool in (QEMU, "qemu-img"):
            if shutil.which(tool) is None:
                raise Refused(
                    f"cannot start machine {wish.name}: {tool} is not installed (Debian: qemu-system-x86, qemu-utils)"
                )
        if not wish.image.is_file():
            raise Refused(f"cannot start machine {wish.name}: there is no image {wish.image}")
        if not 1024 <= wish.ssh_port <= 65535:
            raise Refused(f"cannot start machine {wish.name}: ssh_port {wish.ssh_port} is not between 1024 and 65535")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wish.ssh_port))
            except OSError as exc:
                raise Refused(
                    f"cannot start machine {wish.name}: port 127.0.0.1:{wish.ssh_port} is in use by another process"
                ) from exc

    def definition(self, wish: MachineWish) -> tuple[str, ...]:
        """The command line without the acceleration, which is this controller's and not the machine's."""
        cache = "unsafe" if wish.disposable else "writeback"
        smbios = [
            argument
            for name, text in credentials(wish.seed).items()
            for argument in ("-smbios", f"type=11,value=io.systemd.credential.binary:{name}={encoded(text)}")
        ]
        return (
            *("-name", wish.name, "-machine", "q35,sata=off,smbus=off,vmport=off"),
            *("-smp", str(wish.cpus), "-m", str(wish.memory)),
            *("-nodefaults", "-no-user-config", "-display", "none"),
            *(
                "-drive",
                f"if=none,id=disk,file={_escaped(wish.directory / DISK)},format=qcow2,cache={cache},discard=unmap",
            ),
            *("-device", "virtio-blk-pci,drive=disk,bootindex=1", "-device", "virtio-rng-pci"),
            *("-nic", f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{wish.ssh_port}-:22"),
            # A hang becomes a reset, and a reset is what the boot loader counts.
            *("-device", "i6300esb", "-action", "watchdog=reset"),
            *(
                "-chardev",
                f"file,id=console,path={_escaped(wish.directory / CONSOLE)},append=on",
                "-serial",
                "chardev:console",
            ),
            *smbios,
        )

    def start(self, wish: MachineWish) -> None:
        wish.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        disk = wish.directory / DISK
        if not disk.exists():
            fresh = disk.with_suffix(".new")
            argv = [
                "qemu-img",
                "create",
                "-q",
                "-f",
                "qcow2",
                "-b",
                str(wish.image.resolve()),
                "-F",
                "qcow2",
                str(fresh),
            ]
            _run(argv, f"make the disk of machine {wish.name}")
            fresh.rename(disk)
        self._launch(wish, _accelerator(wish.acceleration, _record(wish.directory)))

    def _launch(self, wish: MachineWish, accelerator: str) -> None:
        definition = self.definition(wish)
        # Recorded before the process exists; its pid file, which QEMU writes, completes the proof.
        known = _record(wish.directory)
        proven = wish.acceleration != "auto" or accelerator == "tcg" or known.get("proven") == accelerator
        record = {"definition": definition, "accelerator": accelerator, "proven": accelerator if proven else None}
        _write(wish.directory / RECORD, record)
        (wish.directory / "pid").unlink(missing_ok=True)
        (wish.directory / qmp.SOCKET).unlink(missing_ok=True)
        argv = [
            QEMU,
            *_ACCELERATION[accelerator],
            *definition,
            *("-qmp", f"unix:{qmp.SOCKET},server=on,wait=off", "-pidfile", "pid", "-daemonize"),
        ]
        _run(argv, f"start machine {wish.name}", cwd=wish.directory)

    def wait(self, wish: MachineWish, timeout: float, say: Callable[[str], None]) -> None:
        began = said = asked = time.monotonic()
        seen_before = _size(wish.directory / CONSOLE) if not _greeted(wish.ssh_port) else 0
        on_trial = _on_trial(wish.directory)
        lost: str | None = None
        while time.monotonic() - began < timeout:
            if _greeted(wish.ssh_port):
                if on_trial:
                    record = _record(wish.directory)
                    _write(wish.directory / RECORD, {**record, "proven": record["accelerator"]})
                return
            if time.monotonic() - asked > STATUS_PAUSE:
                asked = time.monotonic()
                lost = "the hypervisor cannot run its OS (internal error)" if qmp.has_failed(wish.directory) else None
            if on_trial and (lost or time.monotonic() - began > TRIAL_TIME):
                reason = lost or f"nothing answers after {TRIAL_TIME} s"
                say(f"hardware acceleration does not work here: {reason}; going on in software emulation")
                self.power_off(Machine(wish.name, "running"), wish.directory)
                self._launch(wish, "tcg")
                on_trial, lost, began = False, None, time.monotonic()
                continue
            console = _console(wish.directory, seen_before)
            word = next((word for word in _LOST if word in console), None)
            if word or lost or _pid(wish.directory) is None:
                reason = f"its console says {word!r}" if word else lost or "its process has ended"
                raise FlotillaError(f"cannot reach machine {wish.name}: {reason}: {tail(console)}")
            if time.monotonic() - said > 20:
                said = time.monotonic()
                say(f"waiting for SSH, {said - began:.0f} s")
            time.sleep(0.5)
        raise FlotillaError(
            f"cannot reach machine {wish.name}: no SSH on 127.0.0.1:{wish.ssh_port} after {timeout:.0f} s; "
            f"the end of its console: {tail(_console(wish.directory, 0))}"
        )

    def power_off(self, machine: Machine, directory: Path) -> None:
        pid = _pid(directory)
        if pid is None:
            return
        os.kill(pid, signal.SIGKILL)
        _wait_gone(machine.name, directory, KILL_TIME)

    def shut_down(self, machine: Machine, directory: Path, timeout: float) -> None:
        with contextlib.suppress(OSError, FlotillaError):
            qmp.say(directory, {"execute": "system_powerdown"})
            _wait_gone(machine.name, directory, timeout)
        self.power_off(machine, directory)

    def remove(self, machine: Machine, directory: Path) -> None:
        self.power_off(machine, directory)
        if directory.is_dir():
            shutil.rmtree(directory)

    def save(self, machine: Machine, directory: Path, snapshot: str) -> None:
        qmp.order(directory, f"savevm {snapshot}", f"save machine {machine.name}")

    def restore(self, machine: Machine, directory: Path, snapshot: str) -> None:
        qmp.order(directory, f"loadvm {snapshot}", f"restore machine {machine.name} to {snapshot}")


def _accelerator(wanted: str, record: dict[str, Any]) -> str:
    """Return kvm or tcg: what is asked for, what the machine has answered under before, or what seems to work here."""
    if wanted != "auto":
        return wanted
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK)
    proven = record.get("proven")
    if proven == "tcg" or (proven == "kvm" and usable):
        return str(proven)
    return "kvm" if usable and _hardware_works() else "tcg"


def _on_trial(directory: Path) -> bool:
    record = _record(directory)
    return record.get("accelerator") == "kvm" and record.get("proven") != "kvm"


def _hardware_works() -> bool:
    """Boot nothing for a moment. /dev/kvm may be there and not work, or be emulated itself, which is worse than none:
    hardware that takes longer than software emulation is no acceleration."""
    emulated, accelerated = _firmware_time("tcg"), _firmware_time("kvm")
    return accelerated is not None and (emulated is None or accelerated < SLOWER * emulated + SLACK)


def _firmware_time(accelerator: str) -> float | None:
    """Return the seconds until the firmware says that there is nothing to boot, None when it never does."""
    argv = [QEMU, *_ACCELERATION[accelerator], "-m", "64", "-nodefaults", "-no-user-config", "-display", "none"]
    argv += ["-chardev", "stdio,id=d", "-device", "isa-debugcon,iobase=0x402,chardev=d", "-no-reboot"]
    began = time.monotonic()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        timer = threading.Timer(PROBE_TIME, process.kill)
        timer.start()
        try:
            said = any(b"No bootable device" in line for line in process.stdout or ())
            return time.monotonic() - began if said else None
        finally:
            timer.cancel()
            process.kill()


def _greeted(port: int) -> bool:
    """User-mode networking accepts a connection before the guest listens: only the banner is proof."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.settimeout(5)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _pid(directory: Path) -> int | None:
    """Return the pid of the machine's process, None without proof that there is one and that it is this machine's."""
    try:
        pid = int((directory / "pid").read_text(encoding="utf-8"))
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return None
    mine = os.fsencode(str(directory / DISK))
    return pid if state not in "ZX" and any(mine in argument for argument in argv) else None


def _wait_gone(name: str, directory: Path, timeout: float) -> None:
    began = time.monotonic()
    while _pid(directory) is not None:
        if time.monotonic() - began > timeout:
            raise FlotillaError(f"cannot stop machine {name}: its process is still there after {timeout:.0f} s")
        time.sleep(0.1)


def _record(directory: Path) -> dict[str, Any]:
    try:
        found = json.loads((directory / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, value: object) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)


def _run(argv: list[str], goal: str, cwd: Path | None = None) -> None:
    ended = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=cwd, check=False)
    if ended.returncode:
        raise FlotillaError(f"cannot {goal}: {argv[0]} exited with {ended.returncode}: {tail(ended.stderr)}")


def _console(directory: Path, start: int) -> str:
    try:
        with (directory / CONSOLE).open("rb") as log:
            log.seek(max(start, _size(directory / CONSOLE) - 20000))
            return log.read().decode(errors="replace")
    except OSError:
        return ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _escaped(path: Path) -> str:
    return str(path).replace(",", ",,")
