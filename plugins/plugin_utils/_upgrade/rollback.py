# SPDX-License-Identifier: GPL-3.0-or-later
"""Roll back: make an earlier deployment the booted one, by name, and prove it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .._drivers._protocol import CanRollBack, HasNoGuard, RollsBackAtOnce, reason_for_lack
from .._errors import FlotillaError, Refused
from .._guard import render
from .._model.consent import Consent
from .._model.host import Clock, Host
from .._model.outcome import Outcome
from .._model.phase import Phase
from .._model.state import Deployment, HostState, Position, bare, named
from .observe import observe
from .reboot import Permission, order_reboot, wait_for_boot

# As many characters of a digest as our messages show name a deployment; fewer may be a version that is not there.
DIGEST_PREFIX = 12


@dataclass(frozen=True)
class RollbackWish:
    """`target`: a digest or a version that is deployed on the host; None: the deployment that ran before.

    `only_from`: do nothing unless this digest is what runs. `timeout` in seconds.
    """

    target: str | None = None
    only_from: str | None = None
    reboot: Consent = Consent.ALLOW
    timeout: int = 600


def roll_back(
    host: Host, clock: Clock, wish: RollbackWish, check: bool, permission: Permission | None = None
) -> Outcome:
    """Go back to `wish.target`. Raises Refused before anything is changed, FlotillaError when the proof fails.

    `permission` is asked for at the last moment before the reboot, when all else is known to be in order.
    """
    if wish.timeout <= 0:
        raise Refused(f"cannot roll back: timeout must be positive, not {wish.timeout}")
    observed = observe(host)
    state = observed.state
    driver = observed.driven("roll back")
    if not isinstance(driver, CanRollBack):
        raise Refused(f"cannot roll back {host.name}: {reason_for_lack(driver, 'rollback')}")
    if wish.only_from and state.booted and state.booted.digest != wish.only_from:
        why = f"{named(state.booted)} is running, not {wish.only_from[:12]}: nothing to roll back"
        return _outcome(state, state, why, changed=False)
    target = _target(host, state, wish.target)
    if state.booted and state.booted.id == target.id:
        return _outcome(state, state, f"{named(target)} is running already", changed=False)
    if wish.reboot is Consent.REFUSE:
        raise Refused(f"cannot roll back to {named(target)}: it needs a reboot, and reboot is refuse")
    at_once = isinstance(driver, RollsBackAtOnce)
    if wish.reboot is Consent.DEFER and at_once:
        raise Refused(f"cannot roll back to {named(target)}: with {driver.name} that is a reboot, and reboot is defer")
    predicted = replace(state, booted=target, rollback=state.booted, staged=None, guard=None)
    lost = state.staged if state.staged and state.staged.id != target.id else None
    dropped = f"; {named(lost)}, which is staged, is dropped" if lost else ""
    if check:
        why = f"would roll back from {named(state.booted)} to {named(target)}{dropped}"
        return _outcome(state, predicted, why, changed=True)
    # The guard stays armed until the earlier deployment is the default: cut off in between, the host still goes back.
    steps = (driver.roll_back(state, target), *((render.disarm(driver),) if state.guard else ()))
    if wish.reboot is Consent.DEFER:
        if state.deployments[0].id == target.id and target.position is Position.PENDING and not state.guard:
            why = f"{named(target)} is the next boot already; the reboot is deferred"
            return _outcome(state, state, why, changed=False, returns={"reboot_required": True})
        after = observe(host, extra=steps).state
        why = f"{named(target)} is the next boot; the reboot is deferred{dropped}"
        return _outcome(state, after, why, changed=True, returns={"reboot_required": True})
    began = clock.monotonic()
    order_reboot(host, driver, steps, f"roll {host.name} back to {named(target)}", permission, reboots=not at_once)
    host.say(f"rolling back from {named(state.booted)} to {named(target)}{dropped}")
    back = wait_for_boot(host, driver, clock, state.boot_id, wish.timeout, began, f"rolling back to {named(target)}")
    if back is None:
        raise FlotillaError(
            f"cannot prove that {host.name} runs {named(target)} again: "
            f"no answer since the reboot, {wish.timeout} s ago",
            phase=Phase.UNREACHABLE,
        )
    after = back.observed.state
    record = {
        "from": state.booted,
        "to": after.booted,
        "boot_id_before": state.boot_id,
        "boot_id_after": after.boot_id,
        "elapsed": round(back.elapsed, 1),
    }
    if after.booted is None or after.booted.id != target.id:
        raise FlotillaError(
            f"cannot prove that {host.name} runs {named(target)} again: it came back on {named(after.booted)}",
            phase=Phase.FAILED,
            boot=record,
            host_state=after,
        )
    # /etc belongs to a deployment: what the guard left in this one's when it was armed here is removed here.
    if not isinstance(driver, HasNoGuard):
        host.run([render.disarm(driver)])["disarm"].proven(f"remove what the guard left on {host.name}")
    why = f"rolled back to {named(target)} in {back.elapsed:.0f} s{dropped}"
    return _outcome(state, after, why, changed=True, returns={"boot": record, "phase": Phase.ROLLED_BACK})


def _target(host: Host, state: HostState, wanted: str | None) -> Deployment:
    if wanted is None:
        if state.guard and state.booted and state.guard.target == state.booted.id:
            wanted_id: str | None = state.guard.rollback_to
            found = next((one for one in state.deployments if one.id == wanted_id), None)
        else:
            found = state.rollback
        if found is None:
            following = f"; {named(state.staged)} is the next boot" if state.staged else ""
            raise Refused(
                f"cannot roll back {host.name}: no earlier deployment than {named(state.booted)} is on it{following}"
            )
        bad = state.last_fallback
        if bad and bad.target == found.id:
            raise Refused(
                f"cannot roll back {host.name} to {named(found)}: the host fell back from it ({bad.cause.value}); "
                "name it as target to do it all the same"
            )
        return found
    matching = [one for one in state.deployments if wanted in (one.version, one.digest)] or [
        one
        for one in state.deployments
        if len(bare(wanted)) >= DIGEST_PREFIX and bare(one.digest).startswith(bare(wanted))
    ]
    if not matching:
        known = ", ".join(named(one) for one in state.deployments) or "none"
        raise Refused(f"cannot roll back {host.name} to {wanted}: it is not deployed there; deployed are: {known}")
    if len({one.digest for one in matching}) > 1:
        raise Refused(f"cannot roll back {host.name} to {wanted}: that is ambiguous: {', '.join(map(named, matching))}")
    return matching[0]


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
    return {"booted": named(state.booted), "staged": named(state.staged), "rollback": named(state.rollback)}
