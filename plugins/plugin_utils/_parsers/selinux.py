# SPDX-License-Identifier: GPL-3.0-or-later
"""What selinuxfs and /etc/selinux/config say. Pure.

Facts of the formats: selinux_config(5), libselinux src/selinux_config.c, security/selinux/selinuxfs.c in the kernel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# The words of /etc/selinux/config, which are those of our MacMode too.
MODES = ("enforcing", "permissive", "disabled")


def parse_enforce(words: Mapping[str, str]) -> bool | None:
    """Return whether /sys/fs/selinux/enforce says 1; None when it could not be read. It has no newline."""
    return {"0": False, "1": True}.get(words.get("enforce", "").strip())


def parse_config(text: str) -> dict[str, str]:
    """Return the assignments of /etc/selinux/config, the last of a name wins, as libselinux reads it.

    libselinux takes a line only when the name starts it and `=` follows at once; values of SELINUX in any case.
    """
    words: dict[str, str] = {}
    for line in text.split("\n"):
        found = re.match(r"(SELINUX|SELINUXTYPE)=\s*(\S*)", line)
        if found:
            words[found[1]] = found[2]
    return words
