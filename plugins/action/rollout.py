# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""rollout: plan or resume a rollout, take note of its staging, have it wait, bring it back, end it."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import ControllerAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.back import OnFailure
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import POLICY_OPTIONS
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.task import RolloutTask

STATES = ["planned", "staged", "recalled", "drained", "prepared", "ended", "released", "halted", "paused", "resumed"]


class ActionModule(ControllerAction):
    # It looks at all hosts of the play at once.
    BYPASS_HOST_LOOP = True

    SPEC = {
        "state": {"type": "str", "choices": STATES, "required": True},
        "name": {"type": "str", "default": "upgrade"},
        "ledger": {"type": "str", "required": True},
        "hosts": {"type": "list", "elements": "str"},
        "results": {"type": "str"},
        "plan": {"type": "dict", "default": {}},
        **POLICY_OPTIONS,
        "on_failure": {"type": "str", "choices": [one.value for one in OnFailure], "default": "rollback_host"},
        "wave_hooks": {"type": "bool", "default": False},
        "digest": {"type": "str"},
        "who": {"type": "str"},
        "why": {"type": "str"},
    }
    REQUIRED_IF = (
        ("state", "planned", ("results",)),
        ("state", "staged", ("results",)),
        ("state", "released", ("digest",)),
    )

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        return RolloutTask(options, task_vars, self.check_mode).run(diff=self.diff_mode)
