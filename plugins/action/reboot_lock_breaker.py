# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""reboot_lock_breaker: stop all reboots that the lock server would grant, and let them go on."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import ControllerAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.breaker import by_hand


class ActionModule(ControllerAction):
    # One breaker for all hosts.
    BYPASS_HOST_LOOP = True

    SPEC = {
        "state": {"type": "str", "choices": ["tripped", "reset"], "required": True},
        "ledger": {"type": "str", "required": True},
        "reason": {"type": "str"},
    }
    REQUIRED_IF = (("state", "tripped", ("reason",)),)

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        trip = options["state"] == "tripped"
        return by_hand(options["ledger"], trip, options["reason"], self.check_mode).result(self.diff_mode)
