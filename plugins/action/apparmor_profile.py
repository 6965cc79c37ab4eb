# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""apparmor_profile: put a file of AppArmor profiles in place, load it in a mode, or take it away; and prove it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import HostAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._mac.profile import (
    ProfileMode,
    ProfileWish,
    set_profile,
)


class ActionModule(HostAction):
    SPEC = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "mode": {"type": "str", "choices": ["enforce", "complain", "disabled"], "default": "enforce"},
        "content": {"type": "str"},
        "src": {"type": "path"},
    }
    MUTUALLY_EXCLUSIVE = (("content", "src"),)

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        wish = ProfileWish(
            name=options["name"],
            present=options["state"] == "present",
            mode=ProfileMode(options["mode"]),
            content=options["content"] if options["src"] is None else self._text_of(options["src"]),
        )
        return set_profile(self.host(task_vars), wish, self.check_mode).result(self.diff_mode)

    def _text_of(self, src: str) -> str:
        """Return the text of a file on the controller, looked for in the way of `ansible.builtin.copy`."""
        try:
            return Path(self._find_needle("files", src)).read_text(encoding="utf-8")
        except (AnsibleError, OSError, UnicodeDecodeError) as exc:
            raise Refused(f"cannot read AppArmor profile {src}: {exc}") from exc
