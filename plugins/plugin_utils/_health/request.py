# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user asks for, read and refused before any host is touched. Pure."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import Refused
from .._model.host import Step
from .._model.native import native
from .option import boolean, matching, one_of, option, option_fields, read_options, whole
from .probe_type import LooksFromController, ProbeType
from .query import Query
from .registry import BY_NAME, TYPES

# A window or budget longer than this (s) is a mistake of units.
LONGEST = 86_400


class Where(str, enum.Enum):
    """Where a probe looks from."""

    HOST = "host"
    CONTROLLER = "controller"


class State(str, enum.Enum):
    """What is wanted of a check."""

    BASELINE = "baseline"
    VERDICT = "verdict"
    OBSERVED = "observed"


_NAME = matching(r"[^\x00-\x1f\x7f]{1,100}", "a name of 1 to 100 characters in one line")


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One probe of the user's: what is common to all types, and its type with that one's options."""

    name: str = option(
        _NAME,
        "The name in messages and in RV(probes); no two probes share one.",
    )
    type: str = option(one_of(*BY_NAME), "The type of the probe.")
    query: Query | None = option(  # noqa: RUF009 - a field
        Query.read,
        "A JMESPath expression over the probe's data; it takes the place of the type's own expectation.",
        default=None,
    )
    critical: bool = option(
        boolean, "V(false) reports the probe, and lets the verdict be good without it.", default=True
    )
    ignore_baseline: bool = option(boolean, "V(true) must be healthy, whatever it was in the baseline.", default=False)
    where: Where = option(  # noqa: RUF009 - a field
        lambda value: Where(one_of(*(place.value for place in Where))(value)),
        "Where the probe looks from: the host itself, or the controller, as a client does.",
        default=Where.HOST,
    )
    # The values of which the query's must be one; read apart, because null is a value here.
    expect: tuple[Any, ...] = (True,)
    kind: ProbeType

    def step(self, number: int) -> Step:
        """Return its step; `number` makes the name of the step, which must not hold spaces."""
        return Step(step_name(number), self.kind.script())


def step_name(number: int) -> str:
    return f"probe.{number}"


@dataclass(frozen=True)
class Request:
    """A check of a host. Durations in seconds. `baseline` is the result of an earlier check, as it was registered."""

    state: State
    probes: tuple[Probe, ...]
    baseline: Mapping[str, Any] | None = None
    stable_for: float = 0
    timeout: float = 60
    interval: float = 5


COMMON = (*(field.name for field in option_fields(Probe)), "expect")


def validate_probes(probes: object, where: str) -> None:
    """Raise Refused("cannot use WHERE: ...") when `probes` are not what `host_health` takes; all faults in one go."""
    read_probes(probes, where)


def read_probes(probes: object, where: str) -> tuple[Probe, ...]:
    """Return the probes of the user's list. Raises Refused, as `validate_probes`."""
    if not isinstance(probes, (list, tuple)) or not probes:
        raise Refused(f"cannot use {where}: they must be a list of at least one probe; types are {_listed(BY_NAME)}")
    found: list[Probe] = []
    problems: list[str] = []
    for index, given in enumerate(native(probes)):
        if not isinstance(given, dict):
            problems.append(f"probe {index + 1} must be a dictionary")
            continue
        probe, wrong = _read_probe(given)
        problems += [f"probe {_label(given.get('name'), index)}: {problem}" for problem in wrong]
        found += [probe] if probe else []
    names = Counter(probe.name for probe in found)
    problems += [f"{count} probes have the name {name}" for name, count in names.items() if count > 1]
    if problems:
        raise Refused(f"cannot use {where}: {'; '.join(problems)}")
    return tuple(found)


def _label(name: Any, index: int) -> str:
    try:
        return str(_NAME(name))
    except ValueError:
        return str(index + 1)


def _read_probe(given: dict[str, Any]) -> tuple[Probe | None, list[str]]:
    kind = BY_NAME.get(given["type"]) if isinstance(given.get("type"), str) else None
    if kind is None:
        wrong = f"unknown type {given['type']!r}" if given.get("type") is not None else "`type` is required"
        return None, [f"{wrong}, types are {_listed(BY_NAME)}"]
    common, problems = read_options(Probe, given)
    special, more = read_options(kind, given)
    problems += more
    allowed = [*COMMON, *(field.name for field in option_fields(kind))]
    unknown = [name for name in given if name not in allowed]
    if unknown:
        problems.append(
            f"unknown option{'s' if len(unknown) > 1 else ''} {_listed(unknown)}, "
            f"a {kind.TYPE} probe has {_listed(allowed)}"
        )
    if "expect" in given:
        expect = given["expect"]
        common["expect"] = tuple(expect) if isinstance(expect, list) else (expect,)
        if common.get("query") is None and "query" not in given:
            problems.append("`expect` needs `query`, which says what is compared with it")
        if not common["expect"]:
            problems.append("`expect` must name at least one value; to expect an empty list, write [[]]")
    if problems:
        return None, problems
    type_ = kind(**special)
    probe = Probe(**common, kind=type_)
    if probe.where is Where.CONTROLLER and not isinstance(type_, LooksFromController):
        able = [each.TYPE for each in TYPES if issubclass(each, LooksFromController)]
        problems.append(f"a {kind.TYPE} probe cannot look from the controller, only {_listed(able)} can")
    return probe, [*problems, *type_.problems()]


def validate_durations(stable_for: object, timeout: object, interval: object, where: str) -> None:
    """Raise Refused("cannot use WHERE: ...") when one of the durations (seconds) cannot be one."""
    limits = {"stable_for": (stable_for, 0), "timeout": (timeout, 0), "interval": (interval, 1)}
    problems = [_duration_problem(name, value, least) for name, (value, least) in limits.items()]
    if any(problems):
        raise Refused(f"cannot use {where}: {'; '.join(problem for problem in problems if problem)}")


def _duration_problem(name: str, value: object, least: int) -> str | None:
    try:
        whole(least, LONGEST)(value)
    except ValueError as exc:
        return f"`{name}` {exc}"
    return None


def read_request(options: Mapping[str, Any]) -> Request:
    """Return the request that the options of `host_health` make. Raises Refused."""
    where = "the options of host_health"
    validate_durations(options["stable_for"], options["timeout"], options["interval"], where)
    return Request(
        State(options["state"]),
        read_probes(options["probes"], "the probes of host_health"),
        options["baseline"],
        options["stable_for"],
        options["timeout"],
        options["interval"],
    )


def _listed(names: Any) -> str:
    return ", ".join(str(name) for name in names)
