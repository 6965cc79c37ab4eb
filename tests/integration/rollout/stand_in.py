# SPDX-License-Identifier: GPL-3.0-or-later
"""STAND-INS, for tests only: the six actions that touch a host, played on a JSON file for each host.

They take the place of the actions of the same names in a copy of the collection; all else in that copy is the real one.
In `stand_in_directory`: HOST.json is the state of a host, `orders.json` says what goes wrong (host to order),
`events.jsonl` is what happened, in order. The order to reboot is given by the real code, with the real question to the
ledger, and carried out by the real sh; only `systemctl` and `sleep` are stand-ins there.

An order is {"at": step, "do": what}; the steps are observe, stage, boot, ordered (permission was given, the order was
not), booted, verdict, confirm, confirmed, rollback, rolled_back. What: fail, hang (until killed), wait (until the order
is gone), vanish (the real connection of the host is used, which leads nowhere), sick (a bad verdict), panic (falls back
while it boots).
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import HostAction, validated
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.ostree import OSTree
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result, Step
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.permission import (
    PERMISSION_OPTION,
    permission,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.reboot import order_reboot

# How long (s) a host is away while it reboots, if its state has no other `reboot`: long enough for others to trespass.
REBOOT = 0.3
# How long (s) it waits for the test, or for its own shell: longer than any test beside others takes.
ORDER_PATIENCE = 600


class StandIn(HostAction):
    """What the six have in common. `name`: the host of the task."""

    # Whatever the role passes is taken; the real specs are tested with the real actions.
    def _options(self) -> dict[str, Any]:
        return dict(self._task.args)

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        self.folder = Path(task_vars["stand_in_directory"])
        self.name = str(task_vars["inventory_hostname"])
        return self.play(options)

    def play(self, options: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def read(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / f"{self.name}.json").read_text()))

    def write(self, **changes: Any) -> dict[str, Any]:
        state = {**self.read(), **changes}
        new = self.folder / f"{self.name}.{os.getpid()}.new"
        new.write_text(json.dumps(state))
        new.replace(self.folder / f"{self.name}.json")
        return state

    def note(self, event: str) -> None:
        line = json.dumps({"host": self.name, "event": event, "check": self.check_mode, "at": time.time()}) + "\n"
        handle = os.open(self.folder / "events.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)

    def be_away(self) -> None:
        time.sleep(float(self.read().get("reboot", REBOOT)))

    def obey(self, step: str) -> str | None:
        """Do what is ordered for this step; return the orders that the step itself carries out."""
        orders = json.loads((self.folder / "orders.json").read_text())
        order = orders.get(self.name)
        if order is None or order["at"] != step:
            return None
        if order["do"] == "fail":
            raise FlotillaError(f"cannot {step} {self.name}: it was ordered to fail")
        if order["do"] == "vanish":
            self.note("vanished")
            self._low_level_execute_command("true")  # raises: nobody listens there
            raise AssertionError("the connection should lead nowhere")
        if order["do"] == "hang":
            self.note(f"hangs at {step}")
            time.sleep(300)
        if order["do"] == "wait":
            self.note(f"waits at {step}")
            deadline = time.monotonic() + ORDER_PATIENCE
            while json.loads((self.folder / "orders.json").read_text()).get(self.name) == order:
                if time.monotonic() > deadline:
                    raise AssertionError("nobody took the order back")
                time.sleep(0.05)
        return str(order["do"])

    def tell(self, options: dict[str, Any], into_target: bool) -> None:
        """Give the order to reboot, as the real action does."""
        told = self.folder / f"{self.name}.told"
        shell = Shell(self, told)
        given = validated({"permission": PERMISSION_OPTION}, {"permission": options.get("permission")})["permission"]
        leave = permission(given, shell, self.clock, into_target)
        order_reboot(shell, OSTree(), (), f"reboot {self.name}", leave)
        deadline = time.monotonic() + ORDER_PATIENCE
        while not told.exists():
            if time.monotonic() > deadline:
                raise AssertionError("the order was given, and nobody carried it out")
            time.sleep(0.01)
        told.unlink()

    def result(self, state: dict[str, Any], changed: bool, msg: str, **more: Any) -> dict[str, Any]:
        return {"changed": changed, "msg": msg, "host_state": state, **more}


class Shell:
    """The host as the order to reboot sees it: this machine, where `systemctl` takes a note of the order."""

    def __init__(self, stand_in: StandIn, told: Path) -> None:
        self._stand_in = stand_in
        self.name = stand_in.name
        self._tools = stand_in.folder / f"{self.name}.bin"
        self._tools.mkdir(exist_ok=True)
        for tool, act in (("systemctl", f"touch {told}"), ("sleep", "exit 0")):
            (self._tools / tool).write_text(f"#!/bin/sh\n{act}\n")
            (self._tools / tool).chmod(0o755)

    def run(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result]:
        if any(step.name == "reboot" for step in steps):
            self._stand_in.obey("ordered")
        environment = {**os.environ, "PATH": f"{self._tools}:{os.environ['PATH']}"}
        results = {step.name: Result(step.name, step.script, None) for step in steps}
        for step in steps:
            ran = subprocess.run(
                ["sh", "-c", step.script], env=environment, capture_output=True, text=True, check=False
            )
            results[step.name] = Result(step.name, step.script, ran.returncode, ran.stdout, ran.stderr)
            if step.required and ran.returncode != 0:
                break
        return results

    def say(self, message: str) -> None:
        self._stand_in.say(message)


class DeploymentInfo(StandIn):
    def play(self, options: dict[str, Any]) -> dict[str, Any]:
        self.obey("observe")
        self.note("observed")
        state = self.read()
        return self.result(state, False, "observed", offer=state["offer"])


class Deployment(StandIn):
    def play(self, options: dict[str, Any]) -> dict[str, Any]:
        if self.check_mode:
            self.note("asked to stage in check mode")
            return self.result(self.read(), True, "would stage")
        self.obey("stage")
        self.note("staged")
        return self.result(self.write(staged=self.read()["offer"]), True, "staged")


class DeploymentBoot(StandIn):
    def play(self, options: dict[str, Any]) -> dict[str, Any]:
        if self.check_mode:
            raise AssertionError("nobody may be told to reboot in check mode")
        state, target = self.read(), options["digest"]
        if state["booted"]["digest"] == target:
            self.note("runs it already")
            return self.result(state, False, "runs it already", boot=None)
        assert state["staged"]["digest"] == target, "only what is staged can be booted"
        order = self.obey("boot")
        self.tell(options, into_target=True)
        self.note("down")
        self.be_away()
        before, boots = state["booted"], state["boots"] + 1
        if order == "panic":
            evidence = "the kernel panicked"
            fallback = {"target_digest": target, "cause": "boot_failed", "evidence": evidence}
            state = self.write(boots=boots + 1, staged=None, last_fallback=fallback)
            self.note("up")
            raise FlotillaError(
                f"cannot prove that {self.name} runs 2: it came back on 1: boot_failed: {evidence}",
                phase="rolled_back",
                cause="boot_failed",
                host_state=state,
                boot={},
            )
        guard = {"target": target, "target_digest": target}
        state = self.write(boots=boots, booted=state["staged"], staged=None, rollback=before, guard=guard)
        self.note("up")
        self.obey("booted")
        return self.result(state, True, "runs it, on trial", boot={"took": state.get("reboot", REBOOT)}, phase="booted")


class HostHealth(StandIn):
    def play(self, options: dict[str, Any]) -> dict[str, Any]:
        self.note(str(options["state"]))
        if options["state"] == "verdict" and self.obey("verdict") == "sick":
            raise FlotillaError(
                f"cannot call {self.name} healthy: unit web.service is failed",
                verdict={"healthy": False, "reasons": ["unit web.service is failed"]},
                probes={},
            )
        return {"changed": False, "msg": "healthy", "verdict": {"healthy": True}, "probes": {}}


class DeploymentConfirm(StandIn):
    def play(self, options: dict[str, Any]) -> dict[str, Any]:
        self.obey("confirm")
        state = self.write(guard=None)
        self.note("confirmed")
        self.obey("confirmed")
        return self.result(state, True, "confirmed 2")


class DeploymentRollback(StandIn):
    def play(self, options: dict[str, Any]) -> dict[str, Any]:
        state = self.read()
        only_from, target = options.get("only_from"), options.get("target")
        if only_from and state["booted"]["digest"] != only_from:
            return self.result(state, False, "runs something else", boot=None)
        assert not target or state["rollback"]["digest"] == target, "only what is deployed can be gone back to"
        self.obey("rollback")
        if "permission" in options:  # the role rollback needs none: it is no rollout
            self.tell(options, into_target=False)
        self.note("going back")
        self.note("down")
        self.be_away()
        state = self.write(booted=state["rollback"], guard=None, boots=state["boots"] + 1)
        self.note("up")
        self.obey("rolled_back")
        return self.result(state, True, "rolled back to 1", phase="rolled_back", boot={})
