# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tasks of roles/upgrade do with one host, played on a simulated machine. Results look like the modules'."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError

from .faults import Dice, Fault
from .machine import Machine
from .world import World

Result = dict[str, Any]
# A step: it yields the seconds that pass, and returns what the task registers.
Step = Generator[float, None, Result]
# Asks the ledger for the permission to reboot, into the target or away from it; returns until when (s, by the clock of
# the world) the host may be told. Raises FlotillaError.
Permit = Callable[[bool], Generator[float, None, float]]
# Seconds.
ROUND_TRIP, POLL, SLOW, FLAP, CUT = 2.0, 15.0, 45.0, 20.0, 900.0
UNREACHABLE: Result = {"unreachable": True, "msg": "no answer"}


@dataclass(frozen=True)
class Times:
    """As the role's variables, in seconds."""

    confirm_within: int = 600
    boot_timeout: int = 1200
    health_timeout: int = 120
    soak: int = 30

    @property
    def lease(self) -> int:
        """As roles/upgrade/tasks/turn.yml has it."""
        return 2 * self.boot_timeout + self.health_timeout + self.soak + 900


@dataclass(frozen=True)
class Hands:
    """What takes a host through its turn. `may_go_on`: is there still somebody who starts the next task?

    `orders`: called with the name of a host when it is told to reboot.
    """

    world: World
    dice: Dice
    times: Times
    may_go_on: Callable[[], bool]
    orders: Callable[[str], None]
    rolls_back: bool = True  # upgrade_on_failure is not stop

    def observe(self, machine: Machine, offer: str) -> Result:
        fault = self._strikes("observe", machine)
        if fault is Fault.FLAP or not machine.answers:
            return UNREACHABLE
        return {"host_state": machine.state(), "offer": {"digest": offer, "version": "offered"}}

    def stage(self, machine: Machine, target: str) -> Result:
        fault = self._strikes("stage", machine)
        if fault is Fault.FLAP or not machine.answers:
            return UNREACHABLE
        if fault is Fault.STAGING_FAILS:
            return {"failed": True, "msg": "cannot stage: as simulated"}
        if machine.running != target:
            machine.staged = target
        return UNREACHABLE if fault is Fault.REPLY_LOST else {"host_state": machine.state(), "msg": "staged"}

    def turn(self, machine: Machine, target: str, permit: Permit) -> Generator[float, None, dict[str, Result] | None]:
        """Return the results of the turn; None when nobody is there any more to start the next task."""
        results: dict[str, Result] = {}
        for name, step in (
            ("baseline", lambda: self._baseline(machine)),
            ("boot", lambda: self._boot(machine, target, permit)),
            ("verdict", lambda: self._verdict(machine)),
            ("confirm", lambda: self._confirm(machine, target)),
        ):
            results[name] = yield from step()
            if not self.may_go_on():
                return None
            if results[name].get("failed"):  # the rescue; a host that cannot be reached has none
                if not self.rolls_back:
                    break
                results["rollback"] = yield from self._roll_back(machine, target, permit)
                return results if self.may_go_on() else None
            if results[name].get("unreachable"):  # the tasks that follow ask for proof, and are skipped
                break
        return results

    def way_back(
        self, machine: Machine, target: str, permit: Permit, to: str
    ) -> Generator[float, None, dict[str, Result] | None]:
        """Return the results of a way back, as `turn` does."""
        results = {"rollback": (yield from self._roll_back(machine, target, permit, to))}
        if self.may_go_on() and "host_state" in results["rollback"]:
            results["verdict"] = yield from self._verdict(machine)
        return results if self.may_go_on() else None

    def _baseline(self, machine: Machine) -> Step:
        yield ROUND_TRIP
        fault = self._strikes("baseline", machine)
        if fault is Fault.SLOW:
            yield SLOW
        if fault is Fault.FLAP or not machine.answers:
            return UNREACHABLE
        return {"verdict": {"healthy": machine.healthy}}

    def _boot(self, machine: Machine, target: str, permit: Permit) -> Step:
        yield ROUND_TRIP
        if not machine.answers:
            return UNREACHABLE
        if machine.running == target:
            return {"boot": None, "msg": "running already"}
        if machine.staged != target:
            return {"failed": True, "msg": "cannot boot: it is not staged"}
        fault = self._strikes("arm", machine)
        if fault is Fault.FLAP or not machine.answers:
            return UNREACHABLE
        if fault is Fault.ARMING_FAILS:
            return {"failed": True, "msg": "cannot arm the guard: as simulated"}
        refused = yield from self._asked(machine, permit, into_target=True)
        if refused is not None:
            return refused
        before, began = machine.running, self.world.now
        machine.order(target, self.times.confirm_within, slow=fault is Fault.SHUTS_DOWN_SLOWLY)
        if fault is Fault.REPLY_LOST:
            return UNREACHABLE
        if not (yield from self._back(machine, machine.boot, began)):
            return {"failed": True, "phase": "unreachable", "msg": "no answer since the reboot", "boot": {}}
        if machine.on_trial and machine.running == target:
            return {"boot": {}, "phase": "booted", "msg": "on trial"}
        phase = "rolled_back" if machine.running == before else "failed"
        cause = machine.fallback.cause if machine.fallback else None
        return {"failed": True, "phase": phase, "cause": cause, "boot": {}, "msg": f"came back on {machine.running}"}

    def _asked(self, machine: Machine, permit: Permit, into_target: bool) -> Generator[float, None, Result | None]:
        """Ask for the permission to reboot and send the order, as `_upgrade/reboot.py` does; None when it may be given.

        What holds the controller up between the two is on the permission's time, by the clock of the host.
        """
        boot = machine.boot
        try:
            until = yield from permit(into_target)
        except FlotillaError as exc:
            return {"failed": True, "msg": str(exc)}
        yield ROUND_TRIP
        if not machine.answers:
            return UNREACHABLE
        if machine.boot != boot or self.world.now > until:
            return {"failed": True, "msg": "cannot tell it to reboot: the permission to reboot is over"}
        self.orders(machine.name)
        return None

    def _back(self, machine: Machine, boot: int, began: float) -> Generator[float, None, bool]:
        """Wait until the host answers from another boot than `boot`."""
        while machine.boot == boot or not machine.answers:
            if self.world.now - began > self.times.boot_timeout:
                return False
            yield POLL
        return True

    def _verdict(self, machine: Machine) -> Step:
        yield ROUND_TRIP
        fault = self._strikes("verdict", machine)
        if fault is Fault.SICK_FOR_A_WHILE:
            machine.sick_until = self.world.now + 60
        elif fault is Fault.RESET_ON_TRIAL:
            machine.fall_back("reset")
        lies = not machine.healthy and self.dice.at("verdict of a sick host") is not None
        began, good_since = self.world.now, None
        while True:
            if fault is Fault.FLAP or not machine.answers:
                return UNREACHABLE
            good = fault is not Fault.LIES_SICK and (machine.healthy or lies)
            good_since = (self.world.now if good_since is None else good_since) if good else None
            if good_since is not None and self.world.now - good_since >= self.times.soak:
                if not machine.healthy:
                    self.dice.strike(Fault.LIES_HEALTHY)
                machine.found_healthy()
                return {"verdict": {"healthy": True}, "msg": "healthy"}
            if self.world.now - began > self.times.health_timeout:
                return {"failed": True, "verdict": {"healthy": False}, "msg": "it is sick"}
            yield POLL

    def _confirm(self, machine: Machine, target: str) -> Step:
        yield ROUND_TRIP
        fault = self._strikes("confirm", machine)
        if fault is Fault.SLOW:
            yield SLOW
        if fault is Fault.GUARD_EXPIRES:
            machine.fall_back("not_confirmed")
        if fault is Fault.FLAP or not machine.answers:
            return UNREACHABLE
        if fault is Fault.CONFIRM_FAILS:
            return {"failed": True, "msg": "cannot confirm: as simulated"}
        if machine.running != target:
            return {"failed": True, "msg": "cannot confirm: something else is what runs"}
        machine.confirm()
        return UNREACHABLE if fault is Fault.REPLY_LOST else {"msg": "confirmed"}

    def _roll_back(self, machine: Machine, target: str, permit: Permit, to: str | None = None) -> Step:
        """`to`: the only deployment to go back to; without it, to the one before."""
        yield ROUND_TRIP
        fault = self._strikes("roll back", machine)
        if fault is Fault.FLAP or not machine.answers:
            return UNREACHABLE
        if machine.running != target:
            return {"host_state": machine.state(), "msg": "nothing to roll back"}
        if machine.previous is None or machine.previous != (to or machine.previous):
            return {"failed": True, "msg": "cannot roll back: no such deployment is on it"}
        refused = yield from self._asked(machine, permit, into_target=False)
        if refused is not None:
            return refused
        began = self.world.now
        machine.go_back(slow=fault is Fault.SHUTS_DOWN_SLOWLY)
        if fault is Fault.REPLY_LOST:
            return UNREACHABLE
        if not (yield from self._back(machine, machine.boot, began)):
            return {"failed": True, "phase": "unreachable", "msg": "no answer since the reboot"}
        return {"host_state": machine.state(), "phase": "rolled_back", "msg": "rolled back"}

    def _strikes(self, step: str, machine: Machine) -> Fault | None:
        """Draw what strikes at a step, count it, and let what has nothing to do with the step happen."""
        fault = self.dice.at(step) if machine.answers else None
        if fault is None or (fault in (Fault.RESET_ON_TRIAL, Fault.GUARD_EXPIRES) and not machine.on_trial):
            return None
        self.dice.strike(fault)
        if fault is Fault.FLAP:
            machine.cut(FLAP)
        elif fault is Fault.CUT:
            machine.cut(CUT)
        elif fault is Fault.DIES:
            machine.die(self.dice.random.choice((30.0, 600.0, 7200.0)))
        return fault
