# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""preflight: look at the variables of all hosts, on the controller, before any host is touched."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import ControllerAction, validated
from ansible_collections.flotilla.container_os.plugins.plugin_utils._preflight import ROLES, preflight


class ActionModule(ControllerAction):
    # It looks at all hosts at once.
    BYPASS_HOST_LOOP = True

    SPEC = {
        "hosts": {"type": "list", "elements": "str", "required": True},
        "roles": {"type": "list", "elements": "str", "choices": list(ROLES), "required": True},
    }

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        return {
            "changed": False,
            "msg": preflight(options["hosts"], options["roles"], task_vars["hostvars"], validated),
        }
