# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""rollout_plan: make the plan of a rollout, to look at, to keep, and to apply."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import ControllerAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import POLICY_OPTIONS
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.preview import preview


class ActionModule(ControllerAction):
    # It looks at all hosts of the play at once.
    BYPASS_HOST_LOOP = True

    SPEC = {
        "name": {"type": "str", "default": "upgrade"},
        "ledger": {"type": "str"},
        "hosts": {"type": "list", "elements": "str"},
        "results": {"type": "str", "required": True},
        "history": {"type": "list", "elements": "int", "default": []},
        **POLICY_OPTIONS,
    }

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        return preview(options, task_vars)
