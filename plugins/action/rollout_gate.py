# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""rollout_gate: let a host have its turn in a rollout, and record how it left it."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import ControllerAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.conduct import Conductor
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.controller import is_gone, this_controller
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger, LedgerGone
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.patience import until_recorded
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.turn import left


class ActionModule(ControllerAction):
    SPEC = {
        "state": {"type": "str", "choices": ["entered", "left"], "required": True},
        "name": {"type": "str", "default": "upgrade"},
        "ledger": {"type": "str", "required": True},
        "lease": {"type": "int", "default": 3600},
        "token": {"type": "int"},
        "results": {"type": "dict", "default": {}},
    }
    REQUIRED_IF = (("state", "left", ("token",)),)

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        host = str(task_vars["inventory_hostname"])
        if self.check_mode:
            return {"changed": False, "msg": "check mode: the gate stays closed"}
        if options["state"] == "left":
            outcome = left(options["results"])
            until_recorded(
                host,
                lambda: self._conductor(options).leave(host, outcome, options["token"]),
                self.clock,
                lambda text: self.say(f"{host}: {text}"),
            )
            return {"changed": False, "msg": f"{host} {outcome.phase.value}: {outcome.why}", "phase": outcome.phase}
        self._refuse_lockstep()
        turn = self._enter(host, options)
        return {"changed": False, "msg": turn.pop("why"), **turn}

    def _conductor(self, options: dict[str, Any]) -> Conductor:
        return Conductor(Ledger(options["ledger"], create=False), options["name"], this_controller(), is_gone)

    def _enter(self, host: str, options: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._conductor(options).enter(
                host, options["lease"], self.clock, lambda text: self.say(f"{host}: {text}")
            )
        except LedgerGone as exc:
            # What cannot be recorded must not begin.
            raise Refused(f"cannot let {host} through the gate: {exc}; {host} was not touched") from exc

    def _refuse_lockstep(self) -> None:
        """A host that waits here keeps a worker: where hosts go in lockstep, or share workers, that stops them all."""
        strategy = str(self._task.get_play().strategy).rpartition(".")[2]
        if strategy != "host_pinned":
            raise Refused(
                f"cannot wait at the gate in a play with strategy {strategy}: hosts that wait would block hosts in "
                "flight; set strategy: ansible.builtin.host_pinned"
            )
