# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboot a host and wait for its next boot. The one place that knows patience with a host that is away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .._drivers._protocol import Driver, KnowsTheHost, RunsOnController
from .._errors import CannotParse, FlotillaError, Refused, tail
from .._model.host import Clock, Host, Results, Step, Unreachable
from .._model.shell import quote
from .observe import Observed, probes, read_state

# A poll that is not answered within this time (s) is given up: a machine that was reset never answers, and its
# connection does not break by itself.
POLL_LIMIT = 45
# Pause (s) between polls. A poll of a host that is down costs a refused connection, so this is the price of noticing.
POLL_PAUSE = 1.0
# The first poll after the reboot was ordered: earlier ones would only meet the old system and slow its shutdown down.
FIRST_POLL = 6.0
# Progress is said this often (s).
SAY_EVERY = 15.0
# Exit code of the step that finds the old boot still running.
STILL_OLD = 9

# A soft reboot or a kexec that somebody has prepared is not what is meant: the kernel would be that of before, or the
# boot loader would not count (systemd docs/ENVIRONMENT.md; systemctl(1), "reboot").
FULL_REBOOT = "SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT=1 SYSTEMCTL_SKIP_AUTO_KEXEC=1"

# Exit code of the step that finds the permission to reboot over.
TOO_LATE = 8
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
# The host's own clock for the permission: it never goes back, nobody sets it, and it goes on while the host is
# suspended (proc_uptime(5): since boot, suspended time included). Another boot is another clock.
UPTIME = "cut -d . -f 1 /proc/uptime"


class Permission(Protocol):
    """Who must be asked before the order is given."""

    def until(self, uptime: Callable[[], int]) -> int:
        """Return the uptime (s) of the host up to which it may be told. Raises FlotillaError when it may not be."""


def reboot_step(driver: Driver, condition: str = "", otherwise: str = "") -> Step:
    """A step that orders the reboot; with `condition`, only if that holds when it is carried out, else `otherwise`.

    The order is given to a process of its own, a moment later: the answer to this round trip comes back whole.
    """
    order = f"{FULL_REBOOT} systemctl --no-block reboot || reboot"
    if isinstance(driver, KnowsTheHost):
        order = driver.reboot()
    if condition:
        order = f"if {condition}; then {order}; else {otherwise or ':'}; fi"
    return Step(
        "reboot",
        f"order={quote(f'sleep 1; {order}')}; "
        'if command -v setsid >/dev/null; then setsid sh -c "$order" >/dev/null 2>&1 </dev/null & '
        'else nohup sh -c "$order" >/dev/null 2>&1 </dev/null & fi',
        required=True,
    )


@dataclass(frozen=True)
class Return:
    """A host that is back: what was observed in its new boot, and how long it was away (s)."""

    observed: Observed
    elapsed: float


def order_reboot(
    host: Host,
    driver: Driver,
    steps: tuple[Step, ...],
    goal: str,
    permission: Permission | None = None,
    undo: str = "",
    reboots: bool = True,
) -> Results:
    """Run `steps`, then order the reboot, in one round trip. Each step must be required.

    `reboots`: whether an order of its own is needed for that, or the last of `steps` does it.

    With `permission` it is asked for before anything is done, and the host itself lets it run out: it carries out no
    step of an order that reaches it too late, and where it was held up itself after the steps, it runs `undo` (sh)
    instead of the reboot.
    Raises ToolFailed("cannot GOAL: ...") when a step failed, Refused without permission: then nothing was ordered.
    """
    ordered: tuple[Step, ...] = (*steps, *((reboot_step(driver),) if reboots else ()))
    if permission is not None:
        in_time = _in_time(host, driver, permission)
        late = f"echo 'the permission to reboot is over' >&2; exit {TOO_LATE}"
        first = Step("in_time", f"{in_time} || {{ {late}; }}", required=True)
        ordered = (first, *steps, *((reboot_step(driver, in_time, undo),) if reboots else ()))
    results = host.run(ordered)
    if permission is not None and results["in_time"].rc == TOO_LATE:
        raise Refused(
            f"cannot {goal}: the order came too late after it was permitted; nothing was changed on {host.name}"
        )
    for step in ordered:
        results[step.name].proven(goal)
    return results


def _in_time(host: Host, driver: Driver, permission: Permission) -> str:
    """Ask for permission; return a condition in sh that holds on the host as long as it lasts, in this boot."""
    boots: list[str] = []
    boot_id, up = boot_id_of(driver), driver.uptime() if isinstance(driver, RunsOnController) else UPTIME
    clock = Step("uptime", f"{{ {boot_id}; }} && {{ {up}; }}", required=True)

    def uptime() -> int:
        words = host.run([clock])["uptime"].proven(f"read the clock of {host.name}").text.split()
        if len(words) != 2 or not words[1].isdigit():
            raise CannotParse("/proc/uptime", "not a boot id and a number", " ".join(words))
        boots.append(words[0])
        return int(words[1])

    until = permission.until(uptime)
    return f'[ "$({boot_id})" = {quote(boots[-1])} ] && [ "$({up})" -lt {until} ]'


def boot_id_of(driver: Driver) -> str:
    """Return sh that prints the boot id of the host."""
    return driver.boot_id() if isinstance(driver, RunsOnController) else BOOT_ID


def wait_for_boot(
    host: Host, driver: Driver, clock: Clock, boot_id_before: str, timeout: float, began: float, what: str
) -> Return | None:
    """Wait until `host` answers with another boot id than `boot_id_before`; observe it in the same round trip.

    Returns None when it does not within `timeout` seconds after `began` (monotonic). Raises FlotillaError when it can
    be reached and cannot be observed.
    """
    fresh = Step(
        "fresh",
        f'b=$({boot_id_of(driver)}) || exit 1; [ "$b" != {quote(boot_id_before)} ] || exit {STILL_OLD}',
        required=True,
    )
    said = clock.monotonic()
    clock.sleep(max(0.0, FIRST_POLL - (said - began)))
    host.forget_connection()
    heard = "no answer yet"
    while clock.monotonic() - began < timeout:
        try:
            answer = host.attempt([fresh, *probes()], limit=POLL_LIMIT)
        except FlotillaError as exc:  # the shell died under the poll: the machine is going down or was reset
            answer = Unreachable(exc.message)
        if isinstance(answer, Unreachable):
            heard = answer.why
        elif answer["fresh"].ok:
            try:
                return Return(read_state(answer), clock.monotonic() - began)
            except FlotillaError as exc:
                if not isinstance(driver, KnowsTheHost):
                    raise
                heard = exc.message  # the API of the host comes up later than its kernel
        elif answer["fresh"].rc == STILL_OLD:
            heard = "still shutting down"
        else:
            heard = tail(answer["fresh"].stderr, 1) or "it does not say which boot this is"
        if clock.monotonic() - said >= SAY_EVERY:
            said = clock.monotonic()
            host.say(f"{what}: {said - began:.0f} s, {heard}")
        clock.sleep(POLL_PAUSE)
    return None
