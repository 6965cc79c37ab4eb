# SPDX-License-Identifier: GPL-3.0-or-later
"""Take up a rollout that was cut off: what the ledger says of a host against what is seen on it. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .._model.phase import IN_FLIGHT, TRANSITIONS, Phase
from .ledger import HostRecord
from .observed import Seen


@dataclass(frozen=True)
class Correction:
    """The host is to be recorded in `phase`; `quarantine`: its fallback proves that the target does not come up."""

    phase: Phase
    why: str
    quarantine: bool = False


def correct(record: HostRecord, host: Seen) -> Correction:
    """Return where `host` stands now. What is seen wins; what cannot be seen (a verdict) is asked for again."""
    phase = host.phase(record.target)
    if record.phase is Phase.CONFIRMED:
        return Correction(Phase.CONFIRMED, record.why or "")
    if phase is Phase.UNREACHABLE:
        return Correction(Phase.UNREACHABLE, f"not reachable: {host.trouble}")
    if phase is Phase.FAILED:
        return Correction(Phase.FAILED, f"cannot be observed: {host.trouble}")
    if phase is Phase.BOOTED:
        return Correction(Phase.BOOTED, "runs the target on trial; the verdict is still to come")
    if phase is Phase.CONFIRMED:
        if record.phase in IN_FLIGHT or record.phase in (Phase.FAILED, Phase.UNREACHABLE):
            return Correction(Phase.BOOTED, "runs the target without a guard; the verdict is asked for again")
        return Correction(Phase.STAGED, "runs the target, not by this rollout; it goes through the gate all the same")
    # What a host tells of its last fallback is news only where the ledger does not know yet how the turn ended. Else it
    # is the failure on record, and the user may have released the target since.
    news = record.phase in IN_FLIGHT or record.phase in (Phase.FAILED, Phase.UNREACHABLE)
    if phase is Phase.ROLLED_BACK and host.fallback_cause == "boot_failed" and news:
        return Correction(Phase.ROLLED_BACK, f"boot_failed: {host.fallback_evidence}", quarantine=True)
    if phase is Phase.GUARDED or (host.staged and host.staged.digest == record.target):
        return Correction(Phase.STAGED, "the target is staged; it was not booted")
    # Went back by itself, or power was lost while nobody watched: no proof against the target, it may be tried again.
    cause = f" ({host.fallback_cause}: {host.fallback_evidence})" if phase is Phase.ROLLED_BACK else ""
    return Correction(Phase.STEADY, f"runs what it ran before{cause}")


def way(before: Phase, after: Phase) -> list[Phase]:
    """Return the phases to record, in order, to get from `before` to `after` by the table; empty when it is the same.

    A way that does not claim a failure is preferred only by its length: the table has no detour that is shorter.
    """
    came_from: dict[Phase, Phase | None] = {before: None}
    queue = deque([before])
    while queue:
        phase = queue.popleft()
        if phase is after:
            break
        for following in TRANSITIONS[phase]:
            if following not in came_from:
                came_from[following] = phase
                queue.append(following)
    steps: list[Phase] = []
    step: Phase | None = after
    while step is not None and step is not before:
        steps.append(step)
        step = came_from.get(step)
    return steps[::-1]
