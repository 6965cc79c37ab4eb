# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of the module `rollout_gate`: what the task of one host asks for, what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .._errors import Refused
from .._model.host import Clock
from .back import WayBack
from .conduct import Conductor
from .controller import is_gone, this_controller
from .ledger import Ledger, LedgerGone
from .patience import until_recorded
from .restore import Restorer
from .turn import Left, left

Kind = TypeVar("Kind", bound=Conductor)


class GateTask:
    """One task of the module, for `host`. `strategy`: of the play. `say`: shows progress."""

    def __init__(
        self, options: Mapping[str, Any], host: str, strategy: str, clock: Clock, say: Callable[[str], None]
    ) -> None:
        self._options = options
        self._host = host
        self._strategy = strategy
        self._clock = clock
        self._say: Callable[[str], None] = lambda text: say(f"{host}: {text}")

    def run(self) -> dict[str, Any]:
        """Carry out `state`; return what the task returns. Raises FlotillaError."""
        state = self._options["state"]
        if state in ("left", "returned"):
            ended = until_recorded(self._host, self._leave, self._clock, self._say)
            return {"changed": False, "msg": f"{self._host} {ended.phase.value}: {ended.why}", "phase": ended.phase}
        if state == "saved":
            self._as(Restorer).save(self._host, self._options["saved"])
            return {"changed": False, "msg": f"recorded what {self._host} is to be brought back to"}
        if state == "restoring":
            goal = f"give the work back to {self._host}"
            answer = until_recorded(self._host, self._restoring, self._clock, self._say, goal)
        elif state == "restored":
            goal = f"record that {self._host} is as it was"
            until_recorded(self._host, lambda: self._as(Restorer).restored(self._host), self._clock, self._say, goal)
            return {"changed": False, "msg": f"recorded that {self._host} is as it was"}
        else:
            self._refuse_lockstep()
            answer = self._enter()
        return {"changed": False, "msg": answer.pop("why"), **answer}

    def _as(self, kind: type[Kind]) -> Kind:
        return kind(Ledger(self._options["ledger"], create=False), self._options["name"], this_controller(), is_gone)

    def _enter(self) -> dict[str, Any]:
        try:
            conductor = self._as(WayBack if self._options["state"] == "returning" else Conductor)
            lease, patience = self._options["lease"], self._options["pause_timeout"]
            hook_lease = self._options["wave_hook_timeout"]
            return conductor.enter(self._host, lease, self._clock, self._say, patience, hook_lease)
        except LedgerGone as exc:
            # What cannot be recorded must not begin.
            raise Refused(f"cannot let {self._host} through the gate: {exc}; {self._host} was not touched") from exc

    def _restoring(self) -> dict[str, Any]:
        token = self._options["token"]
        if token is None:
            return self._as(Restorer).claim(self._host, self._options["observed"])
        return self._as(Restorer).end_of_turn(self._host, token)

    def _leave(self) -> Left:
        results, token = self._options["results"], self._options["token"]
        if self._options["state"] == "returned":
            return self._as(WayBack).back(self._host, results, token)
        outcome = left(results)
        self._as(Conductor).leave(self._host, outcome, token)
        return outcome

    def _refuse_lockstep(self) -> None:
        """A host that waits here keeps a worker: where hosts go in lockstep, or share workers, that stops them all."""
        if self._strategy.rpartition(".")[2] != "host_pinned":
            raise Refused(
                f"cannot wait at the gate in a play with strategy {self._strategy.rpartition('.')[2]}: hosts that wait "
                "would block hosts in flight; set strategy: ansible.builtin.host_pinned"
            )
