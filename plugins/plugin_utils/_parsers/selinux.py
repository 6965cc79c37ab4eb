# SPDX-License-Identifier: GPL-3.0-or-later
"""What selinuxfs and /etc/selinux/config say. Pure.

Facts of the formats: selinux_config(5), libselinux src/selinux_config.c, security/selinux/selinuxfs.c in the kernel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# A line that libselinux takes: the name begins it, `=` follows at once. The value is compared in any case.
_MODE = re.compile(r"^SELINUX=[^\S\n]*(?P<mode>\S*)[^\n]*$", flags=re.MULTILINE)
_TYPE = re.compile(r"^SELINUXTYPE=[^\S\n]*(?P<type>\S+)", flags=re.MULTILINE)


def parse_enforce(words: Mapping[str, str]) -> bool | None:
    """Return whether /sys/fs/selinux/enforce says 1; None when it could not be read. It has no newline."""
    return {"0": False, "1": True}.get(words.get("enforce", "").strip())


def config_mode(text: str) -> str | None:
    """Return the mode of the next boot by /etc/selinux/config, the first that is known; None where it names none."""
    found = (match["mode"].lower() for match in _MODE.finditer(text))
    return next((mode for mode in found if mode in ("enforcing", "permissive", "disabled")), None)


def config_type(text: str) -> str | None:
    """Return the policy that /etc/selinux/config names (SELINUXTYPE); the last one counts."""
    found = _TYPE.findall(text)
    return found[-1] if found else None


def with_mode(text: str, mode: str) -> str:
    """Return the config with its mode set, all else as it was. Further lines of the same name are dropped."""
    lines, placed = [], False
    for line in text.splitlines(keepends=True):
        if not _MODE.match(line.rstrip("\n")):
            lines.append(line)
        elif not placed:
            lines.append(f"SELINUX={mode}\n")
            placed = True
    if placed:
        return "".join(lines)
    head = "".join(lines)
    return f"{head}{'' if not head or head.endswith(chr(10)) else chr(10)}SELINUX={mode}\n"
