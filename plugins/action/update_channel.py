# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""update_channel: what a host follows, and how updates are verified."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import HostAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers._protocol import ChannelWish
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import Verification
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.channel import switch


class ActionModule(HostAction):
    BY_DRIVER = True
    SPEC = {
        "channel": {"type": "str"},
        "source": {"type": "str"},
        "remote": {"type": "str"},
        "verification": {"type": "str", "choices": ["gpg", "sign", "policy", "none"]},
        "keys": {"type": "str", "no_log": False},
    }

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        verification = options["verification"]
        wish = ChannelWish(
            name=options["channel"],
            source=options["source"],
            remote=options["remote"],
            verification=Verification(verification) if verification else None,
            keys=options["keys"],
        )
        return switch(self.host(task_vars), self.clock, wish, self.check_mode).result(self.diff_mode)
