# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""rollout_info: read rollouts, and what is in quarantine, from the ledger."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import ControllerAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._report.read import info


class ActionModule(ControllerAction):
    BYPASS_HOST_LOOP = True

    SPEC = {
        "name": {"type": "str", "default": "upgrade"},
        "id": {"type": "int"},
        "which": {"type": "str", "choices": ["newest", "all"], "default": "newest"},
        "ledger": {"type": "str", "required": True},
    }

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        return {"changed": False, **info(options)}
