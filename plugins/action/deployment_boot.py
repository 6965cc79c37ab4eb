# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""deployment_boot: arm the guard, reboot into what is staged, prove it."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import HostAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.consent import Consent
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.boot import (
    RETURN_ALLOWANCE,
    BootWish,
    boot,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.permission import (
    PERMISSION_OPTION,
    permission,
)


class ActionModule(HostAction):
    BY_DRIVER = True
    SPEC = {
        "digest": {"type": "str"},
        "reboot": {"type": "str", "choices": ["allow", "defer", "refuse"], "default": "allow"},
        "confirm_within": {"type": "int", "default": 600},
        "timeout": {"type": "int"},
        "boot_tries": {"type": "int", "default": 2},
        "unguarded": {"type": "str", "choices": ["refuse", "allow"], "default": "refuse"},
        "permission": PERMISSION_OPTION,
    }

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        wish = BootWish(
            digest=options["digest"],
            reboot=Consent(options["reboot"]),
            confirm_within=options["confirm_within"],
            timeout=options["timeout"] or options["confirm_within"] + RETURN_ALLOWANCE,
            tries=options["boot_tries"],
            unguarded=options["unguarded"] == "allow",
        )
        host = self.host(task_vars)
        asked = permission(options["permission"], host, self.clock, into_target=True)
        return boot(host, self.clock, wish, self.check_mode, asked).result(self.diff_mode)
