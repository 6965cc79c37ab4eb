# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a host: one round trip an attempt, until the verdict stands. It only reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .._errors import FlotillaError
from .._model.host import Clock, Host
from .._model.outcome import Outcome
from .request import Probe, Request, State, step_name
from .verdict import Baseline, Reading, Verdict, judge, lasting, looking_back, read, read_baseline, with_restarts

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


def check(host: Host, clock: Clock, request: Request) -> Outcome:
    """Run the probes of `request` on `host`.

    `baseline` and `observed` never fail on what they find. `verdict` waits until no probe is newly broken and that
    has lasted for `stable_for`; it has to begin within `timeout`.
    Raises Refused (the baseline is none), FlotillaError("cannot call HOST healthy: ...") with `verdict` and `probes`.
    """
    baseline = read_baseline(request.baseline)
    probes = looking_back(request.probes, baseline)
    began = clock.monotonic()
    if request.state is State.VERDICT:
        return _until_healthy(host, clock, replace(request, probes=probes), baseline)
    if request.state is State.BASELINE:
        readings, attempts = _baseline(host, clock, probes, request.interval)
        verdict = judge(readings)
        # Whatever is broken now was so before: that is what a baseline is for.
        verdict = replace(verdict, broke=(), already_broken=verdict.broke)
    else:
        readings, attempts = _attempt(host, probes), 1
        verdict = judge(readings, baseline)
    verdict = replace(verdict, attempts=attempts, elapsed=round(clock.monotonic() - began, 1))
    return _outcome(verdict, readings)


def _attempt(host: Host, probes: Sequence[Probe]) -> tuple[Reading, ...]:
    limit = sum(probe.kind.patience for probe in probes) + ROUND_TRIP_MARGIN
    results = host.run([probe.step(number) for number, probe in enumerate(probes)], limit)
    return tuple(read(probe, results[step_name(number)]) for number, probe in enumerate(probes))


def _baseline(host: Host, clock: Clock, probes: Sequence[Probe], interval: float) -> tuple[tuple[Reading, ...], int]:
    attempts = [_attempt(host, probes)]
    readings = attempts[0]
    while len(attempts) < BASELINE_ATTEMPTS and not all(reading.healthy for reading in readings):
        clock.sleep(interval)
        attempts.append(_attempt(host, probes))
        readings = lasting(attempts)
    return readings, len(attempts)


def _until_healthy(host: Host, clock: Clock, request: Request, baseline: Baseline | None) -> Outcome:
    began = clock.monotonic()
    said = began - SAY_EVERY + SAY_AFTER
    good_since: float | None = None
    pause = min(FIRST_PAUSE, request.interval)
    before: tuple[Reading, ...] | None = None
    attempts = 0
    while True:
        asked = clock.monotonic()
        readings = found = _attempt(host, request.probes)
        attempts += 1
        now = clock.monotonic()
        if before is not None and good_since is not None:
            readings = with_restarts(before, found)
        before = found
        verdict = replace(judge(readings, baseline), attempts=attempts, elapsed=round(now - began, 1))
        if verdict.healthy:
            good_since = now if good_since is None else good_since
            # Proven is the time between the end of the first good attempt and the start of the last one.
            left = request.stable_for - max(0.0, asked - good_since)
            if left <= 0:
                return _outcome(verdict, readings)
            wait, waiting_for = min(request.interval, left), f"healthy, has to last for {left:.0f} s more"
        else:
            good_since = None
            left = request.timeout - (now - began)
            if left <= 0:
                raise _unhealthy(host, verdict, readings)
            wait, waiting_for = min(pause, left), f"not healthy yet: {'; '.join(verdict.reasons)}"
            pause = min(pause * PAUSE_GROWTH, request.interval)
        if now - said >= SAY_EVERY:
            said = now
            host.say(f"{waiting_for} ({now - began:.0f} s)")
        clock.sleep(wait)


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
    return {reading.probe.name: reading.entry() for reading in readings}
