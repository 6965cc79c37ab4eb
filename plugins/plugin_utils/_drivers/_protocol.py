# SPDX-License-Identifier: GPL-3.0-or-later
"""What a driver is: a small core that each has, and powers that only some have.

A driver never touches a host. It says which steps show what it needs, reads their results, and writes the steps that
bring a change about. Callers ask `isinstance(driver, CanRollBack)` and refuse, with the reason, what an OS cannot do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from .._model.host import Result, Results, Step
from .._model.state import (
    Channel,
    Deployment,
    Fallback,
    Guard,
    HostState,
    Mac,
    NativeUpdater,
    Os,
    UpdaterState,
    Verification,
)

# Where our records on a host are; and where they are when /var/lib is part of a read-only image.
STATE, BELOW_IMAGE = "/var/lib/flotilla", "/var/lib/misc/flotilla"


@dataclass(frozen=True)
class View:
    """What a driver sees in one observation: its part of `HostState`.

    `guard`: of a driver that `GuardsFromElsewhere`; `fallback`: of such a one, and of an OS that tells of the last time
    that it went back by its own means. `unguarded`: why no guard could be armed now. `unsettled`: why the OS does not
    count the running boot as a good one yet, so that its boot loader would still go back; for drivers with HasNoGuard.
    """

    booted: Deployment | None
    staged: Deployment | None
    rollback: Deployment | None
    deployments: tuple[Deployment, ...]
    channel: Channel | None
    busy: str | None = None
    next_kernel_arguments: tuple[str, ...] | None = None
    guard: Guard | None = None
    fallback: Fallback | None = None
    unguarded: str | None = None
    unsettled: str | None = None


@dataclass(frozen=True)
class Identity:
    """What is the host's own, where our steps run beside its OS. `boot_id`, `kernel_arguments`: None where the kernel
    is shared, so that what the steps see of it is the host's."""

    os: Os
    mac: Mac
    boot_id: str | None = None
    kernel_arguments: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Candidate:
    """What the channel offers now. `version` is for people and may be unknown."""

    digest: str
    version: str | None


@dataclass(frozen=True)
class ChannelWish:
    """What the user wants a host to follow. None leaves a part as it is. `keys`: trusted public keys, as text."""

    name: str | None = None
    source: str | None = None
    remote: str | None = None
    verification: Verification | None = None
    keys: str | None = None


@dataclass(frozen=True)
class ChannelRules:
    """What a mechanism's channel is made of, and how it can be verified; the first way is the one for a new source.

    `parts`: words out of name, source, remote, each of which must be known; `optional`: those that may be given, too.
    `keys`: it can be given keys to trust.
    """

    parts: tuple[str, ...] = ("name", "source", "remote")
    optional: tuple[str, ...] = ()
    verifications: tuple[Verification, ...] = (Verification.GPG, Verification.SIGN, Verification.NONE)
    keys: bool = True


class Driver(Protocol):
    """The core. `name` is the mechanism; `capabilities` are words for what has no protocol of its own below."""

    name: str
    capabilities: tuple[str, ...]

    def probes(self) -> tuple[Step, ...]:
        """Steps that show everything; free of side effects; quick (milliseconds) where the tool is absent.

        Step names start with the driver's name and a dot. Where the first one for the host itself exits with NOT_HERE,
        nothing of this mechanism is there, and the others are not run.
        """

    def present(self, results: Results) -> bool:
        """Tell whether this mechanism updates the OS of the host that gave `results`.

        True only on positive proof. The registry asks in order; the first that says yes is the host's driver.
        """

    def observe(self, results: Results) -> View:
        """Read the results of `probes`. Raises CannotParse."""

    def offer_probe(self) -> Step:
        """A step that asks the channel what it offers. It may use the network; it changes nothing."""

    def offer(self, result: Result, state: HostState) -> Candidate:
        """Read what `offer_probe` brought. Raises FlotillaError("cannot ...") when the channel gives no answer."""

    def stage(self, state: HostState, digest: str, allow_downgrade: bool) -> str:
        """Return sh that downloads, verifies and prepares exactly `digest`; it runs detached on the host."""

    def explain(self, state: HostState, digest: str, log: str) -> str | None:
        """Turn the log of a failed `stage` into its cause (commit, remote, key), or None where it says nothing.

        `digest` is empty after a failed `switch_by_staging`, which does not know it.
        """

    def unstage(self, state: HostState) -> Step:
        """A step that drops the staged deployment."""

    def guard_functions(self) -> str:
        """Return sh functions for the guard, which runs on the host without us.

        booted_id: prints the id of the running deployment.
        make_default ID: makes it the next boot; exits with 0 only when it is.
        """


@runtime_checkable
class CanRollBack(Protocol):
    """Can make an earlier deployment the next boot."""

    def roll_back(self, state: HostState, target: Deployment) -> Step:
        """A step that makes `target` the next boot; the reboot comes after it."""


@runtime_checkable
class RollsBackAtOnce(CanRollBack, Protocol):
    """Its step that rolls back reboots the host, too; there is no way to put that off."""

    rolls_back_at_once: bool


@runtime_checkable
class LocksStaged(Protocol):
    """Stages behind a lock: a reboot alone does not boot what is staged, until it is released."""

    def release(self, state: HostState, target: Deployment) -> Step:
        """A step that makes the next shutdown activate the staged `target`; required; the reboot follows it."""

    def lock_again(self) -> str:
        """Return sh that takes back what `release` did, where the reboot is not carried out after all."""


@runtime_checkable
class CanSwitchChannel(Protocol):
    """Can be told what to follow without downloading anything."""

    channel_rules: ChannelRules

    def switch_channel(self, state: HostState, wish: ChannelWish) -> tuple[Step, ...]:
        """Steps that make the host follow `wish`; each is required, each is safe to repeat."""

    def trusted_keys(self, results: Results, channel: Channel) -> str | None:
        """Return the SHA-256 of the key file that we gave the channel, None where there is none. From `probes`."""


@runtime_checkable
class HasOwnSource(Protocol):
    """Follows a source of its own, if it is not told another. `own_source`: the word that leads back to it."""

    own_source: str

    def source(self, results: Results) -> str | None:
        """Return what `Channel.source` is as long as the host follows its own. From `probes`."""


@runtime_checkable
class CanSwitchByStaging(Protocol):
    """Follows another channel only by staging what that offers: what is followed belongs to the deployment."""

    def wanted_channel(self, before: Channel | None, wish: ChannelWish) -> Channel:
        """Return what the host follows once `wish` is done. Raises Refused for what it cannot follow."""

    def switch_by_staging(self, state: HostState, wanted: Channel) -> str:
        """Return sh that downloads, verifies and stages what `wanted` offers; it runs detached on the host."""


@runtime_checkable
class CountsBoots(Protocol):
    """Its boot loader counts boots by other means than GRUB's environment block."""

    def counter_functions(self) -> str:
        """Return sh functions for the guard, instead of those in `_guard/grub.sh`; each ends with 0 when it is so.

        counter_present. counter_set TRIES: the target, which `get armed target` prints, boots next and may fail so
        often; with 0 it boots no more. counter_clear: what runs, if it also boots next, is good and counted no more.
        counter_spent: the target's tries are used up.
        """


@runtime_checkable
class WorksElsewhere(Protocol):
    """Stages at another place than the host; `place` is what its steps have for `Step.on`."""

    place: str


@runtime_checkable
class GuardsFromElsewhere(Protocol):
    """Its hosts keep nothing over a reboot: the guard stands elsewhere, and its `View` has the guard's records."""

    def arm(self, target: Deployment, rollback_to: Deployment, confirm_within: int, boot_id: str) -> Step:
        """A step that arms the guard and makes `target` the next boot; `boot_id` is that of the running boot."""

    def confirm(self, booted: str) -> Step:
        """A step that marks the deployment with id `booted` good and removes all that belongs to the guard."""

    def disarm(self) -> Step:
        """A step that calls the guard off, and makes what ran before the next boot if the target is that."""


@runtime_checkable
class CanSetKernelArguments(Protocol):
    """Can change the kernel arguments of the next boot."""

    def set_kernel_arguments(self, state: HostState, add: tuple[str, ...], remove: tuple[str, ...]) -> str:
        """Return sh that prepares a next boot with `add` added and `remove` removed; it runs detached."""


@runtime_checkable
class HasNativeUpdater(Protocol):
    """Knows the OS's own update agents: systemd units, timers before the services that they start."""

    updater_units: tuple[str, ...]


@runtime_checkable
class HasStateFolder(Protocol):
    """Its hosts cannot keep our records in STATE. `state_folder`: STATE or BELOW_IMAGE."""

    state_folder: str


@runtime_checkable
class HasUpdaterSetting(Protocol):
    """The OS's own update agent is part of the mechanism, and is held by a setting of it, not by masking units."""

    def updater(self, results: Results) -> NativeUpdater:
        """Return the agent, from `probes`. HELD only where it cannot act, and there is a record of what it was."""

    def handed_back(self, results: Results) -> UpdaterState | None:
        """Return what the agent is once it is handed back, by that record; None where there is none."""

    def set_updater(self, results: Results, wanted: UpdaterState) -> Step:
        """A step, required and safe to repeat, that brings it to HELD, ACTIVE (as it was before) or DISABLED."""


@runtime_checkable
class KnowsTheHost(Protocol):
    """Our steps run beside the OS, not in it: the files and the tools around them are those of a container, or of the
    controller. So the driver says what the host is, and how it reboots."""

    def identity(self, results: Results) -> Identity:
        """Read the results of `probes`. Raises CannotParse, ToolFailed."""

    def reboot(self) -> str:
        """Return sh that orders the reboot of the host, and does not wait for it."""


@runtime_checkable
class RunsOnController(KnowsTheHost, Protocol):
    """Our steps run on the controller: not even the kernel around them is the host's, and nothing of a host may be
    written there. The work of `stage` goes on as long as the connection that started it."""

    def boot_id(self) -> str:
        """Return sh that prints the boot id of the host, and fails where it is not to be had."""

    def uptime(self) -> str:
        """Return sh that prints the whole seconds since the host's boot."""


@runtime_checkable
class HasNoGuard(Protocol):
    """Its OS has no place for our guard: nothing on the host goes back when nobody confirms.

    `no_guard`: why, and what the OS has of its own, in words for a refusal. Its `guard_functions` raises Refused.
    """

    no_guard: str


@runtime_checkable
class GivesReasons(Protocol):
    """Says why it lacks a power: the reasons, by the words of `registry.capabilities`."""

    lacks: Mapping[str, str]


def place_of(driver: Driver) -> str:
    """Return where the work of `driver` is done, for `Step.on`."""
    return driver.place if isinstance(driver, WorksElsewhere) else ""


def reason_for_lack(driver: Driver, power: str) -> str:
    """Return why `driver` has not `power`, in words for a refusal."""
    known = driver.lacks.get(power) if isinstance(driver, GivesReasons) else None
    return known or f"the {driver.name} mechanism has no way to do that"
