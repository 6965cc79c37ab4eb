# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot the staged deployment under the guard, and prove that it is the one that runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .._drivers._protocol import Driver, HasNoGuard, LocksStaged
from .._errors import FlotillaError, Refused
from .._guard import render
from .._model.consent import Consent
from .._model.host import Clock, Host, Step
from .._model.outcome import Outcome
from .._model.phase import Phase
from .._model.state import Deployment, Guard, HostState, Position, named
from .observe import Observed, observe
from .reboot import Permission, order_reboot, wait_for_boot

# The guard's boot service may end a little after sshd answers: then the host is asked again (s).
GUARD_PATIENCE = 90.0
GUARD_PAUSE = 3.0
# Pause (s) before the next look at a boot that its OS does not count as good yet.
SETTLE_PAUSE = 5.0
# What a host may take beyond `confirm_within` to shut down, fail, and come back on the previous deployment (s).
RETURN_ALLOWANCE = 600


@dataclass(frozen=True)
class BootWish:
    """How to boot what is staged. `digest`: refuse to boot anything else. Times in seconds.

    `confirm_within` counts from the new boot; `timeout` from the order to reboot, and must leave the guard its time.
    `tries`: boots that the boot loader grants the new deployment, where it counts. Two: a single power cut in the
    wrong moment is not taken for a bad OS. `unguarded`: boot also where the OS has no place for the guard.
    """

    digest: str | None = None
    reboot: Consent = Consent.ALLOW
    confirm_within: int = 600
    timeout: int = 1200
    tries: int = 2
    unguarded: bool = False


def validate(wish: BootWish) -> None:
    """Raise Refused for times that make no sense together."""
    if wish.confirm_within <= 0:
        raise Refused(f"cannot arm the guard: confirm_within must be positive, not {wish.confirm_within}")
    if not 1 <= wish.tries <= 9:
        raise Refused(f"cannot arm the guard: boot_tries must be between 1 and 9, not {wish.tries}")
    if wish.timeout <= wish.confirm_within:
        raise Refused(
            f"cannot boot: timeout ({wish.timeout} s) must be longer than confirm_within ({wish.confirm_within} s), "
            "else nobody would see the guard bring the host back"
        )


def boot(host: Host, clock: Clock, wish: BootWish, check: bool, permission: Permission | None = None) -> Outcome:
    """Arm the guard, reboot into the staged deployment, prove that it runs.

    A host that runs the wanted digest already is left alone, so that a run that was cut off can be repeated.
    `permission` is asked for at the last moment, when all else is known to be in order.
    Raises Refused (nothing to boot, another digest, no consent, no permission, no place for a guard), FlotillaError
    with `phase` (rolled_back, failed, unreachable) when the host did not come back on the target.
    """
    validate(wish)
    observed = observe(host)
    state = observed.state
    driver = observed.driven("boot a staged deployment")
    if wish.digest and state.booted and state.booted.digest == wish.digest:
        return _already(state)
    target = _staged(state, wish)
    if state.booted is None:
        raise Refused(f"cannot boot {named(target)}: the deployment that runs is not known, so there is no way back")
    if observed.unguarded:
        raise Refused(f"cannot boot {named(target)} on {host.name} under a guard: {observed.unguarded}")
    if wish.reboot is Consent.REFUSE:
        raise Refused(f"cannot boot {named(target)}: it needs a reboot, and reboot is refuse")
    predicted = replace(state, booted=target, staged=None, rollback=state.booted)
    if wish.reboot is Consent.DEFER:
        why = f"{named(target)} is staged; it needs a reboot, which is deferred"
        return _outcome(state, state, why, changed=False, returns={"reboot_required": True})
    guarded = not isinstance(driver, HasNoGuard)
    if isinstance(driver, HasNoGuard) and not wish.unguarded:
        raise Refused(
            f"cannot boot {named(target)} on {host.name} under a guard: {driver.no_guard}; "
            "`unguarded: allow` boots it all the same, and then nothing but a controller takes it back"
        )
    if check:
        why = f"would {'arm the guard and ' if guarded else ''}reboot from {named(state.booted)} into {named(target)}"
        return _outcome(state, predicted, why, changed=True)
    began = clock.monotonic()
    # Armed before it is released: whatever ends this run in between, nothing boots unguarded.
    arming: tuple[Step, ...] = ()
    if guarded:
        arming = (render.arm(driver, target, state.booted, wish.confirm_within, wish.tries, state.boot_id),)
    released = (driver.release(state, target),) if isinstance(driver, LocksStaged) else ()
    undo = [driver.lock_again()] if isinstance(driver, LocksStaged) else []
    undo += [render.undo(driver)] if guarded else []
    goal = f"arm the guard on {host.name}" if guarded else f"boot {named(target)} on {host.name}"
    order_reboot(host, driver, (*arming, *released), goal, permission, undo="; ".join(filter(None, undo)))
    armed = "guard armed" if guarded else "no guard"
    host.say(f"{armed}, rebooting from {named(state.booted)} into {named(target)}")
    return _prove(host, clock, driver, state, target, wish, began)


def _prove(
    host: Host, clock: Clock, driver: Driver, before: HostState, target: Deployment, wish: BootWish, began: float
) -> Outcome:
    back = wait_for_boot(host, driver, clock, before.boot_id, wish.timeout, began, f"booting {named(target)}")
    guarded = not isinstance(driver, HasNoGuard)
    if back is None:
        raise FlotillaError(
            f"cannot prove that {host.name} runs {named(target)}: no answer since the reboot, {wish.timeout} s ago"
            + (f"; its guard goes back to {named(before.booted)} by itself if it still can" if guarded else ""),
            phase=Phase.UNREACHABLE,
            boot=_boot_record(before, None, target, clock.monotonic() - began),
        )
    observed = back.observed if guarded else _settled(host, clock, back.observed, target, began + wish.timeout)
    after = observed.state
    while _guard_pending(after) and clock.monotonic() - began - back.elapsed < GUARD_PATIENCE:
        clock.sleep(GUARD_PAUSE)
        after = observe(host).state
    record = _boot_record(before, after, target, back.elapsed)
    if after.booted is None or after.booted.id != target.id:
        _went_elsewhere(host, before, after, target, record)
    if guarded and (after.guard is None or after.guard.target != target.id or after.guard.deadline is None):
        raise FlotillaError(
            f"cannot prove {host.name}: it runs {named(target)}, but its guard does not watch; "
            "confirm or roll back by hand",
            phase=Phase.FAILED,
            boot=record,
            host_state=after,
        )
    drifted = _drift(before, after) or observed.unsettled
    if drifted:
        fate = f"it is not confirmed, so that its guard goes back to {named(before.booted)}"
        raise FlotillaError(
            f"cannot prove {host.name}: it runs {named(target)}, but {drifted}; "
            + (fate if guarded else "nothing on it takes it back: roll it back"),
            phase=Phase.FAILED,
            boot=record,
            host_state=after,
        )
    trial = "on trial until it is confirmed" if guarded else "with nothing on the host that would take it back"
    why = f"runs {named(after.booted)} after {back.elapsed:.0f} s, {trial}"
    return _outcome(before, after, why, changed=True, returns={"boot": record, "phase": Phase.BOOTED})


def _settled(host: Host, clock: Clock, observed: Observed, target: Deployment, until: float) -> Observed:
    """Wait until the OS itself counts the boot of `target` as good, up to `until` (monotonic); return the last look."""
    while observed.unsettled and clock.monotonic() < until:
        if observed.state.booted is None or observed.state.booted.id != target.id:
            break
        clock.sleep(SETTLE_PAUSE)
        observed = observe(host)
    return observed


def _went_elsewhere(
    host: Host, before: HostState, after: HostState, target: Deployment, record: dict[str, object]
) -> None:
    fallback = after.last_fallback
    fell_back = fallback is not None and fallback.target == target.id
    cause = f"{fallback.cause.value}: {fallback.evidence}" if fallback and fell_back else "the host gives no reason"
    came_back = after.booted is not None and before.booted is not None and after.booted.id == before.booted.id
    raise FlotillaError(
        f"cannot prove that {host.name} runs {named(target)}: it came back on {named(after.booted)}: {cause}",
        phase=Phase.ROLLED_BACK if came_back else Phase.FAILED,
        cause=fallback.cause if fallback and fell_back else None,
        boot=record,
        host_state=after,
    )


def _guard_pending(after: HostState) -> bool:
    """The guard's boot service has not run yet: no trial is recorded, or the host fell back and has not said why."""
    return after.guard is not None and after.guard.deadline is None


def _drift(before: HostState, after: HostState) -> str | None:
    """Return what the new deployment lost of what was asked of the host before, in words."""
    if after.channel != before.channel:
        return f"its channel was {before.channel} and is {after.channel}"
    if after.mac != before.mac:
        return f"{before.mac.system.value} was {before.mac.mode} and {after.mac.system.value} is {after.mac.mode}"
    if after.native_updater != before.native_updater:
        return f"its native updater was {before.native_updater} and is {after.native_updater}"
    return None


def _staged(state: HostState, wish: BootWish) -> Deployment:
    if state.staged is None:
        wanted = f" {wish.digest[:12]}" if wish.digest else ""
        raise Refused(f"cannot boot{wanted}: nothing is staged; {named(state.booted)} is running")
    if wish.digest and state.staged.digest != wish.digest:
        raise Refused(f"cannot boot {wish.digest[:12]}: {named(state.staged)} is what is staged")
    if state.staged.position is Position.PENDING:
        raise Refused(
            f"cannot boot {named(state.staged)}: it was deployed without staging, so that its /etc is made already "
            "and the guard would not be in it; stage it with the deployment module"
        )
    if state.busy:
        raise Refused(f"cannot boot {named(state.staged)}: the host is busy: {state.busy}")
    return state.staged


def _already(state: HostState) -> Outcome:
    trial = state.guard is not None and state.booted is not None and state.guard.target == state.booted.id
    if trial and state.guard and state.guard.boot_id_before == state.boot_id:
        raise FlotillaError(
            f"cannot prove {named(state.booted)}: it runs by a soft reboot, on the kernel of the deployment before; "
            "reboot the host, or roll it back",
            phase=Phase.FAILED,
            host_state=state,
        )
    phase = Phase.BOOTED if trial else Phase.CONFIRMED
    why = f"{named(state.booted)} is running already" + (", on trial until it is confirmed" if trial else "")
    return _outcome(state, state, why, changed=False, returns={"phase": phase})


def _boot_record(before: HostState, after: HostState | None, target: Deployment, elapsed: float) -> dict[str, object]:
    return {
        "from": before.booted,
        "to": after.booted if after else None,
        "wanted": target,
        "boot_id_before": before.boot_id,
        "boot_id_after": after.boot_id if after else None,
        "elapsed": round(elapsed, 1),
    }


def _outcome(
    before: HostState, after: HostState, why: str, changed: bool, returns: dict[str, object] | None = None
) -> Outcome:
    return Outcome(
        changed=changed,
        why=why,
        host_state=after,
        returns={"boot": None, "reboot_required": False, **(returns or {})},
        before=_shown(before),
        after=_shown(after),
    )


def _shown(state: HostState) -> object:
    guard: Guard | None = state.guard
    return {
        "booted": named(state.booted),
        "staged": named(state.staged),
        "rollback": named(state.rollback),
        "guard": guard and guard.target,
    }
