# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""rollout_gate: let a host have its turn in a rollout, and record how it left it."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import ControllerAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.back import WayBack
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.conduct import Conductor
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.controller import is_gone, this_controller
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.turn import left


class ActionModule(ControllerAction):
    SPEC = {
        "state": {"type": "str", "choices": ["entered", "saved", "left", "returning", "returned"], "required": True},
        "name": {"type": "str", "default": "upgrade"},
        "ledger": {"type": "str", "required": True},
        "lease": {"type": "int", "default": 3600},
        "pause_timeout": {"type": "int", "default": 86400},
        "saved": {"type": "dict", "default": {}},
        "results": {"type": "dict", "default": {}},
    }

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        host = str(task_vars["inventory_hostname"])
        if self.check_mode:
            return {"changed": False, "msg": "check mode: the gate stays closed"}
        kind = WayBack if options["state"] in ("returning", "returned") else Conductor
        conductor = kind(Ledger(options["ledger"], create=False), options["name"], this_controller(), is_gone)
        if isinstance(conductor, WayBack) and options["state"] == "returned":
            back = conductor.back(host, options["results"])
            return {"changed": False, "msg": f"{host} {back.phase.value}: {back.why}", "phase": back.phase}
        if options["state"] == "saved":
            conductor.save(host, options["saved"])
            return {"changed": False, "msg": f"recorded what {host} is to be brought back to"}
        if options["state"] == "left":
            outcome = left(options["results"])
            conductor.leave(host, outcome)
            return {"changed": False, "msg": f"{host} {outcome.phase.value}: {outcome.why}", "phase": outcome.phase}
        self._refuse_lockstep()
        say, limit = (lambda text: self.say(f"{host}: {text}")), options["pause_timeout"]
        turn = conductor.enter(host, options["lease"], self.clock, say, limit)
        return {"changed": False, "msg": turn.pop("why"), **turn}

    def _refuse_lockstep(self) -> None:
        """A host that waits here keeps a worker: where hosts go in lockstep, or share workers, that stops them all."""
        strategy = str(self._task.get_play().strategy).rpartition(".")[2]
        if strategy != "host_pinned":
            raise Refused(
                f"cannot wait at the gate in a play with strategy {strategy}: hosts that wait would block hosts in "
                "flight; set strategy: ansible.builtin.host_pinned"
            )
