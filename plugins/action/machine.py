# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""machine: start and stop a machine that becomes a host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import ControllerAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision.machine import end, run, snapshot
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision.registry import PROVIDERS
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision.wish import machine_wish


class ActionModule(ControllerAction):
    SPEC = {
        "name": {"type": "str", "required": True},
        "provider": {"type": "str", "choices": list(PROVIDERS), "default": "qemu"},
        "state": {
            "type": "str",
            "choices": ["running", "stopped", "powered_off", "absent", "saved", "restored"],
            "default": "running",
        },
        "directory": {"type": "path", "required": True},
        "image": {"type": "path"},
        "memory": {"type": "int", "default": 512},
        "cpus": {"type": "int", "default": 1},
        "ssh_port": {"type": "int"},
        "user": {"type": "str", "default": "core"},
        "user_key": {"type": "path", "no_log": False},
        "acceleration": {"type": "str", "choices": ["auto", "kvm", "tcg"], "default": "auto"},
        "disposable": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 300},
        "snapshot": {"type": "str"},
    }
    REQUIRED_IF = (
        ("state", "running", ("image", "ssh_port", "user_key")),
        ("state", "saved", ("snapshot",)),
        ("state", "restored", ("snapshot",)),
    )

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        provider, state, name = PROVIDERS[options["provider"]], options["state"], options["name"]
        directory = Path(options["directory"]).absolute()
        if state == "running":
            wish = machine_wish(options, directory, self.check_mode)
            outcome = run(provider, wish, options["timeout"], lambda text: self.say(f"{name}: {text}"), self.check_mode)
        elif state in ("saved", "restored"):
            outcome = snapshot(provider, name, directory, state, options["snapshot"], self.check_mode)
        else:
            outcome = end(provider, name, directory, state, self.check_mode)
        return outcome.result(self.diff_mode)
