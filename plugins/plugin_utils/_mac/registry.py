# SPDX-License-Identifier: GPL-3.0-or-later
"""All mandatory access control systems, and the part of every observation that shows them."""

from __future__ import annotations

from .._model.host import Results, Step
from .._model.state import Mac, MacMode, MacSystem
from . import apparmor, selinux

PROBES: tuple[Step, ...] = (*selinux.probes(), *apparmor.probes())


def mac_state(results: Results) -> Mac:
    """Return what mandatory access control does, from the results of PROBES. Raises CannotParse.

    `mode` is None where it cannot be seen: never taken for enforcing, nor for disabled.
    """
    return selinux.read_mac(results) or apparmor.read_mac(results) or Mac(MacSystem.NONE, MacMode.DISABLED)
