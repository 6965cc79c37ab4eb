# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated hosts: busybox, stand-in tools and no Python, in namespaces and a chroot of their own (docs/simhost.md).

    host = Machine.create(Path("/tmp/somewhere/h1"), "ostree")
    host.start()
    host.order_fault("ostree", "upgrade", "no_space")

Needs root and Linux 5.6 (time namespaces). By hand: `python tests/simhost/simhost.py --help`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
FAMILIES = HERE / "families"
# What a login on a host finds; German, so that who wants English has to ask for it.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
    "HOME": "/root",
    "USER": "root",
    "LANG": "de_DE.UTF-8",
    "TERM": "dumb",
}
# A boot takes well under a second (s), where there is not much else to do.
BOOT_PATIENCE = 300.0
LOOK_AGAIN = 0.05


class SimhostError(Exception):
    """A simulated host does not do what its maker expects."""


@dataclass(frozen=True)
class Machine:
    """A host in a folder: disk/, sim/ (orders to the stand-ins, and their record), console, and what boots it."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, family: str) -> Machine:
        """Make a machine of `family` as its first version left the factory, switched off, and what stands beside it."""
        source = _family(folder.parent / f".family-{family}", family)
        if (source / "beside").exists():
            other = cls.create(folder.with_name(f"{folder.name}.beside"), (source / "beside").read_text().split()[0])
            folder.mkdir()
            (folder / "beside").symlink_to(other.folder)
            (other.folder / "of").symlink_to(folder)
        for name in ("disk", "mnt", "sim/faults"):
            (folder / name).mkdir(parents=True)
        (folder / "family").symlink_to(source)
        (folder / "usr").symlink_to(_usr(folder.parent / f".usr-{family}", source))
        (folder / "sys").mkdir()
        if (source / "sys").exists():
            shutil.copytree(source / "sys", folder / "sys", dirs_exist_ok=True)
        subprocess.run(["sh", str(HERE / "lib/factory.sh"), str(folder)], check=True)
        return cls(folder)

    @property
    def family(self) -> str:
        return (self.folder / "family").resolve().name.removeprefix(".family-")

    @property
    def beside(self) -> Machine | None:
        """The machine that stands beside it, such as its boot server; it is switched on and off together with it."""
        folder = self.folder / "beside"
        return Machine(folder.resolve()) if folder.exists() else None

    @property
    def pid(self) -> int | None:
        """The PID of the host's init, as seen from here; None while the host does not answer."""
        if not (self.folder / "sim/up").exists():
            return None
        with contextlib.suppress(OSError, ValueError):
            return int((self.folder / "pid").read_text())
        return None

    def start(self) -> None:
        """Switch it on, and wait until it answers."""
        self.switch_on()
        self.wait_until_up()

    def switch_on(self, bound: bool = False) -> None:
        """Switch it on. `bound`: it dies with the thread that calls this, however that ends."""
        if self.beside:
            self.beside.switch_on(bound)
            self.beside.wait_until_up()
        for name in ("off", "on-hold"):
            (self.folder / name).unlink(missing_ok=True)
        if self._powered():
            return
        argv = ["sh", str(HERE / "lib/power.sh"), str(self.folder)]
        with (self.folder / "console").open("ab") as console:
            supply = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *argv] if bound else argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=console,
                start_new_session=True,
            )
        (self.folder / "supply").write_text(str(supply.pid))

    def wait_until_up(self) -> None:
        self._wait_until(lambda: self.pid is not None, "boot")

    def stop(self) -> None:
        """Switch it off for good, in the middle of whatever it does."""
        if self.beside:
            self.beside.stop()
        (self.folder / "off").touch()
        self.cut_power()
        self._wait_until(lambda: not self._powered(), "switch off")

    def cut_power(self) -> None:
        """Reset it: nothing is written out, nothing is finalised."""
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.folder / "pid").read_text()), signal.SIGKILL)

    def hold_off(self) -> None:
        """Cut its power and leave it off until `start`."""
        (self.folder / "on-hold").touch()
        self.cut_power()
        self._wait_until(lambda: self.pid is None, "switch off")

    def elapse(self, timer: str) -> None:
        """Let the time of a timer be over now, of one beside it where there is such a machine."""
        if self.beside:
            self.beside.elapse(timer)
            return
        library = ". /usr/lib/simhost/simhost.sh; . /usr/lib/simhost/units.sh"
        done = self.run(f"{library}; timer_elapse {timer}")
        if done.returncode:
            raise SimhostError(f"cannot let {timer} elapse on {self.folder.name}: {done.stderr}")

    def order_fault(self, tool: str, verb: str, kind: str, times: int | None = None) -> None:
        """Order what `tool` does at `verb` from now on, or the next `times` times. The kinds: lib/simhost.sh.

        What stands beside the host gets the same order.
        """
        if self.beside:
            self.beside.order_fault(tool, verb, kind, times)
        _write(self.folder / f"sim/faults/{tool}.{verb}", f"{kind} {times}\n" if times else f"{kind}\n")

    def clear_faults(self) -> None:
        if self.beside:
            self.beside.clear_faults()
        for order in (self.folder / "sim/faults").iterdir():
            order.unlink()

    def calls(self) -> list[str]:
        """Return the calls of stand-in tools, oldest first."""
        path = self.folder / "sim/calls"
        return path.read_text().splitlines() if path.exists() else []

    def count_round_trip(self) -> None:
        with (self.folder / "round_trips").open("a") as counted:
            counted.write("one\n")

    def round_trips(self) -> int:
        """Return how many commands came over the connection, those that met no host included."""
        path = self.folder / "round_trips"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def boots(self) -> int:
        """Return how many boots were tried."""
        return len((self.folder / "boots").read_text().splitlines())

    def failed_units(self) -> list[str]:
        """Return the units that its systemd calls failed; none while it does not answer."""
        if self.pid is None:
            return []
        return self.run(
            "cd /run/systemd/simhost && for f in */failed; do [ ! -e $f ] || echo ${f%/*}; done"
        ).stdout.split()

    def argv(self, *command: str) -> list[str]:
        """Return what runs `command` on the host. Raises SimhostError when it does not answer."""
        pid = self.pid
        if pid is None:
            raise SimhostError(f"no route to host {self.folder.name}")
        words = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        enter = ["nsenter", f"--target={pid}", "--mount", "--pid", "--time", "--root", "--wd"]
        return [*enter, "--", "/usr/bin/env", "-i", *words, *command]

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run sh on the host."""
        return subprocess.run(self.argv("/bin/sh", "-c", script), capture_output=True, text=True, check=False)

    def _powered(self) -> bool:
        with contextlib.suppress(OSError, ValueError):
            pid = (self.folder / "supply").read_text()
            return str(self.folder) in Path(f"/proc/{pid}/cmdline").read_text()
        return False

    def _wait_until(self, holds: Callable[[], bool], goal: str) -> None:
        deadline = time.monotonic() + BOOT_PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                console = (self.folder / "console").read_text()[-2000:]
                raise SimhostError(f"cannot {goal} {self.folder.name}: its console says: {console}")
            time.sleep(LOOK_AGAIN)


def _family(folder: Path, name: str) -> Path:
    """Put a family's files together: over those of the family that its file `like` names, and so on, its own."""
    if folder.exists():
        return folder
    source = FAMILIES / name
    like = source / "like"
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
    if like.exists():
        shutil.copytree(_family(folder.parent / f".like-{name}", like.read_text().split()[0]), fresh)
    if source.is_dir():
        shutil.copytree(source, fresh, dirs_exist_ok=True)
    if not (fresh / "machine.sh").exists():
        raise SimhostError(f"cannot make a host of {name}: there is no machine.sh in {source}")
    fresh.rename(folder)
    return folder


def _usr(folder: Path, family: Path) -> Path:
    """Make the /usr that all hosts of a family share: busybox, the libraries that it needs, and the stand-ins."""
    if folder.exists():
        return folder
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
    binaries = fresh / "bin"
    binaries.mkdir(parents=True)
    busybox = shutil.which("busybox")
    if busybox is None:
        raise SimhostError("cannot make a host: there is no busybox on this machine")
    shutil.copy(busybox, binaries / "busybox")
    linked = subprocess.run(["ldd", busybox], capture_output=True, text=True, check=False).stdout
    for library in re.findall(r"(?m)(/\S+) \(0x", linked):
        target = fresh / library.removeprefix("/usr").lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout
    absent = (family / "without").read_text().split() if (family / "without").exists() else []
    own = (family / "bin").iterdir() if (family / "bin").exists() else ()
    tools = [*(tool for tool in (HERE / "bin").iterdir() if tool.name not in absent), *own]
    for applet in {*listed.split(), "sh"} - {"busybox", *(tool.name for tool in tools)}:
        (binaries / applet).symlink_to("busybox")
    for tool in tools:
        shutil.copy(tool, binaries / tool.name)
    (fresh / "sbin").symlink_to("bin")
    if (family / "usr").exists():
        shutil.copytree(family / "usr", fresh, dirs_exist_ok=True, symlinks=True)
    shutil.copytree(HERE / "lib", fresh / "lib/simhost")
    shutil.copytree(family, fresh / "lib/simhost/family")
    fresh.rename(folder)
    return folder


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(path)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the host; it is made where there is none")
    parser.add_argument("--family", help="of a new host", choices=sorted(one.name for one in FAMILIES.iterdir()))
    parser.add_argument("--fault", nargs=3, metavar=("TOOL", "VERB", "KIND"), help="order a fault")
    parser.add_argument("--stop", action="store_true", help="switch the host off")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="run this on the host; without it, a shell")
    given = parser.parse_args(arguments)
    try:
        folder = given.folder.resolve()
        host = Machine.create(folder, given.family) if given.family else Machine(folder)
        if given.stop:
            host.stop()
            return 0
        host.start()
        if given.fault:
            host.order_fault(*given.fault)
        return subprocess.run(host.argv(*(given.command or ["/bin/sh"])), check=False).returncode
    except SimhostError as exc:
        print(exc, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
