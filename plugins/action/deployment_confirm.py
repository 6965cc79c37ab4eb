# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""deployment_confirm: mark the booted deployment good."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import HostAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.confirm import confirm


class ActionModule(HostAction):
    BY_DRIVER = True
    SPEC = {"digest": {"type": "str"}}

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        return confirm(self.host(task_vars), options["digest"], self.check_mode).result(self.diff_mode)
