# SPDX-License-Identifier: GPL-3.0-or-later
"""Conduct a rollout: plan or resume, take note of the staging, admit hosts, record how they left, end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import FlotillaError, Refused
from .._fleetlock.store import reboot_locks_held
from .._model.host import Clock
from .._model.phase import BAD, GOING_BACK, IN_FLIGHT, Phase
from .apply import check_same_plan
from .gate import Answer, ask
from .history import turn_seconds
from .ledger import DONE, HALTED, OPEN, PAUSED, STOPPED, SUPERSEDED, HostRecord, Ledger, RolloutRecord, Writer, utc
from .observed import Seen
from .plan import Quarantined, left_out_by_policy, make_plan
from .policy import Policy
from .reconcile import correct, way
from .turn import Left, text

# How often (s) a waiting host asks the gate.
GATE_PAUSE = 2.0
# A wait in which nothing is under way ends after this time (s): nobody will ever open the gate.
STALLED_AFTER = 120.0
# How long (s) a host that was found in the middle of its turn is kept for it when a rollout is taken up again.
RESUME_LEASE = 900
# A run that was not heard of for this time (s), and whose death cannot be seen from here, takes no part any more.
# Longer than a run may be silent: while it stages, it records nothing.
RUN_LEASE = 7200
# How often (s) a waiting host says what it waits for.
SAY_EVERY = 60.0
# How long (s) a host waits for a paused rollout unless it is told otherwise.
PAUSED_AT_MOST = 86400.0


@dataclass(frozen=True)
class Conductor:
    """A rollout by name, on a ledger, for one controller. `gone`: is that other controller known to be dead?"""

    ledger: Ledger
    name: str
    controller: str
    gone: Callable[[str], bool]

    # -- planning

    def plan(
        self, fleet: Sequence[Seen], policy: Policy, check: bool, wanted: Mapping[str, Any] | None = None
    ) -> Planned:
        """Resume the open rollout where it fits what was observed, else plan a new one.

        `wanted`: the document of the only plan that may be carried out.
        In check mode nothing is recorded. Raises Refused.
        """
        with self.ledger.write() as writer:
            current = writer.rollout(self.name)
            planned = None
            if current is not None and current.state in (OPEN, STOPPED, PAUSED, HALTED):
                if current.state == HALTED:
                    raise Refused(self._held(current))
                others = self._other_runs(writer, current)
                if any(one.phase in GOING_BACK for one in current.hosts):
                    planned = self._bring_back(writer, current, others, check)
                elif others:
                    planned = self._join(writer, current, others, fleet, policy)
                else:
                    planned = self._resume(writer, current, fleet, policy, check)
                if planned is None and current.state == PAUSED:
                    raise Refused(f"{self._held(current)} (what is asked for now is another target, fleet or policy)")
                if planned is None and not check:
                    writer.set_state(current.id, SUPERSEDED, "another target, fleet or policy was asked for")
            if planned is None:
                plan = make_plan(fleet, policy, writer.quarantine(), history=turn_seconds(current))
                document = plan.document()
                if wanted is not None:
                    check_same_plan(wanted, document, under_way=False)
                rollout_id = writer.open_rollout(self.name, document) if plan.hosts and not check else None
                planned = Planned(document, rollout_id, False, tuple(one.host for one in plan.hosts))
            elif wanted is not None:
                check_same_plan(wanted, planned.document, under_way=True)
            if not check and planned.id is not None and not planned.refusal:
                writer.join(planned.id, self.controller)
        # Only now: what was found out about the hosts is recorded, also where it forbids to go on.
        if planned.refusal:
            raise Refused(planned.refusal)
        return planned

    def _held(self, current: RolloutRecord) -> str:
        return (
            f"cannot go on with rollout {self.name}: {current.why}; resume it with: "
            f"ansible-playbook flotilla.container_os.resume -e upgrade_rollout={self.name} -e why=..."
        )

    def _bring_back(self, writer: Writer, current: RolloutRecord, others: Sequence[str], check: bool) -> Planned:
        """Go on bringing hosts back, and do nothing else. Raises Refused."""
        if others:
            who = ", ".join(others)
            raise Refused(f"cannot join rollout {self.name}: {who} is bringing hosts back; run again when it has ended")
        back = [one for one in current.hosts if one.phase in GOING_BACK]
        for one in back:
            if one.phase is Phase.RETURNING and not check:
                why = "its way back was cut off; going on with it"
                self._walk(writer, current, one, Phase.RECALLED, why, controller=None, lease_until=None)
        note = f"bringing back {', '.join(one.host for one in back)}; {current.why}"
        return Planned(dict(current.plan), current.id, True, (), note=note)

    def _settle(self, writer: Writer, rollout: RolloutRecord, state: str, why: str) -> None:
        """Record the state of a rollout; a person's word stands."""
        if rollout.state not in (PAUSED, HALTED):
            writer.set_state(rollout.id, state, why)

    def _join(
        self, writer: Writer, current: RolloutRecord, others: Sequence[str], fleet: Sequence[Seen], policy: Policy
    ) -> Planned:
        """Share a rollout with runs that are alive. They know better than our observations, which may be older than
        what they have recorded since: nothing is corrected. Raises Refused."""
        who = ", ".join(others)
        if current.state not in (OPEN, PAUSED):
            raise Refused(
                f"cannot join rollout {self.name}: it was stopped ({current.why}), and its run has not ended yet "
                f"({who}); run again when it has"
            )
        seen = {one.host: one for one in fleet}
        mine = [one for one in current.hosts if one.host in seen]
        if not _fits(current, fleet, policy):
            raise Refused(
                f"cannot plan rollout {self.name}: it is under way to another target, fleet or policy than what is "
                f"asked for now, driven by {who}; run again when that has ended"
            )
        quarantine = writer.quarantine()
        unfinished = [one for one in mine if one.phase is not Phase.CONFIRMED]
        bad = next((quarantine[one.target] for one in unfinished if one.target in quarantine), None)
        if bad is not None:
            raise Refused(f"cannot join rollout {self.name}: {bad.sentence()}")
        note = f"shared with {who}"
        return Planned(dict(current.plan), current.id, True, tuple(one.host for one in unfinished), note=note)

    def _resume(
        self, writer: Writer, current: RolloutRecord, fleet: Sequence[Seen], policy: Policy, check: bool
    ) -> Planned | None:
        seen = {one.host: one for one in fleet}
        held = {one.host for one in current.hosts if self._driven_by_other(one, writer.now)}
        mine = [one for one in current.hosts if one.host in seen and one.host not in held]
        flying = [one for one in mine if one.phase in IN_FLIGHT or seen[one.host].phase(one.target) is Phase.BOOTED]
        fits = _fits(current, fleet, policy) and not _drifted(mine, seen)
        if not flying and not held and not fits:
            return None
        corrections = {one.host: correct(one, seen[one.host]) for one in mine}
        quarantine = writer.quarantine()
        for one in mine:
            correction = corrections[one.host]
            if not check:
                ended = {"lease_until": None, "controller": None}
                self._walk(writer, current, one, correction.phase, correction.why, **ended)
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
            self._settle(writer, current, STOPPED if refusal else OPEN, refusal or "resumed")

        def place(one: HostRecord) -> int:
            # A host in the middle of its turn goes first: it must not wait for a worker behind hosts that wait for it.
            if one.host in held:
                return 2
            return 0 if corrections[one.host].phase in IN_FLIGHT else 1

        order = tuple(one.host for one in sorted(unfinished, key=place))
        note = None if fits else "finishing what is under way; run again for what is asked for now"
        return Planned(dict(current.plan), current.id, True, order, refusal, note)

    def _other_runs(self, writer: Writer, rollout: RolloutRecord) -> list[str]:
        """Return the other runs that take part in `rollout` and may be alive."""
        return sorted(
            run
            for run, seen_at in writer.runs(rollout.id).items()
            if run != self.controller and seen_at + RUN_LEASE >= writer.now and not self.gone(run)
        )

    def _taking_part(self, writer: Writer) -> RolloutRecord:
        """Return the rollout, if this run planned it or took it up. Raises Refused: another run's plan is no plan."""
        rollout = writer.rollout(self.name)
        if rollout is None or self.controller not in writer.runs(rollout.id):
            raise Refused(
                f"cannot go on with rollout {self.name}: this run has not planned it, or it was replaced since; "
                "run the whole upgrade playbook again"
            )
        writer.join(rollout.id, self.controller)
        return rollout

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
        self, host: str, lease: int, clock: Clock, say: Callable[[str], None], pause_timeout: float = PAUSED_AT_MOST
    ) -> dict[str, Any]:
        """Wait until `host` may be touched, and record that it is. Raises FlotillaError when it may not.

        `lease`: seconds after which the host counts as lost unless it has left. `pause_timeout`: how long (s) to wait
        for a rollout that is paused.
        """
        asking = self.entering(host, lease, clock, say, pause_timeout)
        while True:
            try:
                pause = next(asking)
            except StopIteration as end:
                return dict(end.value)
            clock.sleep(pause)

    def entering(
        self, host: str, lease: int, clock: Clock, say: Callable[[str], None], pause_timeout: float = PAUSED_AT_MOST
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
                rollout = self._taking_part(writer)
                locked = reboot_locks_held(writer.connection, writer.now, self.name)
                verdict = ask(rollout, host, writer.now, self.gone, self.controller, writer.quarantine(), locked)
                if verdict.answer is Answer.GO:
                    [record] = [one for one in rollout.hosts if one.host == host]
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

    def leave(self, host: str, outcome: Left, token: int | None = None) -> None:
        """Record how `host` left its turn. Raises FlotillaError when it is not confirmed: its play ends here.

        `token`: of the lease that the gate gave; None: whichever lease this controller has. With it, to say the same
        twice is no harm: the first time may have been recorded although nobody could say so.
        """
        with self.ledger.write() as writer:
            rollout = self._current(writer)
            record = next((one for one in rollout.hosts if one.host == host), None)
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
                writer.put_in_quarantine(record.target, _version(rollout, host), host, outcome.why)
            after = self._current(writer)
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

    def _current(self, writer: Writer) -> RolloutRecord:
        rollout = writer.rollout(self.name)
        if rollout is None:
            raise Refused(f"cannot go on with rollout {self.name}: the ledger has none of that name")
        return rollout


@dataclass(frozen=True)
class Planned:
    """What is to be done. `order`: the hosts that are not confirmed yet, first come first; `id`: None in check mode and
    where there is nothing to do. `refusal`: why the rollout must not go on. `note`: what else the user should know."""

    document: Mapping[str, Any]
    id: int | None
    resumed: bool
    order: tuple[str, ...]
    refusal: str | None = None
    note: str | None = None


def _ended_turn(host: str, outcome: Left) -> None:
    if outcome.phase is not Phase.CONFIRMED:
        raise FlotillaError(f"{host} {outcome.phase.value.replace('_', ' ')}: {outcome.why}", phase=outcome.phase)


def _fits(current: RolloutRecord, fleet: Sequence[Seen], policy: Policy) -> bool:
    """Tell whether the stored plan is still the one that would be asked for."""
    if current.plan["policy"] != policy.native():
        return False
    targets = {one.host: one.target for one in current.hosts}
    left_out = left_out_by_policy(current.plan)
    for one in fleet:
        if one.host in left_out or one.trouble is not None or one.driver is None:
            continue
        if one.host in targets and one.offer is not None and one.offer.digest != targets[one.host]:
            return False
        if one.host not in targets and not _is_there(one):
            return False
    return True


def _drifted(mine: Sequence[HostRecord], seen: Mapping[str, Seen]) -> bool:
    """Tell whether a host that was confirmed runs something else by now."""
    return any(
        one.phase is Phase.CONFIRMED
        and seen[one.host].trouble is None
        and seen[one.host].phase(one.target) is not Phase.CONFIRMED
        for one in mine
    )


def _is_there(one: Seen) -> bool:
    return one.booted is not None and one.offer is not None and one.booted.digest == one.offer.digest


def _staging(one: HostRecord, result: Mapping[str, Any] | None) -> tuple[Phase, str]:
    if result is None or result.get("unreachable"):
        return Phase.UNREACHABLE, "not reachable for staging" + (f": {text(result)}" if result else "")
    state = result.get("host_state") or {}
    there = {(state.get(place) or {}).get("digest") for place in ("staged", "booted")}
    if not result.get("failed") and one.target in there:
        return Phase.STAGED, text(result)
    return Phase.FAILED, text(result)


def _version(rollout: RolloutRecord, host: str) -> str | None:
    for wave in rollout.plan["waves"]:
        for one in wave:
            if one["host"] == host:
                name = one["target"]["name"]
                return None if name is None else str(name)
    return None
