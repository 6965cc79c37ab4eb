# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""rollout_report: write what became of a rollout to files on the controller."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import ControllerAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._report.task import write_report


class ActionModule(ControllerAction):
    BYPASS_HOST_LOOP = True

    SPEC = {
        "name": {"type": "str", "default": "upgrade"},
        "id": {"type": "int"},
        "ledger": {"type": "str", "required": True},
        "directory": {"type": "path"},
        "formats": {
            "type": "list",
            "elements": "str",
            "choices": ["json", "junit", "html"],
            "default": ["json", "junit", "html"],
        },
        "prometheus": {"type": "path"},
    }

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        return write_report(options, self.check_mode, self.diff_mode)
