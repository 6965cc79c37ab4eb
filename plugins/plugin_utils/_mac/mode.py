# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring SELinux or AppArmor as a whole into a mode, and prove it by looking again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .._errors import FlotillaError, Refused
from .._model.consent import Consent
from .._model.host import Host, Results, Step
from .._model.outcome import Outcome
from .._model.state import Mac, MacMode, MacSystem
from . import apparmor, apparmor_mode, info, selinux
from .plan import ModePlan
from .registry import mac_state

AFTER_REBOOT = " after a reboot, which is deferred"


@dataclass(frozen=True)
class ModeWish:
    """`mode`: not MIXED. `system`: what the host is expected to run; None: whatever it does."""

    mode: MacMode
    system: MacSystem | None = None
    reboot: Consent = Consent.DEFER


@dataclass(frozen=True)
class _Seen:
    """One observation, and the way that leads from it to the wish."""

    results: Results
    shown: Mapping[str, object]
    plan: ModePlan


def set_mode(
    host: Host, wish: ModeWish, check: bool, reboot: Callable[[Host], None] | None = None, root: str = ""
) -> Outcome:
    """Bring `host` into `wish.mode`, running and at the next boot.

    `reboot` reboots the host and returns when it is back; without it nothing is rebooted. `root`: / in tests.
    Raises Refused before anything is changed, ToolFailed (a step failed), FlotillaError (the proof failed).
    """
    seen = _observe(host, wish, (), root)
    plan = seen.plan
    if plan.argument is not None:
        return _needs_argument(host, wish, seen, plan.argument)
    if plan.reboot and wish.reboot is Consent.REFUSE:
        raise Refused(f"cannot {_goal(host, wish)}: it takes a reboot, and reboot is refuse")
    if plan.reboot and wish.reboot is Consent.ALLOW and reboot is None:
        raise Refused(
            f"cannot {_goal(host, wish)}: it takes a reboot, which this module does not do; "
            "use reboot: defer, and reboot the host when that suits"
        )
    if plan.done:
        return _outcome(seen, seen.shown, seen.results, f"is {wish.mode.value} already", changed=False)
    deferred = plan.reboot and wish.reboot is Consent.DEFER
    if check:
        predicted = {**plan.after, "mode": seen.shown["mode"]} if deferred else dict(plan.after)
        why = f"would become {wish.mode.value}{AFTER_REBOOT if deferred else ''}"
        return _outcome(seen, predicted, seen.results, why, changed=predicted != seen.shown)
    after = _observe(host, wish, plan.steps, root) if plan.steps else seen
    if plan.reboot and wish.reboot is Consent.ALLOW and reboot is not None:
        reboot(host)
        after = _observe(host, wish, (), root)
    if after.plan.steps or (after.plan.reboot and not deferred):
        raise FlotillaError(
            f"cannot {_goal(host, wish)}: the host still differs afterwards: {dict(after.shown)}, "
            f"wanted {dict(after.plan.after)}",
            mac=info.details(after.results),
        )
    why = f"is set to be {wish.mode.value}{AFTER_REBOOT}" if deferred else f"is {wish.mode.value}"
    return _outcome(seen, after.shown, after.results, why, after.shown != seen.shown, after.plan)


def _observe(host: Host, wish: ModeWish, steps: tuple[Step, ...], root: str) -> _Seen:
    """Run `steps` and look, in one round trip."""
    results = host.run([*steps, *info.probes(root), *apparmor.policy_probes(root)])
    for step in steps:
        results[step.name].proven(_goal(host, wish))
    mac = mac_state(results)
    if wish.system is not None and wish.system is not mac.system and mac.system is not MacSystem.NONE:
        raise Refused(f"cannot {_goal(host, wish)}: its kernel runs {mac.system.value}, not {wish.system.value}")
    if mac.system is MacSystem.APPARMOR:
        apparmor_view = apparmor_mode.read_view(results, mac)
        return _Seen(results, apparmor_mode.shown(apparmor_view), apparmor_mode.plan(apparmor_view, wish.mode, root))
    if mac.system is MacSystem.SELINUX:
        config = results[selinux.CONFIG].stdout
        selinux_view = selinux.SELinuxView(mac, config, info.kernel_arguments(results))
        return _Seen(results, selinux.shown(selinux_view), selinux.plan(selinux_view, wish.mode, root))
    shown = {"mode": mac.mode}
    if wish.mode is MacMode.DISABLED:
        return _Seen(results, shown, ModePlan(after=shown))
    return _Seen(results, shown, ModePlan(after={"mode": wish.mode}, argument=_missing(host, wish, results)))


def _missing(host: Host, wish: ModeWish, results: Results) -> str:
    """Return the kernel argument that turns a system on, on a host that runs none. Raises Refused."""
    arguments = info.kernel_arguments(results)
    listed = next((argument for argument in reversed(arguments) if argument.startswith("lsm=")), None)
    system = wish.system
    if system is None:
        off = "selinux=0" in arguments and not results[apparmor.ENABLED].text
        system = MacSystem.SELINUX if off else MacSystem.APPARMOR
    if system is MacSystem.APPARMOR and not results[apparmor.ENABLED].text:
        raise Refused(f"cannot {_goal(host, wish)}: its kernel runs neither AppArmor nor SELinux, and has no AppArmor")
    if listed is not None and system.value not in listed[4:].split(","):
        return f"{listed},{system.value}"
    return f"{system.value}=1"


def _needs_argument(host: Host, wish: ModeWish, seen: _Seen, argument: str) -> Outcome:
    advice = f"it needs the kernel argument {argument} and a reboot; set it with kernel_arguments"
    if wish.reboot is not Consent.DEFER:
        raise Refused(f"cannot {_goal(host, wish)}: {advice}")
    return Outcome(
        changed=False,
        why=f"{host.name} is not {wish.mode.value}: {advice}",
        returns={"mac": info.details(seen.results), "reboot_required": True},
        before=seen.shown,
        after=seen.shown,
    )


def _goal(host: Host, wish: ModeWish) -> str:
    return f"make {host.name} {wish.mode.value}"


def _outcome(
    before: _Seen,
    after: Mapping[str, object],
    results: Results,
    why: str,
    changed: bool,
    plan: ModePlan | None = None,
) -> Outcome:
    plan = before.plan if plan is None else plan
    mac: Mac = mac_state(results)
    return Outcome(
        changed=changed,
        why=f"{mac.system.value} {why}" + (f"; {plan.note}" if plan.note else ""),
        returns={"mac": info.details(results), "reboot_required": plan.reboot},
        before=before.shown,
        after=after,
    )
