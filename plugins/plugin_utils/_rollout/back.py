# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring confirmed hosts back when their rollout has failed: decided and recorded at once, gone host by host."""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator, Mapping
from typing import Any

from .._errors import FlotillaError
from .._model.host import Clock
from .._model.phase import AWAY, BAD, GOING_BACK, IN_FLIGHT, Phase
from .conduct import GATE_PAUSE, PAUSED_AT_MOST, SAY_EVERY, STALLED_AFTER, Conductor
from .gate import Answer, Places, Verdict, lost
from .ledger import HALTED, PAUSED, STOPPED, HostRecord, RolloutRecord
from .turn import Left


class OnFailure(str, enum.Enum):
    """What becomes of whom when a host fails. (A host that fell back by its guard is back in any case.)"""

    STOP = "stop"  # nobody is brought back by us
    ROLLBACK_HOST = "rollback_host"  # the host with the bad verdict
    ROLLBACK_WAVE = "rollback_wave"  # and, when the rollout stops for it, the confirmed hosts of its wave
    ROLLBACK_ALL = "rollback_all"  # and all confirmed hosts of the rollout


def recalled(rollout: RolloutRecord, on_failure: OnFailure) -> list[HostRecord]:
    """Return the confirmed hosts that must go back now. Pure.

    Only failures beyond what the policy allows, and only of hosts that had their turn: what cannot stage says nothing
    about those that run the target.
    """
    bad = [one for one in rollout.hosts if one.phase in BAD]
    waves = {one.wave for one in bad if one.entered_at is not None}
    too_many = len(bad) > int(rollout.plan["max_failures"]) or Places(rollout.plan).failed_too_often(bad) is not None
    if not too_many or not waves or rollout.state in (PAUSED, HALTED):
        return []
    if on_failure not in (OnFailure.ROLLBACK_WAVE, OnFailure.ROLLBACK_ALL):
        return []
    return [
        one
        for one in rollout.hosts
        if one.phase is Phase.CONFIRMED and (on_failure is OnFailure.ROLLBACK_ALL or one.wave in waves)
    ]


def ask_back(rollout: RolloutRecord, host: str, now: int, gone: Callable[[str], bool], asker: str) -> Verdict:
    """May `host` go back now? See gate.ask. Failures are no obstacle here, they are the reason; the budget of hosts
    that may be away holds all the same. Pure."""
    me = rollout.find(host)
    if me is None or me.phase not in (*GOING_BACK, Phase.ROLLED_BACK):
        where = "not in its plan" if me is None else me.phase.value
        return Verdict(Answer.REFUSE, f"{host} is not to be brought back by rollout {rollout.name}: it is {where}")
    if me.phase is Phase.ROLLED_BACK:
        return Verdict(Answer.DONE, f"{host} is rolled back already")
    said = f"rollout {rollout.name} is {rollout.state}: {rollout.why}"
    if rollout.state == HALTED:
        return Verdict(Answer.STOP, said)
    if rollout.state == PAUSED:
        return Verdict(Answer.WAIT, said, moving=True, paused=True)
    if me.phase is Phase.RETURNING and me.controller != asker and not lost(me, now, gone):
        return Verdict(Answer.WAIT, f"{host} is in the hands of {me.controller}", moving=True)
    down = [one for one in rollout.hosts if one.host != host and one.phase in AWAY]
    adrift = [one for one in down if one.phase in IN_FLIGHT and lost(one, now, gone)]
    flying = [one for one in down if one.phase in IN_FLIGHT and one not in adrift]
    full = Places(rollout.plan).full(host, down, flying, adrift)
    if full is not None:
        return full
    max_unavailable = int(rollout.plan["max_unavailable"])
    if len(down) >= max_unavailable:
        shown = ", ".join(f"{one.host} ({one.phase.value})" for one in down[:5])
        answer = Answer.WAIT if flying else Answer.STOP
        return Verdict(answer, f"max_unavailable is {max_unavailable}: {shown}", moving=bool(flying))
    return Verdict(Answer.GO, f"going back, {len(down)} of {max_unavailable} are away")


def returned(results: Mapping[str, Mapping[str, Any] | None], way_back: str) -> Left:
    """Judge the registered results of a way back: `rollback` and `verdict`. `way_back`: the digest to be on. Pure.

    Success takes proof: that digest is booted, and a good verdict was given.
    """
    rollback, verdict = results.get("rollback") or {}, results.get("verdict") or {}
    for name, result in (("rollback", rollback), ("verdict", verdict)):
        if result.get("unreachable"):
            return Left(Phase.UNREACHABLE, f"{name}: {_text(result)}")
        if result.get("failed"):
            phase = Phase.UNREACHABLE if result.get("phase") == Phase.UNREACHABLE.value else Phase.FAILED
            return Left(phase, f"{name}: {_text(result)}")
    booted = ((rollback.get("host_state") or {}).get("booted") or {}).get("digest")
    if booted != way_back:
        runs = f"it runs {str(booted)[:12]}" if booted else "nobody saw what it runs"
        return Left(Phase.FAILED, f"not proven to run {way_back[:12]} again: {runs}")
    if (verdict.get("verdict") or {}).get("healthy") is not True:
        return Left(Phase.FAILED, f"runs {way_back[:12]} again, and has no good verdict")
    return Left(Phase.ROLLED_BACK, f"brought back: {_text(rollback)}")


class WayBack(Conductor):
    """The way back of confirmed hosts, for one controller, on the record of their rollout."""

    def recall(self, on_failure: OnFailure) -> dict[str, str]:
        """Record who must go back. Returns host to the digest to go back to, of all that are not back yet.

        Empty when this run has planned nothing, or nobody must.
        """
        with self.ledger.write() as writer:
            rollout = writer.rollout(self.name)
            if rollout is None or self.controller not in writer.runs(rollout.id):
                return {}
            hosts = recalled(rollout, on_failure)
            bad = [one for one in rollout.hosts if one.phase in BAD]
            told = "; ".join(f"{one.host} {one.phase.value}: {one.why}" for one in bad[:5])
            for one in hosts:
                why = f"to be brought back ({on_failure.value}) because of {told}"
                writer.move(rollout, one.host, Phase.RECALLED, why, self.controller, left_at=None)
            if hosts:
                writer.set_state(rollout.id, STOPPED, f"{on_failure.value}: {told}")
            rollout = self._current(writer)
            return {one.host: way_back(rollout, one.host) for one in rollout.hosts if one.phase in GOING_BACK}

    def entering(
        self,
        host: str,
        lease: int,
        clock: Clock,
        say: Callable[[str], None],
        pause_timeout: float = PAUSED_AT_MOST,
        hook_lease: int = 0,
    ) -> Generator[float, None, dict[str, Any]]:
        """As with every gate (see `Conductor.enter`): here it lets a host go back."""
        idle_since = said = clock.monotonic()
        paused_since: float | None = None
        while True:
            if self.gone(self.controller):
                raise FlotillaError(f"cannot bring {host} back: this run is dead; {host} was not touched")
            with self.ledger.write() as writer:
                rollout = self._taking_part(writer)
                asked = ask_back(rollout, host, writer.now, self.gone, self.controller)
                verdict = self._hooks_first(writer, rollout, host, asked, hook_lease)
                if isinstance(verdict, dict):
                    return verdict
                record = rollout.find(host)
                if verdict.answer is Answer.GO and record is not None:
                    values = {"controller": self.controller, "token": record.token + 1}
                    values |= {"lease_until": writer.now + lease, "left_at": None}
                    writer.move(rollout, host, Phase.RETURNING, verdict.why, self.controller, **values)
                    turn = {"admitted": True, "wave": record.wave, "token": record.token + 1, "why": verdict.why}
                    return {**turn, "saved": writer.saved(rollout.id, host)}
            if verdict.answer is Answer.DONE:
                return {"admitted": False, "wave": None, "token": None, "why": verdict.why}
            if verdict.answer is not Answer.WAIT:
                raise FlotillaError(f"cannot bring {host} back: {verdict.why}; {host} was not touched")
            if not verdict.paused:
                paused_since = None
            elif paused_since is None:
                paused_since = clock.monotonic()
                say(f"waiting: {verdict.why}")
            elif clock.monotonic() - paused_since > pause_timeout:
                raise FlotillaError(f"cannot bring {host} back: {verdict.why}; {host} waited {pause_timeout:.0f} s")
            if verdict.moving:
                idle_since = clock.monotonic()
            elif clock.monotonic() - idle_since > STALLED_AFTER:
                still = f"nothing has moved for {STALLED_AFTER:.0f} s"
                raise FlotillaError(f"cannot bring {host} back: {verdict.why} ({still}); {host} was not touched")
            if clock.monotonic() - said > SAY_EVERY:
                said = clock.monotonic()
                say(f"waiting: {verdict.why}")
            yield GATE_PAUSE

    def back(self, host: str, results: Mapping[str, Mapping[str, Any] | None], token: int | None = None) -> Left:
        """Record how the way back of `host` ended; return that. Raises FlotillaError unless it is rolled back.

        `token`: as in `leave`; to say the same twice is no harm there and here.
        """
        with self.ledger.write() as writer:
            rollout = self._current(writer)
            record = rollout.find(host)
            if record is None or token not in (None, record.token):
                raise FlotillaError(f"cannot record the way back of {host}: lease {token} is over")
            left = returned(results, way_back(rollout, host))
            if record.phase is not left.phase or record.left_at is None:
                if record.phase is not Phase.RETURNING or record.controller != self.controller:
                    raise FlotillaError(f"{host} was not let through the gate to go back")
                values = {"left_at": writer.now, "lease_until": None, "controller": None}
                writer.move(rollout, host, left.phase, left.why, self.controller, **values)
        if left.phase is not Phase.ROLLED_BACK:
            raise FlotillaError(f"{host} {left.phase.value}: {left.why}", phase=left.phase)
        return left


def way_back(rollout: RolloutRecord, host: str) -> str:
    """Return the digest that the plan recorded as the way back of `host`."""
    return next(
        str(one["rollback_to"]["digest"]) for wave in rollout.plan["waves"] for one in wave if one["host"] == host
    )


def _text(result: Mapping[str, Any]) -> str:
    return " ".join(str(result.get("msg") or "no reason given").split())
