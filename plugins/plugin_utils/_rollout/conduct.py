# SPDX-License-Identifier: GPL-3.0-or-later
"""Conduct a rollout that was planned: take note of the staging, admit hosts, record how they left, end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from .._errors import FlotillaError
from .._fleetlock.store import reboot_locks_held
from .._model.host import Clock
from .._model.phase import BAD, IN_FLIGHT, Phase
from .gate import Answer, Verdict, ask
from .ledger import DONE, OPEN, STOPPED, HostRecord, RolloutRecord, Writer
from .part import version_of
from .taking_up import Planner
from .turn import Left, text
from .wave_keeper import WaveKeeper

# How often (s) a waiting host asks the gate.
GATE_PAUSE = 2.0
# A wait in which nothing is under way ends after this time (s): nobody will ever open the gate.
STALLED_AFTER = 120.0
# How often (s) a waiting host says what it waits for.
SAY_EVERY = 60.0
# How long (s) a host waits for a paused rollout unless it is told otherwise.
PAUSED_AT_MOST = 86400.0


class Conductor(Planner):
    """Drives what was planned: takes note of the staging, admits hosts, records how they left, closes the books."""

    # -- staging

    def staged(self, results: Mapping[str, Mapping[str, Any] | None]) -> dict[str, str]:
        """Take note of how the staging went; `results`: host to the registered result, None where it never ran.

        Returns the hosts that are not staged, with the reason. Raises FlotillaError when they are too many.
        """
        with self.ledger.write() as writer:
            rollout = self._taking_part(writer)
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
                self._settle(writer, rollout, STOPPED, why)
        if len(bad) > allowed:
            shown = "; ".join(f"{host} {reason}" for host, reason in list(bad.items())[:5])
            raise FlotillaError(
                f"rollout {self.name} stopped before its first wave: {why}: {shown}; no host was rebooted"
            )
        return bad

    # -- one host

    def enter(
        self,
        host: str,
        lease: int,
        clock: Clock,
        say: Callable[[str], None],
        pause_timeout: float = PAUSED_AT_MOST,
        hook_lease: int = 0,
    ) -> dict[str, Any]:
        """Wait until `host` may be touched, and record that it is. Raises FlotillaError when it may not.

        `lease`: seconds after which the host counts as lost unless it has left. `pause_timeout`: how long (s) to wait
        for a rollout that is paused. `hook_lease`: how long (s) the hooks of a wave may take, 0 where waves have none:
        with it, the host may be given one to run (`hook`), not admitted, and has to ask again.
        """
        asking = self.entering(host, lease, clock, say, pause_timeout, hook_lease)
        while True:
            try:
                pause = next(asking)
            except StopIteration as end:
                return dict(end.value)
            clock.sleep(pause)

    def entering(
        self,
        host: str,
        lease: int,
        clock: Clock,
        say: Callable[[str], None],
        pause_timeout: float = PAUSED_AT_MOST,
        hook_lease: int = 0,
    ) -> Generator[float, None, dict[str, Any]]:
        """Ask the gate, and yield the seconds to wait before it is asked again: for who may not block. See `enter`."""
        idle_since = clock.monotonic()
        said = clock.monotonic()
        paused_since: float | None = None
        while True:
            if self.gone(self.controller):
                # A worker that outlived its ansible-playbook: nobody would carry out the turn that it is given.
                raise FlotillaError(f"cannot let {host} through the gate: this run is dead; {host} was not touched")
            with self.ledger.write() as writer:
                rollout = self._taking_part(writer, host)
                locked = reboot_locks_held(writer.connection, writer.now, self.name)
                record = rollout.find(host)
                bad = writer.quarantine(record.target) if record else {}
                asked = ask(rollout, host, writer.now, self.gone, self.controller, bad, locked)
                verdict = self._hooks_first(writer, rollout, host, asked, hook_lease)
                if isinstance(verdict, dict):
                    return verdict
                if verdict.answer is Answer.GO and record is not None:
                    values = {
                        "controller": self.controller,
                        "token": record.token + 1,
                        "lease_until": writer.now + lease,
                        "entered_at": record.entered_at or writer.now,
                        "left_at": None,
                    }
                    target = record.phase if record.phase in IN_FLIGHT else Phase.GUARDED
                    writer.move(rollout, host, target, verdict.why, self.controller, **values)
                    turn = {"admitted": True, "wave": record.wave, "token": record.token + 1, "why": verdict.why}
                    return {**turn, "saved": writer.saved(rollout.id, host)}
                waited = clock.monotonic() - idle_since > STALLED_AFTER
                stalled = verdict.answer is Answer.WAIT and not verdict.moving and waited
                reason = verdict.why + (f" (nothing has moved for {STALLED_AFTER:.0f} s)" if stalled else "")
                ends = verdict.answer is Answer.STOP or (stalled and not self._other_runs(writer, rollout))
                if ends and rollout.state == OPEN:
                    writer.set_state(rollout.id, STOPPED, reason)
            if verdict.answer is Answer.DONE:
                return {"admitted": False, "wave": None, "token": None, "why": verdict.why}
            if not verdict.paused:
                paused_since = None
            elif paused_since is None:
                paused_since = clock.monotonic()
                say(f"waiting: {verdict.why}")
            elif clock.monotonic() - paused_since > pause_timeout:
                limit = f"it has waited {pause_timeout:.0f} s for that to end"
                raise FlotillaError(
                    f"cannot let {host} through the gate: {verdict.why}; {limit}; {host} was not touched"
                )
            if verdict.answer in (Answer.STOP, Answer.REFUSE) or stalled:
                raise FlotillaError(f"cannot let {host} through the gate: {reason}; {host} was not touched")
            if verdict.moving:
                idle_since = clock.monotonic()
            if clock.monotonic() - said > SAY_EVERY:
                said = clock.monotonic()
                say(f"waiting: {verdict.why}")
            yield GATE_PAUSE

    def _hooks_first(
        self, writer: Writer, rollout: RolloutRecord, host: str, verdict: Verdict, lease: int
    ) -> Verdict | dict[str, Any]:
        """Return the answer, or the hook that is to be run before it. Without hooks, nothing more is asked."""
        if lease == 0:
            return verdict
        keeper = WaveKeeper(self.ledger, self.name, self.controller, self.gone)
        return keeper.before(writer, rollout, host, verdict, lease)

    def leave(self, host: str, outcome: Left, token: int | None = None) -> None:
        """Record how `host` left its turn. Raises FlotillaError when it is not confirmed: its play ends here.

        `token`: of the lease that the gate gave; None: whichever lease this controller has. With it, to say the same
        twice is no harm: the first time may have been recorded although nobody could say so.
        """
        with self.ledger.write() as writer:
            rollout = self._current(writer, host)
            record = rollout.find(host)
            if record is not None and token is not None:
                if record.token != token:
                    raise FlotillaError(
                        f"cannot record that {host} is {outcome.phase.value}: lease {token} is over, "
                        f"the host was taken over with lease {record.token}"
                    )
                if record.phase is outcome.phase and record.left_at is not None:
                    _ended_turn(host, outcome)
                    return  # recorded already
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
                writer.put_in_quarantine(record.target, version_of(rollout, host), host, outcome.why)
            after = self._current(writer, host)
            bad = [one for one in after.hosts if one.phase in BAD]
            allowed = int(after.plan["max_failures"])
            if len(bad) > allowed:
                why = f"max_failures is {allowed}; {host} {outcome.phase.value}: {outcome.why}"
                self._settle(writer, after, STOPPED, why)
        _ended_turn(host, outcome)

    # -- the end

    def end(self) -> RolloutRecord | None:
        """Close the books of this run. Returns the record; None when this run has planned or resumed nothing."""
        with self.ledger.write() as writer:
            rollout = writer.rollout(self.name)
            if rollout is None or not writer.part(rollout.id, self.controller):
                return None
            for one in rollout.hosts:
                if one.phase in IN_FLIGHT and not self._driven_by_other(one, writer.now):
                    self._walk(
                        writer,
                        rollout,
                        one,
                        Phase.UNREACHABLE,
                        "nobody knows how its turn ended",
                        lease_until=None,
                        controller=None,
                    )
            rollout = self._current(writer)
            bad = [one for one in rollout.hosts if one.phase in BAD]
            if all(one.phase is Phase.CONFIRMED for one in rollout.hosts):
                writer.set_state(rollout.id, DONE, "every host is confirmed")
            elif self._other_runs(writer, rollout):
                pass  # theirs to end
            elif bad:
                why = "; ".join(f"{one.host} {one.phase.value}: {one.why}" for one in bad)
                self._settle(writer, rollout, STOPPED, why)
            elif rollout.state == OPEN:
                writer.set_state(rollout.id, STOPPED, "its run has ended before every host had its turn")
            return writer.rollout(self.name)


def _ended_turn(host: str, outcome: Left) -> None:
    if outcome.phase is not Phase.CONFIRMED:
        raise FlotillaError(f"{host} {outcome.phase.value.replace('_', ' ')}: {outcome.why}", phase=outcome.phase)


def _staging(one: HostRecord, result: Mapping[str, Any] | None) -> tuple[Phase, str]:
    if result is None or result.get("unreachable"):
        return Phase.UNREACHABLE, "not reachable for staging" + (f": {text(result)}" if result else "")
    state = result.get("host_state") or {}
    there = {(state.get(place) or {}).get("digest") for place in ("staged", "booted")}
    if not result.get("failed") and one.target in there:
        return Phase.STAGED, text(result)
    return Phase.FAILED, text(result)
