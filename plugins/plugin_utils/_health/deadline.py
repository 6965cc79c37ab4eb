# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's deadline: a verdict that comes after it is worth nothing. Pure."""

from __future__ import annotations

from .._errors import CannotParse
from .._guard.render import GUARD_PROBE
from .._model.host import Result, Step
from .._parsers.guard import parse_guard

# What is left for confirming when the verdict is given (s): a round trip over a slow connection.
CONFIRM_MARGIN = 15.0

# The boot, its age, and the guard's records, in the round trip of the probes.
GUARD_STEP = Step(
    "guard", f"cat /proc/sys/kernel/random/boot_id && cut -d . -f 1 /proc/uptime && {{ {GUARD_PROBE.script}; }}"
)


def seconds_left(result: Result) -> float | None:
    """Return how long the guard waits from the moment of `result` on, or None where no trial runs in this boot.

    It is counted as the guard counts, from the start of the kernel: the wall clock may have been set since.
    Raises FlotillaError when the guard's records cannot be read.
    """
    boot_id, _newline, rest = result.proven("read the guard's records").stdout.partition("\n")
    uptime, _newline, records = rest.partition("\n")
    guard, _fallback = parse_guard(records, boot_id.strip())
    if guard is None or guard.deadline is None:
        return None
    if not uptime.strip().isdigit():
        raise CannotParse("/proc/uptime", "no number", uptime)
    return float(guard.confirm_within - int(uptime))


def too_late(needed: float, left: float) -> str:
    """Return why a verdict that needs `needed` seconds more cannot be waited for when the guard waits for `left`."""
    return (
        f"the guard brings the host back in {max(0.0, left):.0f} s, which is no time for {needed:.0f} s more of health "
        f"and {CONFIRM_MARGIN:.0f} s to confirm it; ask for a longer confirm_within or a shorter stable_for"
    )
