# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate: may this host be touched now? A pure function of the record. An error, a doubt, a gap: no."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Container
from dataclasses import dataclass

from .._model.phase import AWAY, BAD, IN_FLIGHT, Phase
from .ledger import OPEN, HostRecord, RolloutRecord


class Answer(str, enum.Enum):
    """What the gate says."""

    GO = "go"
    WAIT = "wait"
    STOP = "stop"
    DONE = "done"  # the host is confirmed already
    REFUSE = "refuse"  # not this host; that says nothing of the others


@dataclass(frozen=True)
class Verdict:
    """The answer, why, and whether anything is known to be under way that a wait could be for."""

    answer: Answer
    why: str
    moving: bool = False


def ask(
    rollout: RolloutRecord,
    host: str,
    now: int,
    gone: Callable[[str], bool],
    asker: str = "",
    quarantine: Container[str] = (),
    locked: Collection[str] = (),
) -> Verdict:
    """Answer for `host`. `now`: the database's clock, epoch seconds. `gone`: is that controller known to be dead?
    `asker`: the controller that asks; what it has in hand already it may go on with. `quarantine`: digests. `locked`:
    the ids that hold a reboot lock on this budget; a host of the rollout holds its lock by its own name and is not
    counted twice."""
    me = next((one for one in rollout.hosts if one.host == host), None)
    if me is None:
        return Verdict(Answer.REFUSE, f"{host} is not in the plan of rollout {rollout.name}")
    if rollout.state != OPEN:
        return Verdict(Answer.STOP, f"rollout {rollout.name} is {rollout.state}: {rollout.why or 'no reason recorded'}")
    if me.phase is Phase.CONFIRMED:
        return Verdict(Answer.DONE, f"{host} is confirmed already")
    if me.target in quarantine:
        # Found bad since the plan was made, by this rollout or another. Who is on trial with it goes back by its guard.
        return Verdict(Answer.REFUSE, f"{me.target[:12]} was put in quarantine since the rollout was planned")
    max_unavailable, max_failures = int(rollout.plan["max_unavailable"]), int(rollout.plan["max_failures"])
    others = [one for one in rollout.hosts if one.host != host]
    lost = [one for one in others if one.phase in IN_FLIGHT and _lost(one, now, gone)]
    bad = [one for one in others if one.phase in BAD]
    flying = [one for one in others if one.phase in IN_FLIGHT and one not in lost]
    if len(bad) > max_failures:
        shown = "; ".join(f"{one.host} {one.phase.value}: {one.why}" for one in bad[:5])
        return Verdict(Answer.STOP, f"max_failures is {max_failures}, and {len(bad)} failed: {shown}")
    if me.phase in IN_FLIGHT:
        if not _lost(me, now, gone) and me.controller != asker:
            return Verdict(Answer.WAIT, f"{host} is in the hands of {me.controller}", moving=True)
        return Verdict(Answer.GO, f"{host} is {me.phase.value} since an earlier run was cut off; going on with it")
    if me.phase is not Phase.STAGED:
        return Verdict(Answer.REFUSE, f"{host} is {me.phase.value}, not staged: {me.why or 'no reason recorded'}")
    if len(bad) + len(lost) > max_failures:
        # Not yet a failure on record: who drove it is dead, and this or another run may find it alive. Nobody goes
        # meanwhile, and the wait has an end.
        shown = ", ".join(f"{one.host} ({one.phase.value})" for one in lost[:5])
        return Verdict(
            Answer.WAIT, f"max_failures is {max_failures}, and nobody has {shown} in hand any more", moving=bool(flying)
        )
    bad += lost
    before = [one for one in others if one.wave < me.wave and one.phase is not Phase.CONFIRMED and one not in bad]
    if before:
        shown = ", ".join(f"{one.host} ({one.phase.value})" for one in before[:5])
        return Verdict(Answer.WAIT, f"wave {me.wave} waits for wave {before[0].wave}: {shown}", moving=bool(flying))
    if me.wave > 1 and not any(one.wave < me.wave and one.phase is Phase.CONFIRMED for one in others):
        # Failures within the budget are no proof that the target is good.
        why = f"wave {me.wave} waits for a host of an earlier wave to be confirmed, and none is"
        return Verdict(Answer.WAIT if flying or lost else Answer.STOP, why, moving=bool(flying))
    down = {one.host: one.phase.value for one in others if one.phase in AWAY}
    locks = sorted(set(locked) - {host} - set(down))
    away = [f"{name} ({phase})" for name, phase in down.items()] + [f"{name} (holds a reboot lock)" for name in locks]
    if len(away) >= max_unavailable:
        why = f"max_unavailable is {max_unavailable}: {', '.join(away[:5])}"
        if not flying and not lost and not locks:
            return Verdict(Answer.STOP, f"{why}, and nothing is under way that could change that")
        # A lock is given back or expires by itself: that wait has an end.
        return Verdict(Answer.WAIT, why, moving=bool(flying or locks))
    return Verdict(Answer.GO, f"wave {me.wave} is open, {len(away)} of {max_unavailable} are away")


def _lost(one: HostRecord, now: int, gone: Callable[[str], bool]) -> bool:
    """In flight, and nobody has it in hand any more."""
    return one.lease_until is None or one.lease_until < now or one.controller is None or gone(one.controller)
