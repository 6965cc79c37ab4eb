# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""mac_info: read mandatory access control, and what it denied, in one round trip."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import HostAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._mac.info import mac_info, since_option


class ActionModule(HostAction):
    SPEC = {"since": {"type": "str", "default": "boot"}}

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        return mac_info(self.host(task_vars), since_option(options["since"]))
