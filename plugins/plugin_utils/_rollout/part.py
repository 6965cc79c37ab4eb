# SPDX-License-Identifier: GPL-3.0-or-later
"""A run's part in a rollout: who else takes part, who has a host in hand, how a way is recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._errors import Refused
from .._model.phase import IN_FLIGHT, Phase
from .ledger import HALTED, PAUSED, HostRecord, Ledger, RolloutRecord, Writer
from .reconcile import way

# A run that was not heard of for this time (s), and whose death cannot be seen from here, takes no part any more.
# Longer than a run may be silent: while it stages, it records nothing.
RUN_LEASE = 7200


@dataclass(frozen=True)
class Participant:
    """A rollout by name, on a ledger, for one controller. `gone`: is that other controller known to be dead?"""

    ledger: Ledger
    name: str
    controller: str
    gone: Callable[[str], bool]

    def _held(self, current: RolloutRecord) -> str:
        return (
            f"cannot go on with rollout {self.name}: {current.why}; resume it with: "
            f"ansible-playbook flotilla.container_os.resume -e upgrade_rollout={self.name} -e why=..."
        )

    def _settle(self, writer: Writer, rollout: RolloutRecord, state: str, why: str) -> None:
        """Record the state of a rollout; a person's word stands."""
        if rollout.state not in (PAUSED, HALTED):
            writer.set_state(rollout.id, state, why)

    def _other_runs(self, writer: Writer, rollout: RolloutRecord) -> list[str]:
        """Return the other runs that take part in `rollout` and may be alive."""
        return sorted(
            run
            for run, seen_at in writer.runs(rollout.id).items()
            if run != self.controller and seen_at + RUN_LEASE >= writer.now and not self.gone(run)
        )

    def _taking_part(self, writer: Writer, host: str | None = None) -> RolloutRecord:
        """Return the rollout, if this run planned it or took it up; with `host`, only what counts for it.

        Raises Refused: another run's plan is no plan.
        """
        rollout = self._newest(writer, host)
        seen_at = writer.runs(rollout.id).get(self.controller) if rollout is not None else None
        if rollout is None or seen_at is None:
            raise Refused(
                f"cannot go on with rollout {self.name}: this run has not planned it, or it was replaced since; "
                "run the whole upgrade playbook again"
            )
        writer.join(rollout.id, self.controller, seen_at)
        return rollout

    def _driven_by_other(self, one: HostRecord, now: int) -> bool:
        if one.phase not in IN_FLIGHT or one.controller is None or one.controller == self.controller:
            return False
        leased = one.lease_until is not None and one.lease_until >= now and not self.gone(one.controller)
        return leased or one.may_still_be_told(now)

    def _walk(
        self, writer: Writer, rollout: RolloutRecord, record: HostRecord, phase: Phase, why: str, **values: Any
    ) -> None:
        """Record the whole way to `phase`, as the table has it."""
        here = record
        for step in way(record.phase, phase):
            moved = RolloutRecord(**{**vars(rollout), "hosts": (here,)})
            writer.move(moved, here.host, step, why, self.controller, **values)
            here = HostRecord(**{**vars(here), "phase": step})

    def _current(self, writer: Writer, host: str | None = None) -> RolloutRecord:
        rollout = self._newest(writer, host)
        if rollout is None:
            raise Refused(f"cannot go on with rollout {self.name}: the ledger has none of that name")
        return rollout

    def _newest(self, writer: Writer, host: str | None) -> RolloutRecord | None:
        return writer.rollout(self.name) if host is None else writer.near(self.name, host)


def version_of(rollout: RolloutRecord, host: str) -> str | None:
    for wave in rollout.plan["waves"]:
        for one in wave:
            if one["host"] == host:
                name = one["target"]["name"]
                return None if name is None else str(name)
    return None
