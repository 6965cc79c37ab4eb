# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the probes found to a verdict, compared with a baseline. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._errors import FlotillaError, Refused
from .._model.host import Result
from .probe_type import ANSWER, UNKNOWN, CountsRestarts, Data, Faults, LooksBack
from .query import allowed, as_json
from .query import same as same_value
from .request import Probe, Where

# How many faults of one probe a reason names.
_NAMED = 5


@dataclass(frozen=True)
class Reading:
    """What one probe found in one attempt. `data` is None when that is not known; there is a fault then."""

    probe: Probe
    data: Data | None
    value: Any
    faults: Faults

    @property
    def healthy(self) -> bool:
        return not self.faults

    def entry(self) -> dict[str, Any]:
        """Return it as the module returns it, and takes it back as a baseline."""
        return {
            "type": self.probe.type,
            "where": self.probe.where,
            "healthy": self.healthy,
            "critical": self.probe.critical,
            "value": self.value,
            "reason": in_words(self.faults) if self.faults else None,
            "faults": dict(self.faults),
            "data": self.data,
        }


@dataclass(frozen=True)
class Seen:
    """What a baseline says of one probe."""

    type: str
    where: str
    faults: Faults
    data: Data | None

    def is_of(self, probe: Probe) -> bool:
        """Tell whether `probe` looks at the same thing from the same place."""
        return (self.type, self.where) == (probe.type, probe.where.value)


Baseline = Mapping[str, Seen]


@dataclass(frozen=True)
class Verdict:
    """Whether a host is healthy. All names are names of probes.

    `reasons`: why it is not, one text for each probe in `broke`. `already_broken`: as broken as in the baseline.
    `unknown`: could not find out; never forgiven. `warnings`: what is wrong and does not count.
    """

    healthy: bool
    reasons: tuple[str, ...] = ()
    broke: tuple[str, ...] = ()
    already_broken: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    attempts: int = field(default=1, kw_only=True)
    elapsed: float = field(default=0.0, kw_only=True)


def read(probe: Probe, result: Result) -> Reading:
    """Return what `probe` found, from what its step did on the host."""
    try:
        return reading(probe, probe.kind.read(result))
    except FlotillaError as exc:
        return reading(probe, exc)


def reading(probe: Probe, data: Data | FlotillaError) -> Reading:
    """Return what `probe` found. What cannot be known is a fault."""
    if isinstance(data, FlotillaError):
        return Reading(probe, None, None, {UNKNOWN: f"not known: {data.message}"})
    demands = probe.kind.demands(data)
    if probe.query is None:
        return Reading(probe, data, probe.kind.value(data), {**demands, **probe.kind.expects(data)})
    try:
        value = probe.query.search(data)
    except ValueError as exc:
        return Reading(probe, data, None, {UNKNOWN: f"the query does not fit what was found: {exc}", **demands})
    faults = dict(demands)
    if not any(same_value(value, good) for good in probe.expect):
        words = f"{probe.query.expression} is {as_json(value)}, expected {allowed(probe.expect)}"
        faults.setdefault(ANSWER, words)
    return Reading(probe, data, value, faults)


def with_restarts(before: Sequence[Reading], now: Sequence[Reading]) -> tuple[Reading, ...]:
    """Return `now` with the faults of what was restarted since the attempt `before`: it was down in between."""
    return tuple(_with_restarts(old, new) for old, new in zip(before, now, strict=True))


def _with_restarts(before: Reading, now: Reading) -> Reading:
    kind = now.probe.kind
    if before.data is None or now.data is None or not isinstance(kind, CountsRestarts):
        return now
    return replace(now, faults={**kind.restarted(before.data, now.data), **now.faults})


def lasting(attempts: Sequence[Sequence[Reading]]) -> tuple[Reading, ...]:
    """Return a baseline's readings: only what was wrong in every attempt was broken, not what failed once."""
    return tuple(_lasting(readings) for readings in zip(*attempts, strict=True))


def _lasting(readings: Sequence[Reading]) -> Reading:
    for reading in readings:
        if reading.healthy:
            return reading
    last = readings[-1]
    kept = {key: words for key, words in last.faults.items() if all(key in reading.faults for reading in readings)}
    # Something else was wrong each time: it is not healthy, and what it is nobody knows.
    return replace(
        last, faults=kept or {UNKNOWN: f"not known: a different fault each time, last {in_words(last.faults)}"}
    )


def judge(readings: Sequence[Reading], baseline: Baseline | None = None) -> Verdict:
    """Return the verdict over one attempt.

    A fault that the baseline has under the same key is not new. What is not known counts always, because nobody can
    say that it is not worse than before.
    """
    reasons, broke, already, unknown, warnings = [], [], [], [], []
    for reading in readings:
        if reading.healthy:
            continue
        probe = reading.probe
        known = _forgiven(probe, baseline)
        fresh = {key: words for key, words in reading.faults.items() if key == UNKNOWN or key not in known}
        if UNKNOWN in reading.faults:
            unknown.append(probe.name)
        if fresh and probe.critical:
            broke.append(probe.name)
            reasons.append(f"probe {probe.name}: {in_words(fresh)}")
        elif fresh:
            warnings.append(f"probe {probe.name} (not critical): {in_words(fresh)}")
        old = {key: words for key, words in reading.faults.items() if key not in fresh}
        if old:
            already.append(probe.name)
            warnings.append(f"probe {probe.name} (broken before): {in_words(old)}")
    return Verdict(not reasons, *map(tuple, (reasons, broke, already, unknown, warnings)))


def _forgiven(probe: Probe, baseline: Baseline | None) -> Faults:
    seen = baseline.get(probe.name) if baseline else None
    return seen.faults if seen and seen.is_of(probe) and not probe.ignore_baseline else {}


def looking_back(probes: Sequence[Probe], baseline: Baseline | None) -> tuple[Probe, ...]:
    """Return the probes, those that reach back in time beginning at the baseline."""
    return tuple(_looking_back(probe, (baseline or {}).get(probe.name)) for probe in probes)


def _looking_back(probe: Probe, seen: Seen | None) -> Probe:
    if seen is None or seen.data is None or not seen.is_of(probe) or not isinstance(probe.kind, LooksBack):
        return probe
    return replace(probe, kind=probe.kind.since_baseline(seen.data))


def read_baseline(value: Mapping[str, Any] | None) -> Baseline | None:
    """Return the baseline from the result of an earlier check. Raises Refused when it is none."""
    if value is None:
        return None
    probes = value.get("probes")
    if not isinstance(probes, Mapping):
        raise Refused("cannot use `baseline`: it must be the registered result of host_health, which has `probes`")
    return {str(name): _seen(str(name), entry) for name, entry in probes.items()}


def _seen(name: str, entry: Any) -> Seen:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("faults"), Mapping):
        raise Refused(f"cannot use `baseline`: what it says of probe {name} is no result of host_health")
    data = entry.get("data")
    kept = dict(data) if isinstance(data, Mapping) else None
    return Seen(str(entry.get("type")), str(entry.get("where", Where.HOST.value)), dict(entry["faults"]), kept)


def in_words(faults: Faults) -> str:
    """Return faults as one text."""
    words = list(faults.values())
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    return ", ".join(words[:_NAMED]) + more
