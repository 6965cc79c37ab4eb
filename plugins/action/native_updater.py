# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""native_updater: hold the OS's own update agent, hand it back as it was, or disable it."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import HostAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import UpdaterState
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.updater import set_updater

# Released is whatever it was before.
_WANTED = {"held": UpdaterState.HELD, "released": UpdaterState.ACTIVE, "disabled": UpdaterState.DISABLED}


class ActionModule(HostAction):
    BY_DRIVER = True
    SPEC = {
        "state": {"type": "str", "choices": ["held", "released", "disabled"], "required": True},
        "units": {"type": "list", "elements": "str"},
    }

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        outcome = set_updater(self.host(task_vars), _WANTED[options["state"]], options["units"], self.check_mode)
        return outcome.result(self.diff_mode)
