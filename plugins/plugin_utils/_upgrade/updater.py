# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold the OS's own update agent, and hand it back exactly as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .._drivers._protocol import GivesReasons, HasNativeUpdater, HasUpdaterSetting, KnowsTheHost
from .._drivers.registry import DRIVERS
from .._errors import FlotillaError, Refused
from .._model.host import Host, Step
from .._model.outcome import Outcome
from .._model.shell import quote, write_file
from .._model.state import HostState, NativeUpdater, UpdaterState
from .._parsers.systemd_units import Unit, Units, parse_units, read_units, record_lines, unit_probe
from .observe import UPDATER_RECORD, Observed, observe

_ASKED = "updater.asked"


def set_updater(host: Host, wanted: UpdaterState, units: Sequence[str] | None, check: bool) -> Outcome:
    """Bring the agent to `wanted` (HELD, ACTIVE for released, DISABLED).

    `units`: the agent's systemd units; None: those that the driver knows. Raises Refused (no systemd, an update is
    running), FlotillaError when the agent could still act afterwards.
    """
    before, names = _observe(host, units)
    _refuse_impossible(host, before, units)
    if not units and isinstance(before.driver, HasUpdaterSetting):
        return _set_by_setting(host, before, before.driver, wanted, check)
    seen = parse_units(before.results[_ASKED], names)
    now = seen.state
    if not seen.units:
        if units:
            raise Refused(f"cannot find the native updater on {host.name}: none of {', '.join(units)} exists")
        reason = before.driver.lacks.get("hold_updater") if isinstance(before.driver, GivesReasons) else None
        why = f"{host.name} has no native updater that is known{f': {reason}' if reason else ''}"
        return _outcome(before.state, now, now, why, changed=False)
    if now.state is wanted and not (wanted is UpdaterState.ACTIVE and seen.record is not None):
        return _outcome(before.state, now, now, f"{now.name} is {now.state.value} already", changed=False)
    if wanted is UpdaterState.ACTIVE and seen.record is None:
        return _outcome(before.state, now, now, f"{now.name} is not held by us: nothing to hand back", changed=False)
    updating = [unit.name for unit in seen.units if unit.updating]
    if updating and wanted is not UpdaterState.ACTIVE:
        raise Refused(f"cannot hold {now.name} on {host.name}: {updating[0]} is updating the host at this moment")
    if check:
        predicted = NativeUpdater(now.name, _released(seen) if wanted is UpdaterState.ACTIVE else wanted)
        return _outcome(
            before.state, now, predicted, f"would bring {now.name} to {predicted.state.value}", changed=True
        )
    after, _names = _observe(host, units, _steps(seen, wanted))
    then = read_units(after.results[_ASKED], names)
    _prove(host, seen, wanted, then, parse_units(after.results[_ASKED], names))
    return _outcome(after.state, now, then, f"{then.name} is {then.state.value} now", changed=then != now)


def _set_by_setting(
    host: Host, before: Observed, driver: HasUpdaterSetting, wanted: UpdaterState, check: bool
) -> Outcome:
    now, handed_back = driver.updater(before.results), driver.handed_back(before.results)
    if wanted is UpdaterState.ACTIVE and handed_back is None:
        return _outcome(before.state, now, now, f"{now.name} is not held by us: nothing to hand back", changed=False)
    if now.state is wanted and wanted is not UpdaterState.ACTIVE:
        return _outcome(before.state, now, now, f"{now.name} is {now.state.value} already", changed=False)
    if before.state.busy and wanted is not UpdaterState.ACTIVE:
        raise Refused(f"cannot hold {now.name} on {host.name}: the host is busy: {before.state.busy}")
    expected = handed_back if wanted is UpdaterState.ACTIVE and handed_back else wanted
    predicted = NativeUpdater(now.name, expected)
    if check:
        why = f"would bring {now.name} to {expected.value}"
        return _outcome(before.state, now, predicted, why, changed=True)
    after = observe(host, [driver.set_updater(before.results, wanted)])
    then = driver.updater(after.results)
    if then != predicted or (wanted is UpdaterState.ACTIVE and driver.handed_back(after.results) is not None):
        raise FlotillaError(
            f"cannot bring {then.name} on {host.name} to {expected.value}: it is {then.state.value} afterwards"
        )
    return _outcome(after.state, now, then, f"{then.name} is {then.state.value} now", changed=True)


def _refuse_impossible(host: Host, seen: Observed, units: Sequence[str] | None) -> None:
    driver = seen.driver
    if isinstance(driver, KnowsTheHost) and units:
        raise Refused(
            f"cannot set {', '.join(units)} on {host.name}: our steps run beside its OS, and reach none of its units"
        )


def _observe(host: Host, units: Sequence[str] | None, steps: Sequence[Step] = ()) -> tuple[Observed, list[str]]:
    known = [unit for driver in DRIVERS if isinstance(driver, HasNativeUpdater) for unit in driver.updater_units]
    asked = list(units or known)
    observed = observe(host, [*steps, unit_probe(_ASKED, asked, UPDATER_RECORD)])
    if not units:
        driver = observed.driver
        asked = list(driver.updater_units) if isinstance(driver, HasNativeUpdater) else []
    return observed, asked


def _steps(seen: Units, wanted: UpdaterState) -> list[Step]:
    # Timers first: none of them starts a service that has been dealt with already.
    ordered = sorted(seen.units, key=lambda unit: not unit.name.endswith(".timer"))
    if wanted is UpdaterState.HELD:
        record = "".join(f"{line}\n" for line in record_lines(ordered).values())
        # Recorded before anything is done, and never over an earlier record, which says what it was before.
        keep = f"[ -f {quote(UPDATER_RECORD)} ] || {{ {write_file(UPDATER_RECORD, record)}; }}"
        # Stopped before it is masked: a timer that runs while its unit file goes ends as failed ("Unit to trigger
        # vanished", systemd 257), and the host as degraded. `--now` is for what was started in between.
        # A unit file of the administrator's own, in /etc, cannot be masked: it is disabled instead.
        hold = " && ".join(
            f"{{ systemctl stop {name} 2>/dev/null; "
            f"systemctl mask --now {name} 2>/dev/null || systemctl disable --now {name}; }}"
            for name in (quote(unit.name) for unit in ordered)
        )
        return [Step("hold.record", keep, required=True), Step("hold.units", hold, required=True)]
    if wanted is UpdaterState.DISABLED:
        names = " ".join(quote(unit.name) for unit in ordered)
        disable = f"systemctl unmask {names} && systemctl disable --now {names} && rm -f {quote(UPDATER_RECORD)}"
        return [Step("disable.units", disable, required=True)]
    return [Step("release.units", f"{_give_back(seen)} && rm -f {quote(UPDATER_RECORD)}", required=True)]


def _give_back(seen: Units) -> str:
    actions = []
    # Services before the timers that start them.
    for unit in sorted(seen.units, key=lambda unit: unit.name.endswith(".timer")):
        file, active = (seen.record or {}).get(unit.name, ("", ""))
        if file != "masked":
            actions.append(f"systemctl unmask {quote(unit.name)}")
        if file == "enabled":
            actions.append(f"systemctl enable {quote(unit.name)}")
        if active == "active":
            actions.append(f"systemctl start {quote(unit.name)}")
    return " && ".join(actions) or ":"


def _released(seen: Units) -> UpdaterState:
    """What the agent is once it has been handed back, by the record of what it was."""
    was = [Unit(name, "loaded", active, file) for name, (file, active) in (seen.record or {}).items()]
    return UpdaterState.ACTIVE if any(unit.may_act for unit in was) else UpdaterState.DISABLED


def _prove(host: Host, before: Units, wanted: UpdaterState, then: NativeUpdater, after: Units) -> None:
    expected = _released(before) if wanted is UpdaterState.ACTIVE else wanted
    if then.state is not expected:
        shown = ", ".join(f"{unit.name} is {unit.load}, {unit.file}, {unit.active}" for unit in after.units)
        raise FlotillaError(
            f"cannot bring {then.name} on {host.name} to {expected.value}: it is {then.state.value}: {shown}"
        )


def _outcome(state: HostState, before: NativeUpdater, after: NativeUpdater, why: str, changed: bool) -> Outcome:
    return Outcome(
        changed,
        why,
        replace(state, native_updater=after),
        returns={"native_updater": after},
        before={"native_updater": before},
        after={"native_updater": after},
    )
