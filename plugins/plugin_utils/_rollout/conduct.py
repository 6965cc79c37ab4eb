# SPDX-License-Identifier: GPL-3.0-or-later
"""Conduct a rollout: plan or resume, take note of the staging, admit hosts, record how they left, end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import FlotillaError, Refused
from .._model.host import Clock
from .._model.phase import BAD, IN_FLIGHT, Phase
from .gate import Answer, ask
from .ledger import DONE, OPEN, STOPPED, SUPERSEDED, HostRecord, Ledger, RolloutRecord, Writer, utc
from .observed import Seen
from .plan import Quarantined, make_plan
from .policy import Policy
from .reconcile import correct, way

# How often (s) a waiting host asks the gate.
GATE_PAUSE = 2.0
# A wait in which nothing is under way ends after this time (s): nobody will ever open the gate.
STALLED_AFTER = 120.0
# How long (s) a host that was found in the middle of its turn is kept for it when a rollout is taken up again.
RESUME_LEASE = 900
# How often (s) a waiting host says what it waits for.
SAY_EVERY = 60.0


@dataclass(frozen=True)
class Conductor:
    """A rollout by name, on a ledger, for one controller. `gone`: is that other controller known to be dead?"""

    ledger: Ledger
    name: str
    controller: str
    gone: Callable[[str], bool]

    # -- planning

    def plan(self, fleet: Sequence[Seen], policy: Policy, check: bool) -> Planned:
        """Resume the open rollout where it fits what was observed, else plan a new one.

        In check mode nothing is recorded. Raises Refused.
        """
        with self.ledger.write() as writer:
            current = writer.rollout(self.name)
            unended = current is not None and current.state in (OPEN, STOPPED)
            planned = self._resume(writer, current, fleet, policy, check) if current and unended else None
            if planned is None:
                plan = make_plan(fleet, policy, writer.quarantine())
                order = tuple(one.host for one in plan.hosts)
                rollout_id = None
                if not check and current and unended:
                    writer.set_state(current.id, SUPERSEDED, "another target, fleet or policy was asked for")
                if not check and plan.hosts:
                    rollout_id = writer.open_rollout(self.name, plan.document())
                planned = Planned(plan.document(), rollout_id, False, order)
        # Only now: what was found out about the hosts is recorded, also where it forbids to go on.
        if planned.refusal:
            raise Refused(planned.refusal)
        return planned

    def _resume(
        self, writer: Writer, current: RolloutRecord, fleet: Sequence[Seen], policy: Policy, check: bool
    ) -> Planned | None:
        seen = {one.host: one for one in fleet}
        held = {one.host for one in current.hosts if self._driven_by_other(one, writer.now)}
        mine = [one for one in current.hosts if one.host in seen and one.host not in held]
        flying = [one for one in mine if one.phase in IN_FLIGHT or seen[one.host].phase(one.target) is Phase.BOOTED]
        if not flying and not held and not _fits(current, mine, fleet, policy):
            return None
        corrections = {one.host: correct(one, seen[one.host]) for one in mine}
        quarantine = writer.quarantine()
        for one in mine:
            correction = corrections[one.host]
            if not check:
                self._walk(writer, current, one, correction.phase, correction.why)
                if correction.phase in IN_FLIGHT:
                    # In our hands from here on: until its turn comes nobody may take it for lost.
                    writer.take(current.id, one.host, self.controller, RESUME_LEASE)
            if correction.quarantine and one.target not in quarantine:
                version = _version(current, one.host)
                quarantine[one.target] = Quarantined(one.target, version, one.host, correction.why, utc(writer.now))
                if not check:
                    writer.put_in_quarantine(one.target, version, one.host, correction.why)
        unfinished = [one for one in current.hosts if one.host in seen and one.phase is not Phase.CONFIRMED]
        bad = next((quarantine[one.target] for one in unfinished if one.target in quarantine), None)
        refusal = None
        if bad is not None:
            trial = [host for host, correction in corrections.items() if correction.phase is Phase.BOOTED]
            also = f"; on trial with it, and going back by their guard: {', '.join(trial)}" if trial else ""
            refusal = f"cannot go on with rollout {self.name}: {bad.sentence()}{also}"
        if not check:
            writer.set_state(current.id, STOPPED if refusal else OPEN, refusal or "resumed")
        return Planned(dict(current.plan), current.id, True, tuple(one.host for one in unfinished), refusal)

    def _driven_by_other(self, one: HostRecord, now: int) -> bool:
        alive = one.controller is not None and one.controller != self.controller and not self.gone(one.controller)
        return one.phase in IN_FLIGHT and alive and one.lease_until is not None and one.lease_until >= now

    def _walk(
        self, writer: Writer, rollout: RolloutRecord, record: HostRecord, phase: Phase, why: str, **values: Any
    ) -> None:
        """Record the whole way to `phase`, as the table has it."""
        here = record
        for step in way(record.phase, phase):
            moved = RolloutRecord(**{**vars(rollout), "hosts": (here,)})
            writer.move(moved, here.host, step, why, self.controller, **values)
            here = HostRecord(**{**vars(here), "phase": step})

    # -- staging

    def staged(self, results: Mapping[str, Mapping[str, Any] | None]) -> dict[str, str]:
        """Take note of how the staging went; `results`: host to the registered result, None where it never ran.

        Returns the hosts that are not staged, with the reason. Raises FlotillaError when they are too many.
        """
        with self.ledger.write() as writer:
            rollout = self._current(writer)
            for one in rollout.hosts:
                if one.host not in results or one.phase not in (Phase.STEADY, Phase.STAGED):
                    continue
                phase, why = _staging(one, results[one.host])
                self._walk(writer, rollout, one, phase, why)
            rollout = self._current(writer)
            bad = {one.host: f"{one.phase.value}: {one.why}" for one in rollout.hosts if one.phase in BAD}
            allowed = int(rollout.plan["max_failures"])
            if len(bad) > allowed:
                why = f"max_failures is {allowed}, and {len(bad)} of {len(rollout.hosts)} hosts are not staged"
                writer.set_state(rollout.id, STOPPED, why)
        if len(bad) > allowed:
            shown = "; ".join(f"{host} {reason}" for host, reason in list(bad.items())[:5])
            raise FlotillaError(
                f"rollout {self.name} stopped before its first wave: {why}: {shown}; no host was rebooted"
            )
        return bad

    # -- one host

    def enter(self, host: str, lease: int, clock: Clock, say: Callable[[str], None]) -> dict[str, Any]:
        """Wait until `host` may be touched, and record that it is. Raises FlotillaError when it may not.

        `lease`: seconds after which the host counts as lost unless it has left.
        """
        idle_since = clock.monotonic()
        said = clock.monotonic()
        while True:
            with self.ledger.write() as writer:
                rollout = self._current(writer)
                verdict = ask(rollout, host, writer.now, self.gone, self.controller)
                if verdict.answer is Answer.GO:
                    record = next(one for one in rollout.hosts if one.host == host)
                    values = {
                        "controller": self.controller,
                        "token": record.token + 1,
                        "lease_until": writer.now + lease,
                        "entered_at": record.entered_at or writer.now,
                        "left_at": None,
                    }
                    target = record.phase if record.phase in IN_FLIGHT else Phase.GUARDED
                    writer.move(rollout, host, target, verdict.why, self.controller, **values)
                    return {"wave": record.wave, "token": record.token + 1, "why": verdict.why}
                stalled = not verdict.moving and clock.monotonic() - idle_since > STALLED_AFTER
                if verdict.answer is Answer.STOP or stalled:
                    reason = verdict.why + (f" (nothing has moved for {STALLED_AFTER:.0f} s)" if stalled else "")
                    if rollout.state == OPEN:
                        writer.set_state(rollout.id, STOPPED, reason)
            if verdict.answer is Answer.DONE:
                return {"wave": None, "token": None, "why": verdict.why}
            if verdict.answer is Answer.STOP or stalled:
                raise FlotillaError(f"cannot let {host} through the gate: {reason}; {host} was not touched")
            if verdict.moving:
                idle_since = clock.monotonic()
            if clock.monotonic() - said > SAY_EVERY:
                said = clock.monotonic()
                say(f"waiting: {verdict.why}")
            clock.sleep(GATE_PAUSE)

    def leave(self, host: str, outcome: Left) -> None:
        """Record how `host` left its turn. Raises FlotillaError when it is not confirmed: its play ends here."""
        with self.ledger.write() as writer:
            rollout = self._current(writer)
            record = next((one for one in rollout.hosts if one.host == host), None)
            if record is None or record.phase not in IN_FLIGHT or record.controller != self.controller:
                # Never admitted (the gate has said why), found confirmed, or taken over by another controller.
                if record is not None and record.phase is Phase.CONFIRMED:
                    return
                raise FlotillaError(f"{host} was not let through the gate")
            self._walk(
                writer,
                rollout,
                record,
                outcome.phase,
                outcome.why,
                left_at=writer.now,
                lease_until=None,
                controller=None,
            )
            if outcome.quarantine:
                writer.put_in_quarantine(record.target, _version(rollout, host), host, outcome.why)
            after = self._current(writer)
            bad = [one for one in after.hosts if one.phase in BAD]
            allowed = int(after.plan["max_failures"])
            if len(bad) > allowed:
                writer.set_state(
                    after.id, STOPPED, f"max_failures is {allowed}; {host} {outcome.phase.value}: {outcome.why}"
                )
        if outcome.phase is not Phase.CONFIRMED:
            raise FlotillaError(f"{host} {outcome.phase.value.replace('_', ' ')}: {outcome.why}", phase=outcome.phase)

    # -- the end

    def end(self) -> RolloutRecord | None:
        """Close the books of this run. Returns the record; None when there is no rollout of that name."""
        with self.ledger.write() as writer:
            rollout = writer.rollout(self.name)
            if rollout is None or rollout.state not in (OPEN, STOPPED):
                return rollout
            for one in rollout.hosts:
                if one.phase in IN_FLIGHT and not self._driven_by_other(one, writer.now):
                    self._walk(writer, rollout, one, Phase.UNREACHABLE, "nobody knows how its turn ended")
            rollout = self._current(writer)
            if all(one.phase is Phase.CONFIRMED for one in rollout.hosts):
                writer.set_state(rollout.id, DONE, "every host is confirmed")
            elif not any(one.phase in IN_FLIGHT for one in rollout.hosts):
                bad = [one for one in rollout.hosts if one.phase in BAD]
                why = "; ".join(f"{one.host} {one.phase.value}: {one.why}" for one in bad) or rollout.why or "cut off"
                writer.set_state(rollout.id, STOPPED, why)
            return writer.rollout(self.name)

    def _current(self, writer: Writer) -> RolloutRecord:
        rollout = writer.rollout(self.name)
        if rollout is None:
            raise Refused(f"cannot go on with rollout {self.name}: the ledger has none of that name")
        return rollout


@dataclass(frozen=True)
class Planned:
    """What is to be done. `order`: the hosts that are not confirmed yet, first come first; `id`: None in check mode and
    where there is nothing to do. `refusal`: why the rollout must not go on."""

    document: Mapping[str, Any]
    id: int | None
    resumed: bool
    order: tuple[str, ...]
    refusal: str | None = None


@dataclass(frozen=True)
class Left:
    """How a host left its turn."""

    phase: Phase
    why: str
    quarantine: bool = False


def left(results: Mapping[str, Mapping[str, Any] | None]) -> Left:
    """Judge the registered results of a host's turn: `baseline`, `boot`, `verdict`, `confirm`, `rollback`.

    Only a confirm that succeeded is a success. A target is put in quarantine when it was seen to fail: the host went
    back from it while a controller waited, or its verdict was bad.
    """
    done = {name: result for name, result in results.items() if result and not result.get("skipped")}
    if "confirm" in done and not _trouble(done["confirm"]):
        return Left(Phase.CONFIRMED, _text(done["confirm"]))
    boot = done.get("boot", {})
    if boot.get("failed") and boot.get("phase") in (
        Phase.ROLLED_BACK.value,
        Phase.FAILED.value,
        Phase.UNREACHABLE.value,
    ):
        fell_back = boot.get("cause") in ("boot_failed", "not_confirmed", "reset")
        return Left(Phase(boot["phase"]), _text(boot), quarantine=fell_back)
    verdict = done.get("verdict", {})
    judged = bool(verdict.get("failed")) and isinstance(verdict.get("verdict"), Mapping)
    rollback = done.get("rollback")
    if rollback is not None and not _trouble(rollback) and judged:
        return Left(Phase.ROLLED_BACK, _text(verdict), quarantine=True)
    for name in ("rollback", "confirm", "verdict", "boot", "baseline"):
        result = done.get(name)
        if result is not None and result.get("unreachable"):
            return Left(Phase.UNREACHABLE, f"{name}: {_text(result)}", quarantine=judged)
    for name in ("confirm", "verdict", "boot", "baseline"):
        result = done.get(name)
        if result is not None and result.get("failed"):
            return Left(Phase.FAILED, f"{name}: {_text(result)}", quarantine=judged)
    return Left(Phase.FAILED, "its turn was cut off")


def _trouble(result: Mapping[str, Any]) -> bool:
    return bool(result.get("failed") or result.get("unreachable"))


def _text(result: Mapping[str, Any]) -> str:
    return " ".join(str(result.get("msg") or "no reason given").split())


def _fits(current: RolloutRecord, mine: Sequence[HostRecord], fleet: Sequence[Seen], policy: Policy) -> bool:
    """Tell whether the stored plan is still the one that would be asked for."""
    if current.plan["policy"] != policy.native():
        return False
    seen = {one.host: one for one in fleet}
    for record in mine:
        host = seen[record.host]
        if host.trouble is None and host.offer is not None and host.offer.digest != record.target:
            return False
        if (
            record.phase is Phase.CONFIRMED
            and host.trouble is None
            and host.phase(record.target) is not Phase.CONFIRMED
        ):
            return False
    planned = {one.host for one in current.hosts}
    return all(one.host in planned or one.trouble is not None or _is_there(one) or one.driver is None for one in fleet)


def _is_there(one: Seen) -> bool:
    return one.booted is not None and one.offer is not None and one.booted.digest == one.offer.digest


def _staging(one: HostRecord, result: Mapping[str, Any] | None) -> tuple[Phase, str]:
    if result is None or result.get("unreachable"):
        return Phase.UNREACHABLE, "not reachable for staging" + (f": {_text(result)}" if result else "")
    state = result.get("host_state") or {}
    there = {(state.get(place) or {}).get("digest") for place in ("staged", "booted")}
    if not result.get("failed") and one.target in there:
        return Phase.STAGED, _text(result)
    return Phase.FAILED, _text(result)


def _version(rollout: RolloutRecord, host: str) -> str | None:
    for wave in rollout.plan["waves"]:
        for one in wave:
            if one["host"] == host:
                name = one["target"]["name"]
                return None if name is None else str(name)
    return None
