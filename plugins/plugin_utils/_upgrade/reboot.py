# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboot a host and wait for its next boot. The one place that knows patience with a host that is away."""

from __future__ import annotations

from dataclasses import dataclass

from .._errors import FlotillaError
from .._model.host import Clock, Host, Results, Step, Unreachable
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

# The order is given to a process of its own, a moment later: the answer to this round trip comes back whole.
REBOOT = Step(
    "reboot",
    f"order='sleep 1; {FULL_REBOOT} systemctl --no-block reboot || reboot'; "
    'if command -v setsid >/dev/null; then setsid sh -c "$order" >/dev/null 2>&1 </dev/null & '
    'else nohup sh -c "$order" >/dev/null 2>&1 </dev/null & fi',
    required=True,
)


@dataclass(frozen=True)
class Return:
    """A host that is back: what was observed in its new boot, and how long it was away (s)."""

    observed: Observed
    elapsed: float


def order_reboot(host: Host, steps: tuple[Step, ...], goal: str) -> Results:
    """Run `steps`, then order the reboot, in one round trip. Each step must be required.

    Raises ToolFailed("cannot GOAL: ...") when a step failed: the reboot was not ordered then.
    """
    results = host.run([*steps, REBOOT])
    for step in (*steps, REBOOT):
        results[step.name].proven(goal)
    return results


def wait_for_boot(
    host: Host, clock: Clock, boot_id_before: str, timeout: float, began: float, what: str
) -> Return | None:
    """Wait until `host` answers with another boot id than `boot_id_before`; observe it in the same round trip.

    Returns None when it does not within `timeout` seconds after `began` (monotonic).
    """
    fresh = Step(
        "fresh",
        f'[ "$(cat /proc/sys/kernel/random/boot_id)" != "{boot_id_before}" ] || exit {STILL_OLD}',
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
            return Return(read_state(answer), clock.monotonic() - began)
        else:
            heard = "still shutting down"
        if clock.monotonic() - said >= SAY_EVERY:
            said = clock.monotonic()
            host.say(f"{what}: {said - began:.0f} s, {heard}")
        clock.sleep(POLL_PAUSE)
    return None
