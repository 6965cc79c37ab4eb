# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage an update: download, verify and prepare it, without any effect on the running system."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .._drivers._protocol import RunsOnController, place_of
from .._errors import FlotillaError, Refused
from .._guard import render
from .._jobs import Job, run_attached, run_job
from .._model.host import Clock, Host
from .._model.outcome import Outcome
from .._model.state import Deployment, HostState, Position, named
from .observe import LATEST, Observed, observe, observe_offer


@dataclass(frozen=True)
class StageWish:
    """What shall be staged. `version`: LATEST, or the version that the channel must offer; `digest`: exactly this one.

    `timeout` in seconds, for the work on the host.
    """

    version: str = LATEST
    digest: str | None = None
    allow_downgrade: bool = False
    timeout: int = 1800


def stage(host: Host, clock: Clock, wish: StageWish, check: bool) -> Outcome:
    """Stage what `wish` says.

    Raises Refused (cannot be done on this host or in this state), FlotillaError (the download or its verification
    failed; nothing is staged then, what was staged before still is).
    """
    before, target = _target(host, wish)
    state = before.state
    driver = before.driven(f"stage {named(target)}")
    reason = _nothing_to_do(state, target)
    if reason:
        return _outcome(before.state, state, reason, changed=False)
    _refuse_unsafe(state, target)
    # Also in check mode: here the driver says what it cannot do.
    job = Job(
        "stage", f"staging {named(target)}", driver.stage(state, target.digest, wish.allow_downgrade), place_of(driver)
    )
    if check:
        predicted = replace(state, staged=replace(target, verified=None))
        return _outcome(state, predicted, f"would stage {named(target)}", changed=True)
    attached = isinstance(driver, RunsOnController)
    report = run_attached(host, job, wish.timeout) if attached else run_job(host, clock, job, wish.timeout)
    after = observe(host).state
    if after.staged is None or after.staged.digest != target.digest:
        cause = driver.explain(state, target.digest, report.log) or (
            f"the command exited with {report.rc} and printed nothing"
        )
        raise FlotillaError(
            f"cannot stage {named(target)} on {host.name}: {cause}",
            host_state=after,
            log=report.log,
            staged=after.staged,
        )
    return _outcome(state, after, f"staged {named(after.staged)}", changed=True)


def unstage(host: Host, check: bool) -> Outcome:
    """Drop what is staged. Raises Refused under an armed guard, FlotillaError when it is still there afterwards."""
    before = observe(host)
    state = before.state
    driver = before.driven("unstage")
    if state.staged is None:
        return _outcome(state, state, "nothing is staged", changed=False)
    steps = [driver.unstage(state)]
    if state.guard is not None:
        if state.guard.target != state.staged.id or state.booted is None or state.booted.id != state.guard.rollback_to:
            raise Refused(
                f"cannot unstage {named(state.staged)} on {host.name}: the guard is armed for "
                f"{state.guard.target[:12]}; confirm or roll back first"
            )
        # Armed by a run that died before the reboot: called off first, so that no boot in between is judged by it.
        steps.insert(0, render.disarm(driver))
    if check:
        return _outcome(state, replace(state, staged=None), f"would unstage {named(state.staged)}", changed=True)
    after = observe(host, extra=steps).state
    if after.staged is not None:
        raise FlotillaError(f"cannot unstage {named(state.staged)}: {named(after.staged)} is still staged")
    return _outcome(state, after, f"unstaged {named(state.staged)}", changed=True)


def _target(host: Host, wish: StageWish) -> tuple[Observed, Deployment]:
    """Find out what is meant; the channel is asked only when the digest is not given."""
    if wish.digest is not None:
        observed = observe(host)
        known = next((one for one in observed.state.deployments if one.digest == wish.digest), None)
        version = known.version if known else (wish.version if wish.version != LATEST else None)
        return observed, _deployment(observed.state, wish.digest, version)
    observed, offer = observe_offer(host, wish.version)
    return observed, _deployment(observed.state, offer.digest, offer.version)


def _deployment(state: HostState, digest: str, version: str | None) -> Deployment:
    return Deployment(id=digest, version=version, digest=digest, origin=state.booted.origin if state.booted else None)


def _nothing_to_do(state: HostState, target: Deployment) -> str | None:
    if state.staged and state.staged.digest == target.digest and state.staged.position is not Position.PENDING:
        return f"{named(target)} is staged already"
    if state.booted and state.booted.digest == target.digest and state.staged is None:
        return f"{named(target)} is running already"
    return None


def _refuse_unsafe(state: HostState, target: Deployment) -> None:
    if state.guard is not None:
        raise Refused(
            f"cannot stage {named(target)}: the guard is armed for another deployment ({state.guard.target[:12]}); "
            "confirm it or roll back first"
        )
    if state.booted and state.booted.digest == target.digest and state.staged:
        raise Refused(
            f"cannot stage {named(target)}: it is running, and {named(state.staged)} is staged over it; "
            "unstage that with state: absent"
        )


def _outcome(before: HostState, after: HostState, why: str, changed: bool) -> Outcome:
    return Outcome(
        changed=changed,
        why=why,
        host_state=after,
        returns={"staged": after.staged},
        before={"staged": _shown(before.staged)},
        after={"staged": _shown(after.staged)},
    )


def _shown(deployment: Deployment | None) -> object:
    return deployment and {"version": deployment.version, "digest": deployment.digest}
