# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""deployment_rollback: make the previous deployment the booted one, and prove it."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import HostAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.consent import Consent
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.permission import (
    PERMISSION_OPTION,
    permission,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.rollback import RollbackWish, roll_back


class ActionModule(HostAction):
    BY_DRIVER = True
    SPEC = {
        "target": {"type": "str"},
        "only_from": {"type": "str"},
        "reboot": {"type": "str", "choices": ["allow", "defer", "refuse"], "default": "allow"},
        "timeout": {"type": "int", "default": 600},
        "permission": PERMISSION_OPTION,
    }

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        host = self.host(task_vars)
        asked = permission(options.pop("permission"), host, self.clock, into_target=False)
        wish = RollbackWish(**{**options, "reboot": Consent(options["reboot"])})
        return roll_back(host, self.clock, wish, self.check_mode, asked).result(self.diff_mode)
