# SPDX-License-Identifier: GPL-3.0-or-later
"""The hooks of a wave: which are due before a host may be touched, which at the end of a run. Pure.

A wave is prepared before the first of its hosts is touched, and given back when the last one is done. A wave that was
given back before all its hosts had their turn is prepared again before the next of them is touched.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._model.phase import BAD, GOING_BACK, IN_FLIGHT, Phase
from .gate import Answer, Verdict
from .record import OPEN, PAUSED, HostRecord, RolloutRecord


class WaveState(str, enum.Enum):
    """Where a wave stands with its hooks. One that has no record was never prepared."""

    PREPARING = "preparing"
    PREPARED = "prepared"
    RESTORING = "restoring"
    RESTORED = "restored"
    FAILED = "failed"  # a hook failed; `why` says which way it was


@dataclass(frozen=True)
class WaveRecord:
    """A wave and its hooks, as recorded. `controller`: the run that runs the hooks, or did so last.

    `saved`: what the wave was like before; None while nothing was changed that would have to be given back.
    `lease_until`: by the database's clock, epoch seconds; None while nobody runs a hook.
    """

    rollout_id: int
    wave: int
    state: WaveState
    why: str | None
    controller: str
    token: int
    lease_until: int | None
    saved: Mapping[str, Any] | None


class Side(str, enum.Enum):
    """Which of its hooks a wave needs."""

    PREPARE = "prepare"
    RESTORE = "restore"


@dataclass(frozen=True)
class Due:
    """A hook that somebody has to run now."""

    side: Side
    rollout_id: int
    wave: int


@dataclass(frozen=True)
class Asker:
    """Who asks, when (by the database's clock), and what it knows of other runs.

    `gone`: is that controller known to be dead? `takes_part`: does it take part in the rollout, and may be alive?
    """

    controller: str
    now: int
    gone: Callable[[str], bool]
    takes_part: Callable[[str], bool]

    def sees_held(self, one: WaveRecord) -> bool:
        """Tell whether somebody runs a hook of that wave, another host of the same run included."""
        return one.lease_until is not None and one.lease_until >= self.now and not self.gone(one.controller)


def first(
    kept: Sequence[WaveRecord], rollout: RolloutRecord, host: str, verdict: Verdict, asker: Asker
) -> Verdict | Due:
    """Return what comes first for `host`, for which the gate says `verdict`: a hook, or that answer or another.

    `kept`: the waves of all rollouts of that name that are not given back, the last prepared first: what one has found
    is what those before it have made of it.
    """
    me = rollout.find(host)
    if me is None or verdict.answer in (Answer.STOP, Answer.DONE):
        return verdict
    for one in kept:
        if one.saved is not None and _is_done(one, rollout, me):
            return _unless_in_hand(one, Due(Side.RESTORE, one.rollout_id, one.wave), asker)
    if verdict.answer is not Answer.GO:
        # Who waits for a wave whose hooks are being run waits for something that moves.
        moving = verdict.moving or any(asker.sees_held(one) for one in kept)
        return replace(verdict, moving=moving)
    prepare = Due(Side.PREPARE, rollout.id, me.wave)
    mine = next((one for one in kept if (one.rollout_id, one.wave) == (rollout.id, me.wave)), None)
    if mine is None:
        return prepare
    return verdict if mine.state is WaveState.PREPARED else _unless_in_hand(mine, prepare, asker)


def _is_done(one: WaveRecord, rollout: RolloutRecord, me: HostRecord) -> bool:
    """Tell whether a wave is to be given back before the wave of `me` is prepared."""
    if one.rollout_id != rollout.id:
        return True
    if me.phase in GOING_BACK:  # nobody goes forward any more
        moving = (host for host in rollout.hosts if host.phase in IN_FLIGHT | GOING_BACK)
        return one.wave != me.wave and all(host.wave != one.wave for host in moving)
    return one.wave < me.wave and is_over(rollout, one.wave)


def _unless_in_hand(one: WaveRecord, due: Due, asker: Asker) -> Verdict | Due:
    if asker.sees_held(one):
        doing = "prepares" if one.state is WaveState.PREPARING else "gives back"
        return Verdict(Answer.WAIT, f"{one.controller} {doing} wave {one.wave}", moving=True)
    # What failed is tried again by the next run, not by those that were there.
    if one.state is WaveState.FAILED and asker.takes_part(one.controller):
        return Verdict(Answer.STOP, one.why or f"a hook of wave {one.wave} failed")
    return due


def is_over(rollout: RolloutRecord, wave: int) -> bool:
    """Tell whether every host of `wave` is confirmed or has failed. The record may be what is near a host of a later
    wave: of those that have not had their turn it has the first few only."""
    for one in rollout.hosts:
        if one.phase in (Phase.STEADY, Phase.STAGED) and one.wave <= wave:
            return False
        if one.wave == wave and one.phase in IN_FLIGHT | GOING_BACK:
            return False
    return True


def left_behind(kept: Sequence[WaveRecord], rollout: RolloutRecord, asker: Asker, others: bool) -> list[WaveRecord]:
    """Return the waves that a run has to give back before it ends, in that order.

    `rollout`: the newest, with all its hosts. `others`: do other runs take part? Those go on with a wave that is not
    over. What another run has in hand, be it a hook or a host, is left to it, and so is a wave with a host that nobody
    has seen since its controller died.
    """
    return [one for one in kept if one.saved is not None and _is_left(one, rollout, asker, others)]


def _is_left(one: WaveRecord, rollout: RolloutRecord, asker: Asker, others: bool) -> bool:
    if one.controller != asker.controller and asker.sees_held(one):
        return False
    if one.rollout_id != rollout.id:
        return True
    if any(
        host.wave == one.wave and host.phase in IN_FLIGHT and host.controller != asker.controller
        for host in rollout.hosts
    ):
        return False
    unfinished = any(host.wave == one.wave and host.phase not in (Phase.CONFIRMED, *BAD) for host in rollout.hosts)
    return not (others and unfinished and rollout.state in (OPEN, PAUSED))
