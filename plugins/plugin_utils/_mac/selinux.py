# SPDX-License-Identifier: GPL-3.0-or-later
"""SELinux: what shows its state."""

from __future__ import annotations

from .._model.host import Results, Step
from .._model.state import Mac, MacMode, MacSystem
from .._parsers.key_value import parse_key_values
from .._parsers.selinux import parse_enforce

SELINUXFS = "/sys/fs/selinux"
LSM = "mac.lsm"
STATE = "mac.selinux"


def probes(root: str = "") -> tuple[Step, ...]:
    """Return the steps that show whether SELinux runs, and how. `root`: what stands for / in tests.

    The kernel fills `class` when a policy is loaded; before that `enforce` says nothing.
    """
    fs = root + SELINUXFS
    return (
        Step(LSM, f"cat {root}/sys/kernel/security/lsm 2>/dev/null || :"),
        Step(
            STATE,
            f'if [ -e {fs}/enforce ]; then echo "enforce=$(cat {fs}/enforce)"; fi; '
            f'for c in {fs}/class/*; do if [ -e "$c" ]; then echo policy=loaded; fi; break; done; '
            f"echo \"context=$(tr -d '\\000' 2>/dev/null <{root}/proc/self/attr/current)\"",
        ),
    )


def read_mac(results: Results) -> Mac | None:
    """Return the state where SELinux is on; None where it is off or not in the kernel.

    On, but without a policy (SELINUX=disabled), it confines nothing: DISABLED. The mode is None (unknown) when a policy
    is loaded and `enforce` cannot be read.
    """
    words = parse_key_values(results[STATE].stdout)
    if "enforce" not in words:
        if "selinux" not in results[LSM].text.split(","):
            return None
        # Init unmounts selinuxfs where there is no policy. Where there is one, every process has a context.
        return Mac(MacSystem.SELINUX, None if ":" in words.get("context", "") else MacMode.DISABLED)
    if words.get("policy") != "loaded":
        return Mac(MacSystem.SELINUX, MacMode.DISABLED)
    enforcing = parse_enforce(words)
    if enforcing is None:
        return Mac(MacSystem.SELINUX, None)
    return Mac(MacSystem.SELINUX, MacMode.ENFORCING if enforcing else MacMode.PERMISSIVE)
