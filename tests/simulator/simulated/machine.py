# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth about one host: what it runs, whether it is up, what its guard does. It knows no plans and no records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .faults import Dice, Fault
from .world import World

# Seconds.
SHUTDOWN, BOOT, LATE, POWER_CUT = 4.0, 45.0, 240.0, 30.0
# What a version is like: good, or bad in one of three ways.
GOOD, PANICS, NO_NETWORK, SICK = "good", "panics", "no network", "sick"


@dataclass(frozen=True)
class Fallback:
    """What a host tells of the last time that it went back by itself."""

    target: str
    cause: str


class Machine:
    """`versions`: digest to what that version is like. `told`: called with what happens, for those who watch over it.

    `caused`: the host is away, or on its way there, because somebody of the rollout told it to reboot.
    """

    def __init__(
        self,
        world: World,
        dice: Dice,
        name: str,
        digest: str,
        versions: Mapping[str, str],
        told: Callable[[str, Machine], None],
    ) -> None:
        self.world, self.dice, self.name, self.versions, self._told = world, dice, name, versions, told
        self.running = self.default = digest
        self.previous: str | None = None
        self.staged: str | None = None
        self.armed: str | None = None  # the target of the guard
        self.deadline: float | None = None  # of the guard, once it has seen the target run
        self.fallback: Fallback | None = None
        self.confirm_within = 600.0
        self.up = True
        self.caused = False
        self.rebooting = False  # told to, and still answering
        self.cut_until = 0.0
        self.sick_until = 0.0
        self.boot = 1
        self.boots_ordered = 0
        self.verdict_on: str | None = None  # what a good verdict was given on, since it runs
        self.confirmed: str | None = None  # what was confirmed on the host, while it ran, after a good verdict

    # -- what others see

    @property
    def answers(self) -> bool:
        network = self.versions[self.running] != NO_NETWORK
        return self.up and network and self.world.now >= self.cut_until

    @property
    def on_trial(self) -> bool:
        return self.armed is not None and self.armed == self.running

    @property
    def away(self) -> bool:
        """Down because of the rollout, or about to be, or not known to stay."""
        return self.caused and (not self.up or self.rebooting or self.on_trial)

    @property
    def healthy(self) -> bool:
        return self.versions[self.running] != SICK and self.world.now >= self.sick_until

    def state(self) -> dict[str, Any]:
        """Return `host_state` as the modules do."""
        return {
            "driver": "simulated",
            "booted": _deployment(self.running),
            "staged": _deployment(self.staged),
            "guard": {"target": self.armed, "target_digest": self.armed} if self.armed else None,
            "last_fallback": self.fallback
            and {"target_digest": self.fallback.target, "cause": self.fallback.cause, "evidence": "as simulated"},
        }

    # -- what is done to it

    def cut(self, seconds: float) -> None:
        self.cut_until = max(self.cut_until, self.world.now + seconds)

    def die(self, seconds: float) -> None:
        """Lose power; it comes back after `seconds`, on trial again where it was on trial."""
        if self.up:
            self._down(seconds + BOOT, self._choose)

    def order(self, target: str, confirm_within: float, slow: bool) -> None:
        """Arm the guard for what is staged, and reboot into it."""
        assert self.staged == target, "only what is staged can be booted"
        self.armed, self.deadline, self.fallback = target, None, None
        self.confirm_within = confirm_within
        self._reboot(slow, self._boot_target)

    def go_back(self, slow: bool) -> None:
        """Make the previous deployment the default, disarm the guard, reboot."""
        assert self.previous is not None
        self.default, self.armed, self.deadline = self.previous, None, None
        self._reboot(slow, lambda: self._up(self.default))

    def found_healthy(self) -> None:
        """Somebody was given a good verdict."""
        self.verdict_on = self.running
        if self.versions[self.running] == SICK:
            self._told("lies about its version", self)

    def confirm(self) -> None:
        """Mark what runs as good."""
        self.armed, self.deadline, self.default = None, None, self.running
        self.confirmed = self.running if self.verdict_on == self.running else None
        self._settle()

    # -- what it does by itself

    def _reboot(self, slow: bool, how: Callable[[], None]) -> None:
        self.boots_ordered += 1
        self.caused = self.rebooting = True
        self._told("told to reboot", self)
        boot = self.boot

        def shut_down() -> None:
            if self.boot == boot and self.up:
                self._down(BOOT, how)

        self.world.after(90.0 if slow else SHUTDOWN, shut_down)

    def _down(self, seconds: float, then: Callable[[], None]) -> None:
        self.up = self.rebooting = False
        self.boot += 1
        boot = self.boot

        def again() -> None:
            if self.boot == boot and not self.up:
                then()

        self.world.after(seconds, again)

    def _boot_target(self) -> None:
        """The first boot of the target: whatever can go wrong with a boot goes wrong here."""
        target = self.armed
        assert target is not None
        fault = self.dice.at("boot")
        if fault is not None:
            self.dice.strike(fault)
        if fault is Fault.COMES_BACK_LATE:
            self._down(LATE, lambda: self._try(target))
        elif fault is Fault.COMES_BACK_TOO_LATE:
            self._down(3 * self.confirm_within + 1800, lambda: self._try(target))
        elif fault is Fault.NEVER_COMES_BACK:
            self._down(float("1e9"), lambda: self._try(target))
        elif fault is Fault.WRONG_VERSION:
            self.staged, self.armed = None, None
            self._up("wrong")
        elif fault is Fault.NOT_ACTIVATED:
            self._back(target, "not_activated")
        elif fault is Fault.POWER_CUT_BOOTING:
            self._down(POWER_CUT + BOOT, lambda: self._try(target))
        else:
            if fault is Fault.CUT:
                self.cut(1.5 * self.confirm_within)
            self._try(target)

    def _try(self, target: str) -> None:
        self._told("boots the target", self)
        if self.versions[target] == PANICS:
            self._down(2 * BOOT, lambda: self._back(target, "boot_failed"))
            return
        self.previous, self.staged, self.default = self.running, None, self.running
        self._up(target)

    def _back(self, target: str, cause: str) -> None:
        """Run what ran before the target, and say why."""
        self.armed, self.deadline, self.staged = None, None, None
        self.fallback = Fallback(target, cause)
        self._up(self.default)

    def _choose(self) -> None:
        """Power is back: the boot loader takes what is to run."""
        if self.on_trial:
            self._up(self.running)  # a try is left: the trial goes on
        elif self.armed is not None:
            self._back(self.armed, "not_activated")
        else:
            self._up(self.default)

    def _up(self, digest: str) -> None:
        if digest != self.running:
            self.verdict_on = None
        self.running, self.up = digest, True
        self._settle()
        if self.on_trial:
            self.deadline = self.world.now + self.confirm_within
            boot = self.boot
            self.world.after(self.confirm_within, lambda: self._expire(boot))

    def _expire(self, boot: int) -> None:
        if self.boot == boot and self.up and self.on_trial:
            self.fall_back("not_confirmed")

    def fall_back(self, cause: str) -> None:
        """The guard brings the host back from its trial."""
        target = self.running
        self._down(SHUTDOWN + BOOT, lambda: self._back(target, cause))

    def _settle(self) -> None:
        if self.up and not self.rebooting and not self.on_trial:
            self.caused = False

    def repair(self) -> None:
        """What an operator does with a host that is dead or cut off."""
        self.cut_until = self.sick_until = 0.0
        if not self.up:
            self.boot += 1
            self._choose()


def _deployment(digest: str | None) -> dict[str, Any] | None:
    return digest and {"id": digest, "digest": digest, "version": digest.partition("-")[0]}  # type: ignore[return-value]
