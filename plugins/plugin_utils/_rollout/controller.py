# SPDX-License-Identifier: GPL-3.0-or-later
"""Who drives a host: the controller's process, named so that its death can be proven on its own machine."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def this_controller() -> str:
    """Return the name of the ansible-playbook that this worker process belongs to: machine:pid:start."""
    pid = os.getppid()
    return f"{socket.gethostname()}:{pid}:{_started(pid)}"


def is_gone(controller: str) -> bool:
    """Tell whether that controller is known to be dead. Unknown (another machine) is no."""
    machine, _colon, rest = controller.rpartition(":")[0].rpartition(":")
    started = controller.rpartition(":")[2]
    if machine != socket.gethostname() or not rest.isdigit():
        return False
    return _started(int(rest)) != started


def _started(pid: int) -> str | None:
    """Return the start time of a process in clock ticks since the machine's boot (proc(5), stat field 22)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    # A zombie has ended; field 3 is the state.
    return None if fields[0] in "ZX" else fields[19]
