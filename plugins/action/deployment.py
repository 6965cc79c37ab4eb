# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""deployment: stage an update, or drop what is staged."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import HostAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.stage import (
    LATEST,
    StageWish,
    stage,
    unstage,
)


class ActionModule(HostAction):
    BY_DRIVER = True
    SPEC = {
        "state": {"type": "str", "choices": ["staged", "absent"], "default": "staged"},
        "version": {"type": "str", "default": LATEST},
        "digest": {"type": "str"},
        "allow_downgrade": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 1800},
    }

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        host = self.host(task_vars)
        if options.pop("state") == "absent":
            return unstage(host, self.check_mode).result(self.diff_mode)
        return stage(host, self.clock, StageWish(**options), self.check_mode).result(self.diff_mode)
