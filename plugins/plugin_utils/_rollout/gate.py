# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate: may this host be touched now? A pure function of the record. An error, a doubt, a gap: no."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .._model.phase import AWAY, BAD, GOING_BACK, IN_FLIGHT, Phase
from .ledger import OPEN, PAUSED, HostRecord, RolloutRecord, utc
from .windows import Window, wait_for


class Answer(str, enum.Enum):
    """What the gate says."""

    GO = "go"
    WAIT = "wait"
    STOP = "stop"
    DONE = "done"  # the host is confirmed already
    REFUSE = "refuse"  # not this host; that says nothing of the others


@dataclass(frozen=True)
class Verdict:
    """The answer, why, and whether anything is known to be under way that a wait could be for.

    `paused`: a person has it wait.
    """

    answer: Answer
    why: str
    moving: bool = False
    paused: bool = False


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
    me = rollout.find(host)
    if me is None:
        return Verdict(Answer.REFUSE, f"{host} is not in the plan of rollout {rollout.name}")
    said = f"rollout {rollout.name} is {rollout.state}: {rollout.why or 'no reason recorded'}"
    if rollout.state not in (OPEN, PAUSED):
        return Verdict(Answer.STOP, said)
    if me.phase in GOING_BACK:
        return Verdict(Answer.REFUSE, f"{host} is being brought back from the target")
    if me.phase is Phase.CONFIRMED:
        return Verdict(Answer.DONE, f"{host} is confirmed already")
    # A host that is on trial since an earlier run goes on: the guard would take it back while it waits.
    if rollout.state == PAUSED and me.phase not in IN_FLIGHT:
        return Verdict(Answer.WAIT, said, moving=True, paused=True)
    if me.target in quarantine:
        # Found bad since the plan was made, by this rollout or another. Its guard brings back a host on trial with it.
        return Verdict(Answer.REFUSE, f"{me.target[:12]} was put in quarantine since the rollout was planned")
    max_unavailable, max_failures = int(rollout.plan["max_unavailable"]), int(rollout.plan["max_failures"])
    others = [one for one in rollout.hosts if one.host != host]
    adrift = [one for one in others if one.phase in IN_FLIGHT and lost(one, now, gone)]
    bad = [one for one in others if one.phase in BAD]
    nobodys = {one.host for one in adrift}
    flying = [one for one in others if one.phase in IN_FLIGHT and one.host not in nobodys]
    if len(bad) > max_failures:
        shown = "; ".join(f"{one.host} {one.phase.value}: {one.why}" for one in bad[:5])
        return Verdict(Answer.STOP, f"max_failures is {max_failures}, and {len(bad)} failed: {shown}")
    places = Places(rollout.plan)
    stopped = places.failed_too_often(bad)
    if stopped is not None:
        return Verdict(Answer.STOP, stopped)
    if me.phase in IN_FLIGHT:
        if not lost(me, now, gone) and me.controller != asker:
            return Verdict(Answer.WAIT, f"{host} is in the hands of {me.controller}", moving=True)
        return Verdict(Answer.GO, f"{host} is {me.phase.value} since an earlier run was cut off; going on with it")
    if me.phase is not Phase.STAGED:
        return Verdict(Answer.REFUSE, f"{host} is {me.phase.value}, not staged: {me.why or 'no reason recorded'}")
    if me.controller not in (None, asker) and not lost(me, now, gone):
        return Verdict(Answer.WAIT, f"{me.controller} gives its work back to {host} first", moving=True)
    closed = places.outside_of_window(host, now)
    if closed is not None:
        return closed
    if len(bad) + len(adrift) > max_failures or places.failed_too_often([*bad, *adrift]) is not None:
        # Not yet a failure on record: who drove it is dead, and this or another run may find it alive. Nobody goes
        # meanwhile, and the wait has an end.
        shown = ", ".join(f"{one.host} ({one.phase.value})" for one in adrift[:5])
        return Verdict(
            Answer.WAIT,
            f"{places.failed_too_often([*bad, *adrift]) or f'max_failures is {max_failures}'}, "
            f"and nobody has {shown} in hand any more",
            moving=bool(flying),
        )
    bad += adrift
    done = {one.host for one in bad}
    before = [one for one in others if one.wave < me.wave and one.phase is not Phase.CONFIRMED and one.host not in done]
    if before:
        shown = ", ".join(f"{one.host} ({one.phase.value})" for one in before[:5])
        # That wave may itself wait for something that comes by itself.
        waits = [_soaking(rollout, before[0], now), *(places.outside_of_window(one.host, now) for one in before[:5])]
        moving = bool(flying) or any(one.moving for one in waits if one is not None)
        return Verdict(Answer.WAIT, f"wave {me.wave} waits for wave {before[0].wave}: {shown}", moving=moving)
    if me.wave > 1 and not any(one.wave < me.wave and one.phase is Phase.CONFIRMED for one in others):
        # Failures within the budget are no proof that the target is good.
        why = f"wave {me.wave} waits for a host of an earlier wave to be confirmed, and none is"
        return Verdict(Answer.WAIT if flying or adrift else Answer.STOP, why, moving=bool(flying))
    soaking = _soaking(rollout, me, now)
    if soaking is not None:
        return soaking
    down = [one for one in others if one.phase in AWAY]
    full = places.full(host, down, flying, adrift)
    if full is not None:
        return full
    locks = sorted(set(locked) - {host} - {one.host for one in down})
    away = [f"{one.host} ({one.phase.value})" for one in down] + [f"{name} (holds a reboot lock)" for name in locks]
    if len(away) >= max_unavailable:
        why = f"max_unavailable is {max_unavailable}: {', '.join(away[:5])}"
        if not flying and not adrift and not locks:
            return Verdict(Answer.STOP, f"{why}, and nothing is under way that could change that")
        # A lock is given back or expires by itself: that wait has an end.
        return Verdict(Answer.WAIT, why, moving=bool(flying or locks))
    return Verdict(Answer.GO, f"wave {me.wave} is open, {len(away)} of {max_unavailable} are away")


def lost(one: HostRecord, now: int, gone: Callable[[str], bool]) -> bool:
    """In flight, and nobody has it in hand any more, nor can reach it with an order from when he had."""
    if one.may_still_be_told(now):
        return False
    return one.lease_until is None or one.lease_until < now or one.controller is None or gone(one.controller)


def _soaking(rollout: RolloutRecord, me: HostRecord, now: int) -> Verdict | None:
    """Return why the wave of `me` is not open yet although the waves before are done; None when it is."""
    soaks: Sequence[int] = rollout.plan.get("soak", ())
    before = [one for one in rollout.hosts if one.wave < me.wave]
    seconds = int(soaks[me.wave - 2]) if before and soaks else 0
    if seconds == 0:
        return None
    # Those that failed, within the budget, have ended their turn too. But what soaks is a host that was confirmed.
    confirmed = [one for one in before if one.phase is Phase.CONFIRMED]
    ended = [one.left_at for one in before if one.left_at is not None]
    if not confirmed or any(one.left_at is None for one in confirmed):
        why = "no host before it was confirmed" if not confirmed else "it is not recorded when the wave before ended"
        return Verdict(Answer.STOP, f"wave {me.wave} waits for wave {me.wave - 1} to soak for {seconds} s, and {why}")
    opens = max(ended) + seconds
    if now >= opens:
        return None
    return Verdict(Answer.WAIT, f"wave {me.wave - 1} soaks until {utc(opens)}: {opens - now} s more", moving=True)


class Places:
    """Where the hosts are, in topology and in time, from the plan document in the ledger."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._budgets: Mapping[str, Mapping[str, Mapping[str, Any]]] = plan.get("groups") or {}
        policy: Mapping[str, Any] = plan.get("policy") or {}
        self._windows: Sequence[Mapping[str, Any]] = policy.get("windows") or ()
        self._patience = int(policy.get("window_wait") or 0)
        needed = self._budgets or self._windows
        self._hosts: dict[str, Mapping[str, Any]] = (
            {one["host"]: one for wave in plan["waves"] for one in wave} if needed else {}
        )

    def _count(self, hosts: Sequence[HostRecord]) -> Counter[tuple[str, str]]:
        return Counter(group for one in hosts for group in self._hosts[one.host]["groups"].items())

    def failed_too_often(self, bad: Sequence[HostRecord]) -> str | None:
        """Say which group has lost more hosts than it may. That stops the rollout, in all groups."""
        if not self._budgets:
            return None
        for (label, value), count in sorted(self._count(bad).items()):
            allowed = self._budgets[label][value]["max_failures"]
            if allowed is not None and count > allowed:
                shown = "; ".join(
                    f"{one.host} {one.phase.value}: {one.why}"
                    for one in bad
                    if self._hosts[one.host]["groups"].get(label) == value
                )
                return f"max_failures_per {label} {value} is {allowed}, and {count} failed: {shown}"
        return None

    def full(
        self, host: str, down: Sequence[HostRecord], flying: Sequence[HostRecord], adrift: Sequence[HostRecord]
    ) -> Verdict | None:
        """Return the answer for a host of a group that has as many hosts away as it may; None where there is room."""
        if not self._budgets:
            return None
        for label, value in self._hosts[host]["groups"].items():
            allowed = self._budgets[label][value]["max_unavailable"]
            away = [one for one in down if self._hosts[one.host]["groups"].get(label) == value]
            if allowed is None or len(away) < allowed:
                continue
            shown = ", ".join(f"{one.host} ({one.phase.value})" for one in away[:5])
            why = f"max_unavailable_per {label} {value} is {allowed}: {shown}"
            moving = any(one in flying for one in away)
            if not moving and not any(one in adrift for one in away):
                # The other groups may go on; this one has to be looked at by people.
                return Verdict(Answer.REFUSE, f"{why}, and nothing is under way that could change that")
            return Verdict(Answer.WAIT, why, moving=moving)
        return None

    def outside_of_window(self, host: str, now: int) -> Verdict | None:
        """Return the answer for a host that is outside of its windows: it waits if one opens soon, else it is refused.

        Refused, not kept waiting: a run that hangs for days serves nobody. The next run takes the rollout up again.
        """
        if not self._windows:
            return None
        mine = [Window.parse(self._windows[number], f"window {number + 1}") for number in self._hosts[host]["windows"]]
        at = datetime.fromtimestamp(now, tz=timezone.utc)
        opens = wait_for(mine, at)
        if opens == at:
            return None
        shown = " or ".join(map(str, mine))
        if opens is None:
            return Verdict(Answer.REFUSE, f"{host} is outside of its window ({shown}), which never opens")
        seconds = int((opens - at).total_seconds())
        why = f"{host} is outside of its window ({shown}), which opens at {utc(now + seconds)}"
        if seconds <= self._patience:
            return Verdict(Answer.WAIT, why, moving=True)
        return Verdict(Answer.REFUSE, f"{why}; run again then")
