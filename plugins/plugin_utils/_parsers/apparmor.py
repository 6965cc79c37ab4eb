# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel, apparmor_parser and profile files say of AppArmor. Pure.

Facts of the formats: security/apparmor/apparmorfs.c, security/apparmor/label.c in the kernel; apparmor.d(5).
"""

from __future__ import annotations

from .._errors import CannotParse

# The words of the kernel for the mode of a loaded profile (aa_profile_mode_names).
ENFORCE = "enforce"
COMPLAIN = "complain"
KILL = "kill"  # enforces, and kills the process that was denied
UNCONFINED = "unconfined"  # only a name; confines nothing
PROMPT = "user"  # asks a daemon; without one it denies
ENFORCES = frozenset({ENFORCE, KILL, PROMPT})


def parse_profiles(text: str) -> dict[str, str]:
    """Return the mode of each loaded profile from /sys/kernel/security/apparmor/profiles: {name: mode}.

    A name may have spaces, parentheses and `//` (child profiles, hats): the mode is what follows the last ` (`.
    Raises CannotParse.
    """
    modes: dict[str, str] = {}
    for line in text.split("\n"):
        if not line:
            continue
        name, opened, mode = line.rpartition(" (")
        if not opened or not name or not mode.endswith(")"):
            raise CannotParse("the list of loaded AppArmor profiles", "a line is not `NAME (MODE)`", line)
        modes[name] = mode[:-1]
    return modes
