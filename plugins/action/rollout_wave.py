# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""rollout_wave: record how the hooks of a wave went."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import ControllerAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.wave_task import WaveTask

STATES = ["saved", "prepared", "restoring", "restored", "failed"]


class ActionModule(ControllerAction):
    SPEC = {
        "state": {"type": "str", "choices": STATES, "required": True},
        "name": {"type": "str", "default": "upgrade"},
        "ledger": {"type": "str", "required": True},
        "id": {"type": "int", "required": True},
        "wave": {"type": "int", "required": True},
        "token": {"type": "int"},
        "timeout": {"type": "int", "default": 900},
        "saved": {"type": "dict", "default": {}},
        "why": {"type": "str", "default": ""},
    }
    REQUIRED_IF = tuple(("state", state, ("token",)) for state in STATES if state != "restoring")

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        if self.check_mode:
            return {"changed": False, "msg": "check mode: no hook is run"}
        return WaveTask(options, self.clock, self.say).run()
