# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""rollout_gate: let a host have its turn in a rollout, and record how it left it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import ControllerAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.back import WayBack
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.conduct import Conductor
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.controller import is_gone, this_controller
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger, LedgerGone
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.patience import until_recorded
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.turn import Left, left


class ActionModule(ControllerAction):
    SPEC = {
        "state": {"type": "str", "choices": ["entered", "saved", "left", "returning", "returned"], "required": True},
        "name": {"type": "str", "default": "upgrade"},
        "ledger": {"type": "str", "required": True},
        "lease": {"type": "int", "default": 3600},
        "token": {"type": "int"},
        "pause_timeout": {"type": "int", "default": 86400},
        "saved": {"type": "dict", "default": {}},
        "results": {"type": "dict", "default": {}},
    }
    REQUIRED_IF = (("state", "left", ("token",)), ("state", "returned", ("token",)))

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        host = str(task_vars["inventory_hostname"])
        if self.check_mode:
            return {"changed": False, "msg": "check mode: the gate stays closed"}
        if options["state"] in ("left", "returned"):
            ended = until_recorded(host, lambda: self._leave(host, options), self.clock, self._say(host))
            return {"changed": False, "msg": f"{host} {ended.phase.value}: {ended.why}", "phase": ended.phase}
        if options["state"] == "saved":
            self._conductor(options).save(host, options["saved"])
            return {"changed": False, "msg": f"recorded what {host} is to be brought back to"}
        self._refuse_lockstep()
        turn = self._enter(host, options)
        return {"changed": False, "msg": turn.pop("why"), **turn}

    def _conductor(self, options: dict[str, Any]) -> Conductor:
        kind = WayBack if options["state"] in ("returning", "returned") else Conductor
        return kind(Ledger(options["ledger"], create=False), options["name"], this_controller(), is_gone)

    def _say(self, host: str) -> Callable[[str], None]:
        return lambda text: self.say(f"{host}: {text}")

    def _enter(self, host: str, options: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._conductor(options).enter(
                host, options["lease"], self.clock, self._say(host), options["pause_timeout"]
            )
        except LedgerGone as exc:
            # What cannot be recorded must not begin.
            raise Refused(f"cannot let {host} through the gate: {exc}; {host} was not touched") from exc

    def _leave(self, host: str, options: dict[str, Any]) -> Left:
        conductor = self._conductor(options)
        if isinstance(conductor, WayBack):
            return conductor.back(host, options["results"], options["token"])
        outcome = left(options["results"])
        conductor.leave(host, outcome, options["token"])
        return outcome

    def _refuse_lockstep(self) -> None:
        """A host that waits here keeps a worker: where hosts go in lockstep, or share workers, that stops them all."""
        strategy = str(self._task.get_play().strategy).rpartition(".")[2]
        if strategy != "host_pinned":
            raise Refused(
                f"cannot wait at the gate in a play with strategy {strategy}: hosts that wait would block hosts in "
                "flight; set strategy: ansible.builtin.host_pinned"
            )
