# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""mac_mode: bring SELinux or AppArmor as a whole into a mode, and prove it."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import HostAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._mac.mode import ModeWish, set_mode
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.consent import Consent
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import MacMode, MacSystem


class ActionModule(HostAction):
    SPEC = {
        "mode": {"type": "str", "choices": ["enforcing", "permissive", "disabled"], "required": True},
        "system": {"type": "str", "choices": ["apparmor", "selinux"]},
        "reboot": {"type": "str", "choices": ["allow", "defer", "refuse"], "default": "defer"},
    }

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        wish = ModeWish(
            mode=MacMode(options["mode"]),
            system=MacSystem(options["system"]) if options["system"] else None,
            reboot=Consent(options["reboot"]),
        )
        return set_mode(self.host(task_vars), wish, self.check_mode).result(self.diff_mode)
