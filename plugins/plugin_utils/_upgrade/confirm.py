# SPDX-License-Identifier: GPL-3.0-or-later
"""Confirm: mark the booted deployment good and take the guard away."""

from __future__ import annotations

from dataclasses import replace

from .._drivers._protocol import HasNoGuard
from .._errors import FlotillaError, Refused
from .._guard import render
from .._model.host import Host
from .._model.outcome import Outcome
from .._model.state import HostState, named
from .observe import observe


def confirm(host: Host, digest: str | None, check: bool) -> Outcome:
    """Confirm what runs on `host`; with `digest`, only if that is what runs.

    Raises Refused (something else runs, its OS does not count it as good yet, or nothing is on trial but the guard is
    armed for a boot to come), ToolFailed (the deadline has passed and the host is going back already).
    """
    observed = observe(host)
    state = observed.state
    driver = observed.driven("confirm")
    if state.booted is None:
        raise Refused(f"cannot confirm on {host.name}: the deployment that runs is not known")
    if digest and state.booted.digest != digest:
        raise Refused(f"cannot confirm {digest[:12]} on {host.name}: {named(state.booted)} is what runs")
    if observed.unsettled:
        raise Refused(f"cannot confirm {named(state.booted)} on {host.name}: {observed.unsettled}")
    if isinstance(driver, HasNoGuard):
        why = f"{named(state.booted)} is what runs, and its OS counts it as good; there is no guard to take away"
        return _outcome(state, state, why, changed=False)
    if state.guard is None:
        return _outcome(state, state, f"{named(state.booted)} is confirmed already", changed=False)
    if state.guard.target != state.booted.id:
        raise Refused(
            f"cannot confirm {named(state.booted)} on {host.name}: the guard is armed for {state.guard.target[:12]}, "
            "which has not booted"
        )
    if state.guard.boot_id_before == state.boot_id:
        raise Refused(
            f"cannot confirm {named(state.booted)} on {host.name}: it runs by a soft reboot, on the kernel of the "
            "deployment before, so that its own kernel is not proven; reboot the host"
        )
    if check:
        return _outcome(state, replace(state, guard=None), f"would confirm {named(state.booted)}", changed=True)
    after = observe(host, extra=[render.confirm(driver, state.booted.id)]).state
    if after.guard is not None or after.booted != state.booted:
        raise FlotillaError(
            f"cannot confirm {named(state.booted)} on {host.name}: afterwards {named(after.booted)} runs and the guard "
            f"is {'armed' if after.guard else 'gone'}",
            host_state=after,
        )
    return _outcome(state, after, f"confirmed {named(after.booted)}", changed=True)


def _outcome(before: HostState, after: HostState, why: str, changed: bool) -> Outcome:
    return Outcome(
        changed, why, after, before={"guard": before.guard is not None}, after={"guard": after.guard is not None}
    )
