# SPDX-License-Identifier: GPL-3.0-or-later
"""FOR TESTS ONLY: what happens to a simulated host in the middle of a play, and what its stand-in tools saw.

    - simhost: {fault: [ostree, upgrade, no_space]}  # that tool fails so at that verb, until
    - simhost: {clear: true}
    - simhost: {power: cut}                          # cut: a reset; off: and it stays off; on: and it has booted
    - simhost: {elapse: flotilla-guard-expire.timer} # its time is over
    - simhost: {boots: 3}                            # wait until so many boots have come up or were tried
    - simhost: {}                                    # only look

Runs on the controller. Returns round_trips, calls and boots of the host since it was made, and its failed_units now.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from simhost import Machine

# How long (s) boots may take to come; a machine with much else to do takes its time.
PATIENCE = 300.0
LOOK_AGAIN = 0.1


class ActionModule(ActionBase):  # type: ignore[misc]
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        machine = Machine(Path((task_vars or {})["simhost_machine"]))
        order = self._task.args
        if order.get("beside") and machine.beside:
            machine = machine.beside
        if "fault" in order:
            machine.order_fault(*order["fault"])
        if order.get("clear"):
            machine.clear_faults()
        if "power" in order:
            {"cut": machine.cut_power, "off": machine.hold_off, "on": machine.start}[order["power"]]()
        if "elapse" in order:
            machine.elapse(order["elapse"])
        if "boots" in order:
            _wait_for_boots(machine, int(order["boots"]))
        return {
            **result,
            "changed": False,
            "round_trips": machine.round_trips(),
            "calls": machine.calls(),
            "boots": machine.boots(),
            "failed_units": machine.failed_units(),
        }


def _wait_for_boots(machine: Machine, wanted: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while machine.boots() < wanted or machine.pid is None:
        if time.monotonic() > deadline:
            raise AnsibleActionFail(f"{machine.folder.name} booted {machine.boots()} times, not {wanted}")
        time.sleep(LOOK_AGAIN)
