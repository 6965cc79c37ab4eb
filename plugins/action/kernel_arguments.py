# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""kernel_arguments: declared kernel arguments."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import HostAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.consent import Consent
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.kernel_arguments import (
    ArgumentsWish,
    set_arguments,
)


class ActionModule(HostAction):
    BY_DRIVER = True
    SPEC = {
        "present": {"type": "list", "elements": "str", "default": []},
        "absent": {"type": "list", "elements": "str", "default": []},
        "reboot": {"type": "str", "choices": ["allow", "defer", "refuse"], "default": "defer"},
        "confirm_within": {"type": "int", "default": 600},
        "timeout": {"type": "int", "default": 1200},
    }

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        wish = ArgumentsWish(
            present=tuple(options["present"]),
            absent=tuple(options["absent"]),
            reboot=Consent(options["reboot"]),
            confirm_within=options["confirm_within"],
            timeout=options["timeout"],
        )
        return set_arguments(self.host(task_vars), self.clock, wish, self.check_mode).result(self.diff_mode)
