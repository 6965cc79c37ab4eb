# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""deployment_info: read the whole host in one round trip."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import HostAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.native import native
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.observe import (
    LATEST,
    observe,
    observe_offer,
    reach,
)


class ActionModule(HostAction):
    BY_DRIVER = True
    SPEC = {
        "offer": {"type": "bool", "default": False},
        "version": {"type": "str", "default": LATEST},
        "wait": {"type": "int", "default": 0},
    }

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        host = self.host(task_vars)
        reach(host, self.clock, options["wait"])
        if not options["offer"]:
            return {"changed": False, "host_state": native(observe(host).state)}
        observed, offer = observe_offer(host, options["version"])
        return {"changed": False, "host_state": native(observed.state), "offer": native(offer)}
