# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""rollout_gate: let a host have its turn in a rollout, and record how it left it."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import ControllerAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.gate_task import GateTask

STATES = ["entered", "saved", "restoring", "restored", "left", "returning", "returned"]


class ActionModule(ControllerAction):
    SPEC = {
        "state": {"type": "str", "choices": STATES, "required": True},
        "name": {"type": "str", "default": "upgrade"},
        "ledger": {"type": "str", "required": True},
        "lease": {"type": "int", "default": 3600},
        "token": {"type": "int"},
        "pause_timeout": {"type": "int", "default": 86400},
        "wave_hook_timeout": {"type": "int", "default": 0},
        "saved": {"type": "dict", "default": {}},
        "observed": {"type": "dict", "default": {}},
        "results": {"type": "dict", "default": {}},
    }
    REQUIRED_IF = (("state", "left", ("token",)), ("state", "returned", ("token",)))

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        if self.check_mode:
            return {"changed": False, "msg": "check mode: the gate stays closed"}
        strategy = str(self._task.get_play().strategy)
        return GateTask(options, str(task_vars["inventory_hostname"]), strategy, self.clock, self.say).run()
