# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of one host in a rollout: the closed set of phases and the only table of transitions."""

from __future__ import annotations

import enum

from .state import HostState


class Phase(str, enum.Enum):
    """Where a host stands in a rollout."""

    STEADY = "steady"  # runs what it ran before; nothing staged
    STAGED = "staged"  # the target is downloaded, verified and prepared
    GUARDED = "guarded"  # admitted by the gate; the guard is being armed
    ACTIVATING = "activating"  # told to reboot, not seen since
    BOOTED = "booted"  # runs the target, on trial
    HEALTHY = "healthy"  # runs the target with a good verdict
    CONFIRMED = "confirmed"  # the target is marked good, the guard is gone
    RECALLED = "recalled"  # runs the confirmed target, and is to be brought back: its rollout failed
    RETURNING = "returning"  # on its way back from the confirmed target
    ROLLED_BACK = "rolled_back"  # runs the previous deployment again
    FAILED = "failed"  # something else than the target runs, or a step failed
    UNREACHABLE = "unreachable"  # does not answer


# Every way a host may go. The drawing in docs/concepts.md is made from this table.
TRANSITIONS: dict[Phase, tuple[Phase, ...]] = {
    Phase.STEADY: (Phase.STAGED, Phase.FAILED, Phase.UNREACHABLE),
    Phase.STAGED: (Phase.GUARDED, Phase.STEADY, Phase.FAILED, Phase.UNREACHABLE),
    Phase.GUARDED: (Phase.ACTIVATING, Phase.STAGED, Phase.ROLLED_BACK, Phase.FAILED, Phase.UNREACHABLE),
    Phase.ACTIVATING: (Phase.BOOTED, Phase.ROLLED_BACK, Phase.FAILED, Phase.UNREACHABLE),
    Phase.BOOTED: (Phase.HEALTHY, Phase.ROLLED_BACK, Phase.FAILED, Phase.UNREACHABLE),
    Phase.HEALTHY: (Phase.CONFIRMED, Phase.ROLLED_BACK, Phase.FAILED, Phase.UNREACHABLE),
    Phase.CONFIRMED: (Phase.RECALLED,),
    Phase.RECALLED: (Phase.RETURNING,),
    Phase.RETURNING: (Phase.RECALLED, Phase.ROLLED_BACK, Phase.FAILED, Phase.UNREACHABLE),
    # A host that failed may be tried again, by a new run, from what is observed on it.
    Phase.ROLLED_BACK: (Phase.STEADY, Phase.STAGED),
    Phase.FAILED: (Phase.STEADY, Phase.STAGED, Phase.BOOTED),
    Phase.UNREACHABLE: (Phase.STEADY, Phase.STAGED, Phase.BOOTED, Phase.ROLLED_BACK, Phase.FAILED),
}

# A host in one of these may be down at this moment: it draws on max_unavailable.
IN_FLIGHT = frozenset({Phase.GUARDED, Phase.ACTIVATING, Phase.BOOTED, Phase.HEALTHY, Phase.RETURNING})
# A host in one of these is brought back before anything else is done in its rollout.
GOING_BACK = frozenset({Phase.RECALLED, Phase.RETURNING})
# A host in one of these draws on max_failures, and, not known to be up, on max_unavailable too.
BAD = frozenset({Phase.ROLLED_BACK, Phase.FAILED, Phase.UNREACHABLE})
# A host in one of these may be away from its work at this moment, or is not known to be there.
AWAY = IN_FLIGHT | {Phase.FAILED, Phase.UNREACHABLE}


def may_go(before: Phase, after: Phase) -> bool:
    """Tell whether the table allows `before` -> `after`. Staying is always allowed."""
    return before == after or after in TRANSITIONS[before]


def observed_phase(state: HostState, target: str) -> Phase:
    """Return where a host stands on its way to the digest `target`, from what is seen on it alone.

    HEALTHY is a verdict, not something to see: a host on trial is BOOTED until it is confirmed.
    """
    if state.guard is not None and state.guard.target_digest == target:
        on_trial = state.booted is not None and state.booted.id == state.guard.target
        return Phase.BOOTED if on_trial else Phase.GUARDED
    if state.booted and state.booted.digest == target:
        return Phase.CONFIRMED
    if state.last_fallback and state.last_fallback.target_digest == target:
        return Phase.ROLLED_BACK
    if state.staged and state.staged.digest == target:
        return Phase.STAGED
    return Phase.STEADY
