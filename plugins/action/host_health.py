# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""host_health: run probes on the host, record or compare with a baseline, give a verdict."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import HostAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.check import check
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.controller import look
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.request import read_request


class ActionModule(HostAction):
    BY_DRIVER = True
    SPEC = {
        "probes": {"type": "list", "elements": "dict", "required": True},
        "state": {"type": "str", "choices": ["baseline", "verdict", "observed"], "default": "verdict"},
        "baseline": {"type": "dict"},
        "stable_for": {"type": "int", "default": 0},
        "timeout": {"type": "int", "default": 60},
        "interval": {"type": "int", "default": 5},
    }

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        host = self.host(task_vars)
        # Where the connection goes, with all of Ansible's rules for it; a local one goes nowhere.
        address = str(self._play_context.remote_addr or host.name)
        request = read_request(options)
        shell = not self.on_controller
        return check(host, self.clock, request, lambda probes: look(probes, address), shell).result(self.diff_mode)
