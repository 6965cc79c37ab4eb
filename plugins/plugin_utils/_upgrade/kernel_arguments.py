# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared kernel arguments: prepared as a deployment of their own, booted under the guard, proven on /proc/cmdline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .._drivers._protocol import CanSetKernelArguments
from .._errors import FlotillaError, Refused
from .._jobs import Job, run_job
from .._model.consent import Consent
from .._model.host import Clock, Host
from .._model.outcome import Outcome
from .._model.state import named
from .boot import RETURN_ALLOWANCE, BootWish, boot
from .confirm import confirm
from .observe import Observed, observe

# The boot loader and the update mechanism write these; a host that loses one does not boot.
_NOT_OURS = ("BOOT_IMAGE", "initrd", "ostree", "root")
# Preparing a deployment of what is there already: no download (s).
STAGE_TIME = 900


@dataclass(frozen=True)
class ArgumentsWish:
    """Arguments that must be there and that must not, each as it stands on the command line (`key` or `key=value`)."""

    present: tuple[str, ...]
    absent: tuple[str, ...]
    reboot: Consent
    confirm_within: int = 600

    def missing(self, arguments: Sequence[str]) -> tuple[str, ...]:
        return tuple(one for one in self.present if one not in arguments)

    def unwanted(self, arguments: Sequence[str]) -> tuple[str, ...]:
        return tuple(one for one in self.absent if one in arguments)

    def holds(self, arguments: Sequence[str]) -> bool:
        return not self.missing(arguments) and not self.unwanted(arguments)


def validate(wish: ArgumentsWish) -> None:
    """Raise Refused for arguments that contradict each other or are not ours to set."""
    for one in (*wish.present, *wish.absent):
        if not one or one.split() != [one]:
            raise Refused(f"cannot set kernel argument {one!r}: it is empty or holds white space")
        if one.partition("=")[0] in _NOT_OURS:
            raise Refused(f"cannot set kernel argument {one!r}: the boot loader and the update mechanism own it")
    both = sorted(set(wish.present) & set(wish.absent))
    if both:
        raise Refused(f"cannot set kernel argument {both[0]!r}: it is asked to be present and absent")


def set_arguments(host: Host, clock: Clock, wish: ArgumentsWish, check: bool) -> Outcome:
    """Make the kernel of `host` run with `wish`. Raises Refused, FlotillaError."""
    validate(wish)
    before = observe(host)
    state = before.state
    running = state.kernel_arguments
    following = _next(before)
    if wish.holds(running) and wish.holds(following):
        return _outcome(before, before, "the kernel arguments are as asked for", False)
    driver = before.driven("set kernel arguments")
    if not isinstance(driver, CanSetKernelArguments):
        raise Refused(f"cannot set kernel arguments of {host.name}: the {driver.name} mechanism has no way to do that")
    if wish.reboot is Consent.REFUSE:
        raise Refused(f"cannot set kernel arguments of {host.name}: that needs a reboot, and reboot is refuse")
    if state.guard is not None:
        raise Refused(f"cannot set kernel arguments of {host.name}: the guard is armed; confirm or roll back first")
    if state.staged and state.booted and state.staged.digest != state.booted.digest and not wish.holds(following):
        raise Refused(
            f"cannot set kernel arguments of {host.name}: {named(state.staged)} is staged and would be replaced; "
            "boot it or unstage it first"
        )
    add, remove = wish.missing(following), wish.unwanted(following)
    if check:
        after = tuple(one for one in following if one not in remove) + add
        why = f"would add {list(add)}, remove {list(remove)}, and need a reboot"
        return _outcome(before, replace(before, next_kernel_arguments=after), why, True, wish.reboot is Consent.DEFER)
    staged = before if wish.holds(following) else _prepare(host, clock, driver, before, add, remove, wish)
    if wish.reboot is Consent.DEFER:
        return _outcome(before, staged, "prepared; they need a reboot, which is deferred", staged is not before, True)
    boot(host, clock, BootWish(None, wish.reboot, wish.confirm_within, wish.confirm_within + RETURN_ALLOWANCE), False)
    after_boot = observe(host)
    if not wish.holds(after_boot.state.kernel_arguments):
        raise FlotillaError(
            f"cannot prove the kernel arguments of {host.name}: it runs with "
            f"{' '.join(after_boot.state.kernel_arguments)}; it is not confirmed, so that its guard goes back",
            host_state=after_boot.state,
        )
    confirm(host, None, False)
    return _outcome(before, observe(host), "the kernel runs with them", True)


def _prepare(
    host: Host,
    clock: Clock,
    driver: CanSetKernelArguments,
    before: Observed,
    add: tuple[str, ...],
    remove: tuple[str, ...],
    wish: ArgumentsWish,
) -> Observed:
    script = driver.set_kernel_arguments(before.state, add, remove)
    report = run_job(host, clock, Job("stage", "preparing kernel arguments", script), STAGE_TIME)
    staged = observe(host)
    if not wish.holds(_next(staged)):
        raise FlotillaError(
            f"cannot prepare the kernel arguments of {host.name}: "
            f"the command exited with {report.rc}: {report.last_line}"
        )
    return staged


def _next(observed: Observed) -> tuple[str, ...]:
    """What the next boot will have; where that is not known, what runs."""
    return observed.next_kernel_arguments or observed.state.kernel_arguments


def _outcome(before: Observed, after: Observed, why: str, changed: bool, reboot_required: bool = False) -> Outcome:
    return Outcome(
        changed,
        why,
        after.state,
        returns={"reboot_required": reboot_required, "next_kernel_arguments": _next(after)},
        before={"next_kernel_arguments": _next(before)},
        after={"next_kernel_arguments": _next(after)},
    )
