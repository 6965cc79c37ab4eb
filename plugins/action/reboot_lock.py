# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""reboot_lock: take the right to reboot from a FleetLock server, and give it back."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import ControllerAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.client import Patience, Server, ask
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.node_id import zincati_id
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.protocol import Identity, endpoint


class ActionModule(ControllerAction):
    SPEC = {
        "state": {"type": "str", "choices": ["held", "released"], "required": True},
        "url": {"type": "str", "required": True},
        "group": {"type": "str", "default": "default"},
        "id": {"type": "str"},
        "machine_id": {"type": "str"},
        "timeout": {"type": "int", "default": 30},
        "retries": {"type": "int", "default": 10},
        "delay": {"type": "int", "default": 2},
        "headers": {"type": "dict", "default": {}},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path"},
        "use_proxy": {"type": "bool", "default": True},
    }
    MUTUALLY_EXCLUSIVE = (("id", "machine_id"),)

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        machine_id = options["machine_id"]
        name = zincati_id(machine_id) if machine_id else options["id"] or str(task_vars["inventory_hostname"])
        who = Identity.checked(name, options["group"])
        endpoint(options["url"], "")
        if options["timeout"] < 1 or options["retries"] < 0 or options["delay"] < 0:
            raise Refused("cannot ask for a reboot lock: timeout is at least 1, retries and delay at least 0")
        held, identity = options["state"] == "held", {"id": who.id, "group": who.group}
        if self.check_mode:
            # The protocol has no question that changes nothing.
            return {"changed": True, "msg": f"check mode: would ask {options['url']}", **identity}
        server = Server(
            url=options["url"],
            timeout=options["timeout"],
            headers={str(key): str(value) for key, value in options["headers"].items()},
            validate_certs=options["validate_certs"],
            ca_path=options["ca_path"],
            client_cert=options["client_cert"],
            client_key=options["client_key"],
            use_proxy=options["use_proxy"],
        )
        patience = Patience(options["retries"], options["delay"])
        done = ask(server, held, who, patience, self.clock, lambda text: self.say(f"{who.id}: {text}"))
        verb = "holds" if held else "has given back"
        return {
            "changed": done.answer.changed,
            "msg": f"{who.id} {verb} the reboot lock of group {who.group}",
            "status": done.answer.status,
            "kind": done.answer.kind,
            "value": done.answer.value,
            "attempts": done.attempts,
            **identity,
        }
