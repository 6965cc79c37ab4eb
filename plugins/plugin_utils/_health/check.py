# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a host: one round trip an attempt, until the verdict stands. It only reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from .._errors import FlotillaError, Refused
from .._model.host import Clock, Host, Result, Step
from .._model.outcome import Outcome
from .deadline import CONFIRM_MARGIN, GUARD_STEP, seconds_left, too_late
from .probe_type import Data
from .request import Probe, Request, State, Where, step_name
from .verdict import (
    Baseline,
    Reading,
    Verdict,
    judge,
    lasting,
    looking_back,
    read,
    read_baseline,
    reading,
    with_restarts,
)

# What a round trip may take beyond the patience of its probes (s). Past it the host counts as unreachable.
ROUND_TRIP_MARGIN = 60.0
# While the host is not healthy it is asked more often at first: most services need a second or two, some a minute.
FIRST_PAUSE = 1.0
PAUSE_GROWTH = 1.5
# A baseline tries this often before it calls a probe broken: what a baseline calls broken is forgiven afterwards.
BASELINE_ATTEMPTS = 3
# Progress is said after this time, and then this often (s).
SAY_AFTER = 5.0
SAY_EVERY = 15.0

# Looks from the controller: the probes to what they find, or why that is not known, in their order.
Aside = Callable[[Sequence[Probe]], Sequence[Data | FlotillaError]]


def check(host: Host, clock: Clock, request: Request, aside: Aside, shell: bool = True) -> Outcome:
    """Run the probes of `request` on `host`, and by `aside` those that look from the controller.

    `baseline` and `observed` never fail on what they find. `verdict` waits until no probe is newly broken and that
    has lasted for `stable_for`; it has to begin within `timeout`, and to end before the guard does, where one is armed.
    `shell`: whether the host has one, for its probes and for the guard to be seen.
    Raises Refused (the baseline is none, a probe looks at a host without a shell), FlotillaError("cannot call HOST
    healthy: ...") with `verdict` and `probes`.
    """
    baseline = read_baseline(request.baseline)
    probes = looking_back(request.probes, baseline)
    blind = [probe.name for probe in probes if probe.where is Where.HOST]
    if blind and not shell:
        raise Refused(
            f"cannot take probe {blind[0]} of {host.name}: it has no shell; look at it from the controller "
            "(`where: controller`)"
        )
    looking = _Looking(host, clock, probes, aside, shell)
    began = clock.monotonic()
    if request.state is State.VERDICT:
        return _until_healthy(looking, request, baseline)
    if request.state is State.BASELINE:
        readings, attempts = _baseline(looking, request.interval)
        verdict = judge(readings)
        # Whatever is broken now was so before: that is what a baseline is for.
        verdict = replace(verdict, broke=(), already_broken=verdict.broke)
    else:
        readings, attempts = looking.attempt(), 1
        verdict = judge(readings, baseline)
    verdict = replace(verdict, attempts=attempts, elapsed=round(clock.monotonic() - began, 1))
    return _outcome(verdict, readings)


@dataclass(frozen=True)
class _Looking:
    """What an attempt is made with."""

    host: Host
    clock: Clock
    probes: tuple[Probe, ...]
    aside: Aside
    shell: bool

    def attempt(self) -> tuple[Reading, ...]:
        """Return the readings in the order of the probes."""
        return self._readings(self._round_trip(()))

    def first_attempt(self) -> tuple[tuple[Reading, ...], float | None]:
        """Return the readings, and the clock's time at which the guard's patience ends, or None without a guard."""
        if not self.shell:
            return self.attempt(), None
        asked = self.clock.monotonic()
        results = self._round_trip((GUARD_STEP,))
        left = seconds_left(results[GUARD_STEP.name])
        # Counted from before the question, so that the answer's way makes it earlier, never later.
        return self._readings(results), None if left is None else asked + left

    def _round_trip(self, steps: tuple[Step, ...]) -> Mapping[str, Result]:
        there = [(number, probe) for number, probe in enumerate(self.probes) if probe.where is Where.HOST]
        if not there and not steps:
            return {}
        limit = sum(probe.kind.patience for _number, probe in there) + ROUND_TRIP_MARGIN
        return self.host.run([*steps, *(probe.step(number) for number, probe in there)], limit)

    def _readings(self, results: Mapping[str, Result]) -> tuple[Reading, ...]:
        here = tuple(probe for probe in self.probes if probe.where is Where.CONTROLLER)
        found = dict(zip((probe.name for probe in here), self.aside(here) if here else (), strict=True))
        return tuple(
            reading(probe, found[probe.name]) if probe.name in found else read(probe, results[step_name(number)])
            for number, probe in enumerate(self.probes)
        )


def _baseline(looking: _Looking, interval: float) -> tuple[tuple[Reading, ...], int]:
    attempts = [looking.attempt()]
    readings = attempts[0]
    while len(attempts) < BASELINE_ATTEMPTS and not all(one.healthy for one in readings):
        looking.clock.sleep(interval)
        attempts.append(looking.attempt())
        readings = lasting(attempts)
    return readings, len(attempts)


def _until_healthy(looking: _Looking, request: Request, baseline: Baseline | None) -> Outcome:
    host, clock = looking.host, looking.clock
    began = asked = clock.monotonic()
    said = began - SAY_EVERY + SAY_AFTER
    good_since: float | None = None
    pause = min(FIRST_PAUSE, request.interval)
    before: tuple[Reading, ...] | None = None
    attempts = 0
    readings, guard_ends = looking.first_attempt()
    while True:
        attempts += 1
        found = readings
        now = clock.monotonic()
        if before is not None and good_since is not None:
            readings = with_restarts(before, found)
        before = found
        verdict = replace(judge(readings, baseline), attempts=attempts, elapsed=round(now - began, 1))
        if verdict.healthy:
            good_since = now if good_since is None else good_since
            # Proven is the time between the end of the first good attempt and the start of the last one.
            needed = left = request.stable_for - max(0.0, asked - good_since)
            if left <= 0:
                return _outcome(verdict, readings)
            wait, waiting_for = min(request.interval, left), f"healthy, has to last for {left:.0f} s more"
        else:
            good_since = None
            needed, left = request.stable_for, request.timeout - (now - began)
            if left <= 0:
                raise _unhealthy(host, verdict, readings)
            wait, waiting_for = min(pause, left), f"not healthy yet: {'; '.join(verdict.reasons)}"
            pause = min(pause * PAUSE_GROWTH, request.interval)
        if guard_ends is not None and now + needed > guard_ends - CONFIRM_MARGIN:
            why = too_late(needed, guard_ends - now)
            raise _unhealthy(host, replace(verdict, healthy=False, reasons=(*verdict.reasons, why)), readings)
        if now - said >= SAY_EVERY:
            said = now
            host.say(f"{waiting_for} ({now - began:.0f} s)")
        clock.sleep(wait)
        asked = clock.monotonic()
        readings = looking.attempt()


def _unhealthy(host: Host, verdict: Verdict, readings: Sequence[Reading]) -> FlotillaError:
    tries = "1 attempt" if verdict.attempts == 1 else f"{verdict.attempts} attempts"
    return FlotillaError(
        f"cannot call {host.name} healthy: {'; '.join(verdict.reasons)} (after {tries} in {verdict.elapsed:.0f} s)",
        changed=False,
        verdict=verdict,
        probes=_entries(readings),
    )


def _outcome(verdict: Verdict, readings: Sequence[Reading]) -> Outcome:
    count = f"{len(readings)} probe{'' if len(readings) == 1 else 's'}"
    if not verdict.healthy:
        why = f"not healthy: {'; '.join(verdict.reasons)}"
    elif verdict.warnings:
        why = f"healthy, with {'; '.join(verdict.warnings)}"
    else:
        why = f"healthy: {count} good"
    return Outcome(False, why, returns={"verdict": verdict, "probes": _entries(readings)})


def _entries(readings: Sequence[Reading]) -> dict[str, object]:
    return {one.probe.name: one.entry() for one in readings}
