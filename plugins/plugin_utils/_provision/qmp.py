# SPDX-License-Identifier: GPL-3.0-or-later
"""What QEMU is told through a machine's monitor socket. Source: docs/interop/qmp-spec.rst of QEMU."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from .._errors import FlotillaError

SOCKET = "qmp.sock"
# Patience (s) for an answer: saving a machine with its memory takes a while.
ANSWER_TIME = 60


def say(directory: Path, command: dict[str, Any]) -> Any:
    """Say one command to the machine in `directory`; return the answer. Raises OSError, FlotillaError."""
    folder = os.open(directory, os.O_RDONLY)  # the path of a socket must be short; /proc makes it so
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(ANSWER_TIME)
            channel.connect(f"/proc/self/fd/{folder}/{SOCKET}")
            stream = channel.makefile("rw", encoding="utf-8")
            stream.readline()  # the greeting
            for one in ({"execute": "qmp_capabilities"}, command):
                stream.write(json.dumps(one) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
                while "event" in answer:
                    answer = json.loads(stream.readline())
    finally:
        os.close(folder)
    if "error" in answer:
        raise FlotillaError(f"cannot tell the machine {command['execute']}: {answer['error'].get('desc')}")
    return answer.get("return")


def order(directory: Path, line: str, goal: str) -> None:
    """Give an order that only the monitor for people knows. Raises FlotillaError("cannot GOAL: ...")."""
    said = say(directory, {"execute": "human-monitor-command", "arguments": {"command-line": line}})
    if said:
        raise FlotillaError(f"cannot {goal}: {str(said).strip()}")


def has_failed(directory: Path) -> bool:
    """Tell whether the processor has stopped because the hypervisor could not go on (RunState internal-error).

    False also where nobody answers: that the process has ended is seen elsewhere.
    """
    try:
        status = say(directory, {"execute": "query-status"})
    except (OSError, ValueError, FlotillaError):
        return False
    return isinstance(status, dict) and status.get("status") == "internal-error"
