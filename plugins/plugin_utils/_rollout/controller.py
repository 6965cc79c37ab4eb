# SPDX-License-Identifier: GPL-3.0-or-later
"""Who drives a host: the controller's process, named so that its death can be proven on its own machine."""

from __future__ import annotations

import getpass
import os
import socket
from pathlib import Path

# Tells one boot of the machine, and one space of process ids (a container), from another: a pid means nothing beyond.
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PID_SPACE = Path("/proc/self/ns/pid")


def this_controller() -> str:
    """Return the name of the ansible-playbook that this worker process belongs to: place:pid:start."""
    pid = os.getppid()
    return f"{_place()}:{pid}:{_started(pid)}"


def this_person() -> str:
    """Return who runs this, for the record: user@machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in many containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def is_gone(controller: str) -> bool:
    """Tell whether that controller is known to be dead. What cannot be known (another machine) is no."""
    place, pid, started = [*controller.rsplit(":", 2), "", ""][:3]
    if place != _place() or not pid.isdigit() or not started.isdigit():
        return False
    return _started(int(pid)) != started


def _place() -> str:
    """Return where process ids mean what they mean here. Where there is no /proc, no death can be proven."""
    try:
        return f"{socket.gethostname()}/{_BOOT_ID.read_text(encoding='ascii')[:8]}-{_PID_SPACE.stat().st_ino}"
    except OSError:
        return socket.gethostname()


def _started(pid: int) -> str | None:
    """Return the start time of a process in clock ticks since the machine's boot (proc(5), stat field 22).

    None: there is no such process, or it has ended.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    # A zombie has ended; field 3 is the state.
    return None if fields[0] in "ZX" else fields[19]
