# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared kernel arguments: prepared as a deployment of their own, booted under the guard, proven on /proc/cmdline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .._drivers._protocol import CanSetKernelArguments, reason_for_lack
from .._errors import FlotillaError, Refused
from .._jobs import Job, run_job
from .._model.consent import Consent
from .._model.host import Clock, Host
from .._model.outcome import Outcome
from .._model.state import HostState, named
from .boot import BootWish, boot
from .boot import validate as validate_boot
from .confirm import confirm
from .observe import Observed, observe

# The boot loader and the update mechanism write these; a host that loses one does not boot.
_NOT_OURS = ("BOOT_IMAGE", "initrd", "ostree", "root")
# Preparing a deployment of what is there already: no download (s).
STAGE_TIME = 900


@dataclass(frozen=True)
class ArgumentsWish:
    """Arguments that must be there and that must not, each as it stands on the command line (`key` or `key=value`).

    `confirm_within` and `timeout` in seconds, as in BootWish.
    """

    present: tuple[str, ...]
    absent: tuple[str, ...]
    reboot: Consent = Consent.DEFER
    confirm_within: int = 600
    timeout: int = 1200

    def missing(self, arguments: Sequence[str]) -> tuple[str, ...]:
        return tuple(one for one in dict.fromkeys(self.present) if one not in arguments)

    def unwanted(self, arguments: Sequence[str]) -> tuple[str, ...]:
        """As often as they are there: each is removed by itself."""
        return tuple(one for one in arguments if one in self.absent)

    def holds(self, arguments: Sequence[str]) -> bool:
        return not self.missing(arguments) and not self.unwanted(arguments)

    @property
    def boot(self) -> BootWish:
        return BootWish(None, self.reboot, self.confirm_within, self.timeout)


def validate(wish: ArgumentsWish) -> None:
    """Raise Refused for arguments that contradict each other or are not ours to set, and for senseless times."""
    for one in (*wish.present, *wish.absent):
        if not one or one.split() != [one]:
            raise Refused(f"cannot set kernel argument {one!r}: it is empty or holds white space")
        if one.partition("=")[0] in _NOT_OURS:
            raise Refused(f"cannot set kernel argument {one!r}: the boot loader and the update mechanism own it")
    both = sorted(set(wish.present) & set(wish.absent))
    if both:
        raise Refused(f"cannot set kernel argument {both[0]!r}: it is asked to be present and absent")
    validate_boot(wish.boot)


def set_arguments(host: Host, clock: Clock, wish: ArgumentsWish, check: bool) -> Outcome:
    """Make the kernel of `host` run with `wish`, and its next boot, too. Raises Refused, FlotillaError."""
    validate(wish)
    before = observe(host)
    state, following = before.state, _next(before)
    if wish.holds(state.kernel_arguments) and wish.holds(following):
        return _confirmed(host, before, check)
    driver = before.driven("set kernel arguments")
    if not isinstance(driver, CanSetKernelArguments):
        raise Refused(f"cannot set kernel arguments of {host.name}: {reason_for_lack(driver, 'kernel_arguments')}")
    _refuse_unsafe(host, before, wish)
    add, remove = wish.missing(following), wish.unwanted(following)
    reboots = not wish.holds(state.kernel_arguments)
    deferred = reboots and wish.reboot is Consent.DEFER
    if check:
        changes = bool(add or remove) or (reboots and not deferred)
        return _outcome(before, _predicted(before, wish), _plan(add, remove, reboots, deferred), changes, deferred)
    staged = _prepare(host, clock, driver, before, add, remove, wish) if add or remove else before
    if not reboots or deferred:
        why = "they are prepared for the next boot" + ("; the reboot that they need is deferred" if deferred else "")
        return _outcome(before, staged, why, staged is not before, deferred)
    boot(host, clock, wish.boot, False)
    booted = observe(host)
    if not (wish.holds(booted.state.kernel_arguments) and wish.holds(_next(booted))):
        raise FlotillaError(
            f"cannot prove the kernel arguments of {host.name}: it runs with "
            f"{' '.join(booted.state.kernel_arguments)}; it is not confirmed, so that its guard goes back",
            host_state=booted.state,
        )
    digest = state.booted.digest if state.booted else None
    confirm(host, digest, False)
    return _outcome(before, observe(host), "the kernel runs with them", True)


def _confirmed(host: Host, before: Observed, check: bool) -> Outcome:
    """All is as asked for. If it is so on trial only, after a run that was cut off, it is confirmed."""
    state = before.state
    if not _on_trial(state):
        return _outcome(before, before, "the kernel arguments are as asked for", False)
    why = "the kernel runs with them, on trial"
    if check:
        return _outcome(before, before, f"{why}; would confirm", True)
    confirm(host, state.booted.digest if state.booted else None, False)
    return _outcome(before, observe(host), f"{why} until now", True)


def _on_trial(state: HostState) -> bool:
    """The guard watches a deployment that differs from the one before in arguments alone: not an upgrade."""
    if state.guard is None or state.booted is None or state.guard.target != state.booted.id:
        return False
    way_back = next((one for one in state.deployments if one.id == state.guard.rollback_to), None)
    return way_back is not None and way_back.digest == state.booted.digest


def _refuse_unsafe(host: Host, before: Observed, wish: ArgumentsWish) -> None:
    state = before.state
    goal = f"cannot set kernel arguments of {host.name}"
    prepared, runs = wish.holds(_next(before)), wish.holds(state.kernel_arguments)
    if not runs and wish.reboot is Consent.REFUSE:
        raise Refused(f"{goal}: that needs a reboot, and reboot is refuse")
    if state.busy:
        raise Refused(f"{goal}: the host is busy: {state.busy}")
    # Armed for what is prepared, by a run that was cut off before the reboot: that is taken up again.
    taken_up = prepared and state.guard and state.staged and state.guard.target == state.staged.id
    if state.guard and not taken_up:
        raise Refused(f"{goal}: the guard is armed; confirm or roll back first")
    if prepared and wish.reboot is Consent.DEFER:
        return
    if state.staged and state.booted and state.staged.digest != state.booted.digest:
        fate = "booted without a look at its health" if prepared else "replaced"
        raise Refused(f"{goal}: {named(state.staged)} is staged and would be {fate}; boot it or unstage it first")
    if prepared and state.staged is None:
        raise Refused(
            f"{goal}: its boot entry has them already, but nothing is staged that the guard could watch; reboot it"
        )


def _plan(add: Sequence[str], remove: Sequence[str], reboots: bool, deferred: bool) -> str:
    parts = [f"{verb} {' '.join(some)}" for verb, some in (("add", add), ("remove", remove)) if some]
    if reboots and not deferred:
        parts.append("reboot under the guard")
    if not parts:
        return "they are prepared for the next boot; the reboot that they need is deferred"
    return f"would {', '.join(parts)}" + ("; the reboot that they need is deferred" if deferred else "")


def _predicted(before: Observed, wish: ArgumentsWish) -> Observed:
    following = tuple(one for one in _next(before) if one not in wish.absent) + wish.missing(_next(before))
    state = before.state
    if wish.reboot is Consent.ALLOW and not wish.holds(state.kernel_arguments):
        state = replace(state, kernel_arguments=following)
    return replace(before, state=state, next_kernel_arguments=following)


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
