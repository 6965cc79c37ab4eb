# SPDX-License-Identifier: GPL-3.0-or-later
"""/proc/net/{tcp,tcp6,udp,udp6} (proc_net(5)). Pure."""

from __future__ import annotations

from .._errors import CannotParse

_STATES = {"tcp": "0A", "udp": "07"}


def parse_listening(text: str, protocol: str) -> list[int]:
    """Return the ports that are listened on, in order. Raises CannotParse."""
    if "local_address" not in text:
        raise CannotParse("/proc/net", "the head line is missing", text.partition("\n")[0])
    ports = set()
    for line in text.splitlines():
        words = line.split()
        if "local_address" in line or not words:
            continue
        try:
            port, state = int(words[1].rpartition(":")[2], 16), words[3]
        except (IndexError, ValueError) as exc:
            raise CannotParse("/proc/net", "no address and state", line) from exc
        if state == _STATES[protocol]:
            ports.add(port)
    return sorted(ports)
