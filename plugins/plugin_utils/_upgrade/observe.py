# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe a host: everything that is to be known of it, in one round trip."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .._drivers._protocol import (
    Candidate,
    Driver,
    GuardsFromElsewhere,
    HasNativeUpdater,
    HasUpdaterSetting,
    KnowsTheHost,
    RunsOnController,
)
from .._drivers.registry import DRIVERS, capabilities
from .._errors import CannotParse, Refused
from .._guard.render import GUARD_PROBE
from .._jobs import BUSY_PROBE
from .._mac.registry import PROBES as MAC_PROBES
from .._mac.registry import mac_state
from .._model.host import Clock, Host, Results, Step, Unreachable
from .._model.shell import frame
from .._model.state import HostState, NativeUpdater, UpdaterState
from .._parsers.guard import parse_guard
from .._parsers.key_value import parse_os_release
from .._parsers.systemd_units import read_units, unit_probe

_BASE = (
    Step("boot_id", "cat /proc/sys/kernel/random/boot_id"),
    Step("os", "cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release"),
    Step("cmdline", "cat /proc/cmdline"),
    GUARD_PROBE,
    BUSY_PROBE,
)
# How long (s) a look at a host may take, and one with steps before it, which may download lists or wait for an agent to
# end. A tool that hangs would hold the run for ever; past it the host counts as unreachable.
LOOK_LIMIT, WORK_LIMIT = 300, 1800
# One attempt to reach a host (s), and the pause before the next one.
REACH_LIMIT = 30
REACH_PAUSE = 5

# The version that a channel offers now, whatever it is.
LATEST = "latest"

UPDATER = "updater"
# Beside an OS there are no units of it to look at; a driver that is there knows of no agent of its own.
NO_UPDATER = NativeUpdater(None, UpdaterState.ABSENT)
# Where native_updater keeps what it must hand back (`_upgrade/updater.py`).
UPDATER_RECORD = "/var/lib/flotilla/native_updater/state"


@dataclass(frozen=True)
class Observed:
    """One observation: the state, the driver that it is read with, and the results of the extra steps.

    `unguarded`: why no guard could be armed on this host now. `unsettled`: why the OS does not count this boot as a
    good one yet (`View`).
    """

    state: HostState
    driver: Driver | None
    results: Results
    next_kernel_arguments: tuple[str, ...] | None = None
    unguarded: str | None = None
    unsettled: str | None = None

    def driven(self, goal: str) -> Driver:
        """Return the driver. Raises Refused("cannot GOAL: ...") where no known mechanism is present."""
        if self.driver is None:
            name = self.state.os.pretty_name or "an unknown OS"
            raise Refused(f"cannot {goal}: {name} has no update mechanism that is known here")
        return self.driver


@functools.cache
def probes(drivers: tuple[Driver, ...] = DRIVERS) -> tuple[Step, ...]:
    """Return the steps that show everything; `read_state` reads their results."""
    own = (replace(step, part=driver.name) for driver in drivers for step in driver.probes())
    return (*_BASE, *MAC_PROBES, _updater_probe(drivers), *own)


def observe(host: Host, extra: Sequence[Step] = (), drivers: tuple[Driver, ...] = DRIVERS) -> Observed:
    """Observe `host`, and run the `extra` steps before that in the same round trip.

    When a required one of them fails, nothing is observed: `results` tells, the state is not to be had.
    Raises CannotParse, FlotillaError.
    """
    results = host.run([*extra, *probes(drivers)], limit=WORK_LIMIT if extra else LOOK_LIMIT)
    for step in extra:
        if step.required:
            results[step.name].proven(f"{step.name.replace('_', ' ')} on {host.name}")
    return read_state(results, drivers)


def read_state(results: Results, drivers: tuple[Driver, ...] = DRIVERS) -> Observed:
    """Read the results of `probes` into a state. Pure. Raises CannotParse, ToolFailed."""
    driver = next((driver for driver in drivers if driver.present(results)), None)
    own = driver.identity(results) if isinstance(driver, KnowsTheHost) else None
    boot_id = (own.boot_id if own else None) or results["boot_id"].text
    if not boot_id:
        raise CannotParse("the host's boot id", "it is empty")
    # What lies on the controller is no host's.
    elsewhere = isinstance(driver, RunsOnController)
    guard, fallback = (None, None) if elsewhere else parse_guard(results["guard"].stdout, boot_id)
    view = driver.observe(results) if driver else None
    if view and isinstance(driver, GuardsFromElsewhere):
        guard, fallback = view.guard, view.fallback
    arguments = own.kernel_arguments if own else None
    state = HostState(
        driver=driver.name if driver else None,
        os=own.os if own else parse_os_release(results["os"].stdout),
        boot_id=boot_id,
        booted=view.booted if view else None,
        staged=view.staged if view else None,
        rollback=view.rollback if view else None,
        deployments=view.deployments if view else (),
        channel=view.channel if view else None,
        native_updater=_updater(driver, results),
        mac=own.mac if own else mac_state(results),
        busy=("" if elsewhere else results["jobs"].text) or (view.busy if view else None),
        guard=guard,
        last_fallback=fallback or (view.fallback if view else None),
        kernel_arguments=tuple(results["cmdline"].text.split()) if arguments is None else arguments,
        capabilities=capabilities(driver) if driver else (),
    )
    return Observed(
        state,
        driver,
        results,
        view.next_kernel_arguments if view else None,
        view.unguarded if view else None,
        view.unsettled if view else None,
    )


def _updater(driver: Driver | None, results: Results) -> NativeUpdater:
    if isinstance(driver, HasUpdaterSetting):
        return driver.updater(results)
    if isinstance(driver, KnowsTheHost):
        return NO_UPDATER  # the units around our steps are not the host's
    return read_units(results[UPDATER], driver.updater_units if isinstance(driver, HasNativeUpdater) else ())


def observe_offer(
    host: Host, version: str = LATEST, drivers: tuple[Driver, ...] = DRIVERS
) -> tuple[Observed, Candidate]:
    """Observe `host` and ask its channel what it offers now, in one round trip.

    Raises Refused (no driver, no channel, another version than the wanted one), FlotillaError (no answer).
    """
    # Which driver is the host's is known only afterwards; on all other hosts its question exits at once.
    questions = [replace(driver.offer_probe(), name=f"offer.{driver.name}") for driver in drivers]
    observed = observe(host, questions, drivers)
    driver = observed.driven("ask for updates")
    offer = driver.offer(observed.results[f"offer.{driver.name}"], observed.state)
    if version not in (LATEST, offer.version):
        channel = observed.state.channel
        raise Refused(
            f"cannot get version {version} on {host.name}: channel {channel.name if channel else None} offers "
            f"{offer.version} ({offer.digest[:12]}); set another channel, or name a digest"
        )
    return observed, offer


def reach(host: Host, clock: Clock, patience: float) -> None:
    """Wait up to `patience` seconds for a host that does not answer. A host that does costs one small round trip;
    without patience, none. What it is like in the end is for the next call to find out."""
    began = clock.monotonic()
    while clock.monotonic() - began < patience:
        if not isinstance(host.attempt([Step("reach", ":")], limit=REACH_LIMIT), Unreachable):
            return
        host.say(f"no answer, waiting up to {patience:.0f} s ({clock.monotonic() - began:.0f} s)")
        clock.sleep(REACH_PAUSE)


def _updater_probe(drivers: tuple[Driver, ...]) -> Step:
    units = [unit for driver in drivers if isinstance(driver, HasNativeUpdater) for unit in driver.updater_units]
    return unit_probe(UPDATER, units, UPDATER_RECORD)


# Ansible forks a process for each host after it has read the action: what every look has in common is worked out here.
frame("", [step for step in probes() if not step.on])
