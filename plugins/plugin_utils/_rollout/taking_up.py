# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a rollout, or take it up again: by one run or beside others, from what is observed and what is on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import Refused
from .._model.phase import AWAY, GOING_BACK, IN_FLIGHT, Phase
from .apply import check_same_plan
from .history import turn_seconds
from .ledger import HALTED, OPEN, PAUSED, STOPPED, SUPERSEDED, HostRecord, RolloutRecord, Writer, utc
from .observed import Seen
from .part import Participant, version_of
from .plan import Quarantined, left_out_by_policy, make_plan
from .policy import Policy
from .reconcile import correct

# How long (s) a host that was found in the middle of its turn is kept for it when a rollout is taken up again.
RESUME_LEASE = 900


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


class Planner(Participant):
    """Says what is to be done, and takes note of it."""

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
                    planned = self._bring_back(writer, current, others, fleet, check)
                elif others:
                    planned = self._join(writer, current, others, fleet, policy)
                else:
                    planned = self._resume(writer, current, fleet, policy, check)
                if planned is None and current.state == PAUSED:
                    raise Refused(f"{self._held(current)} (what is asked for now is another target, fleet or policy)")
                if planned is None:
                    self._leave_nobody_behind(current, fleet, policy)
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

    def _leave_nobody_behind(self, current: RolloutRecord, fleet: Sequence[Seen], policy: Policy) -> None:
        """A rollout that takes the place of `current` counts only the hosts that it knows. Raises Refused when one that
        is down or on trial is not among them, as with --limit: it would draw on no budget any more."""
        known = {one.host for one in fleet} | policy.exclude
        behind = [
            f"{one.host} ({one.phase.value})" for one in current.hosts if one.phase in AWAY and one.host not in known
        ]
        if behind:
            raise Refused(
                f"cannot plan rollout {self.name} anew: in the one under way {', '.join(behind)} may be down, and this "
                "run does not look at it; run without a limit, or name it in upgrade_exclude, and it draws on no budget"
            )

    def _bring_back(
        self, writer: Writer, current: RolloutRecord, others: Sequence[str], fleet: Sequence[Seen], check: bool
    ) -> Planned:
        """Go on bringing hosts back, and do nothing else. Raises Refused."""
        if others:
            who = ", ".join(others)
            raise Refused(f"cannot join rollout {self.name}: {who} is bringing hosts back; run again when it has ended")
        back = [one for one in current.hosts if one.phase in GOING_BACK]
        for one in back:
            if one.phase is Phase.RETURNING and not check:
                why = "its way back was cut off; going on with it"
                self._walk(writer, current, one, Phase.RECALLED, why, controller=None, lease_until=None)
        if not check:
            self._see_who_is_up(writer, current, {one.host: one for one in fleet})
        note = f"bringing back {', '.join(one.host for one in back)}; {current.why}"
        return Planned(dict(current.plan), current.id, True, (), note=note)

    def _see_who_is_up(self, writer: Writer, current: RolloutRecord, seen: Mapping[str, Seen]) -> None:
        """Take note of the hosts that were lost and answer again: else they would be in the way of those that go back
        as long as there are any."""
        for one in current.hosts:
            if one.host not in seen or one.phase in GOING_BACK or one.phase not in AWAY:
                continue
            correction = correct(one, seen[one.host])
            phase, why = correction.phase, correction.why
            if phase is Phase.BOOTED:
                if seen[one.host].on_trial is not None:
                    continue  # its guard brings it back: nobody confirms it meanwhile
                phase, why = Phase.STAGED, "runs the target without a guard; it is judged when the rollout goes on"
            self._walk(writer, current, one, phase, why, lease_until=None, controller=None)
            if correction.quarantine:
                writer.put_in_quarantine(one.target, version_of(current, one.host), one.host, correction.why)

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
        quarantine = writer.quarantine()
        stands = {one.host: seen[one.host].phase(one.target) for one in mine}
        flying = [one for one in mine if one.phase in IN_FLIGHT or stands[one.host] is Phase.BOOTED]
        # What runs a version that was found bad since, and has no guard to bring it back, is helped by another target.
        flying = [one for one in flying if one.target not in quarantine or stands[one.host] is not Phase.CONFIRMED]
        fits = _fits(current, fleet, policy) and not _drifted(mine, seen)
        if not flying and not held and not fits:
            return None
        corrections = {one.host: correct(one, seen[one.host]) for one in mine}
        for one in mine:
            correction = corrections[one.host]
            if not check:
                ended = {"lease_until": None, "controller": None}
                self._walk(writer, current, one, correction.phase, correction.why, **ended)
                if correction.phase in IN_FLIGHT:
                    # In our hands from here on: until its turn comes nobody may take it for lost.
                    writer.take(current.id, one.host, self.controller, RESUME_LEASE)
            if correction.quarantine and one.target not in quarantine:
                version = version_of(current, one.host)
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
