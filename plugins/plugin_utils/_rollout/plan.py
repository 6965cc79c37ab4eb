# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a rollout: a pure function of observations, policy and quarantine. Same input, same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._errors import Refused
from .estimate import estimate
from .observed import Seen, Version
from .policy import Policy
from .topology import GroupBudget, budgets, groups_of
from .waves import Growth

# How the reasons begin for which the policy alone leaves a host out.
EXCLUDED, IN_NO_WINDOW = "excluded", "in no window"


@dataclass(frozen=True)
class PlannedHost:
    """A host of the plan. `rollback_to` is where it goes back when the target does not hold. `wave` counts from 1.

    `groups`: label to value, of the groups whose budgets it draws on. `windows`: which of the policy's are its own.
    """

    host: str
    wave: int
    why: str
    target: Version
    rollback_to: Version
    groups: Mapping[str, str] = field(default_factory=dict)
    windows: tuple[int, ...] = ()

    def native(self) -> dict[str, Any]:
        return {
            "host": self.host,
            "wave": self.wave,
            "why": self.why,
            "target": dict(vars(self.target)),
            "rollback_to": dict(vars(self.rollback_to)),
            "groups": dict(self.groups),
            "windows": list(self.windows),
        }


@dataclass(frozen=True)
class Quarantined:
    """A digest that no rollout may offer until the user releases it."""

    digest: str
    version: str | None
    host: str
    reason: str
    at: str

    def sentence(self) -> str:
        return (
            f"{Version(self.digest, self.version)} is in quarantine since {self.at} because of {self.host}: "
            f"{self.reason}; release it with: "
            f"ansible-playbook flotilla.container_os.release_quarantine -e digest={self.digest}"
        )


@dataclass(frozen=True)
class Plan:
    """`hosts` in the order in which they may start; `left_out`: host to reason.

    `missing`: how many hosts could not be observed. They are taken off all budgets: nobody knows that they are up.
    `history`: how long (s) turns took before.
    """

    hosts: tuple[PlannedHost, ...]
    left_out: Mapping[str, str]
    policy: Policy
    missing: int = 0
    groups: Mapping[str, Mapping[str, GroupBudget]] = field(default_factory=dict)
    history: Sequence[float] = ()

    @property
    def waves(self) -> list[list[PlannedHost]]:
        waves: list[list[PlannedHost]] = []
        for one in self.hosts:
            if one.wave > len(waves):
                waves.append([])
            waves[-1].append(one)
        return waves

    @property
    def targets(self) -> dict[str, str]:
        return {one.host: one.target.digest for one in self.hosts}

    def document(self) -> dict[str, Any]:
        """Return the plan as native types, with its digest. The estimate, a guess, is not in the digest."""
        total = len(self.hosts) + self.missing
        waves = self.waves
        unavailable = self.policy.max_unavailable.of(total) - self.missing
        failures = self.policy.max_failures.of(total) - self.missing
        soaks = [self.policy.soak(number) for number in range(1, len(waves) + 1)]
        largest = max(map(len, waves), default=0)
        body: dict[str, Any] = {
            "waves": [[one.native() for one in wave] for wave in waves],
            "left_out": dict(sorted(self.left_out.items())),
            "policy": self.policy.native(),
            "max_unavailable": unavailable,
            "max_failures": failures,
            "soak": soaks,
            "groups": {
                label: {value: one.native() for value, one in some.items()} for label, some in self.groups.items()
            },
            "missing": self.missing,
            "worst_case_down": max(0, min(unavailable, len(self.hosts), largest + failures)) + self.missing,
        }
        groups = [[one.groups for one in wave] for wave in waves]
        guess = estimate(groups, soaks, unavailable, self.groups, self.history)
        return {**body, "digest": digest_of(body), "estimate": guess}


def canonical(value: object) -> str:
    """Return the one JSON text of `value`."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest_of(document: Mapping[str, Any]) -> str:
    """Return the digest that belongs to the content of a plan document."""
    body = {name: value for name, value in document.items() if name not in ("digest", "estimate")}
    return hashlib.sha256(canonical(body).encode()).hexdigest()


def make_plan(
    fleet: Sequence[Seen],
    policy: Policy,
    quarantine: Mapping[str, Quarantined],
    pinned: Mapping[str, Version] | None = None,
    history: Sequence[float] = (),
) -> Plan:
    """Plan a rollout to what each host's channel offers, or to `pinned` (host to version) where it is given.

    Hosts keep the order of `fleet`: the first ones are the canaries, where the policy selects none.
    Raises Refused: a host that nothing is known of, a target in quarantine, an impossible policy.
    """
    unknown: list[Seen] = []
    left_out: dict[str, str] = {}
    going: list[_Going] = []
    for one in fleet:
        if one.host in policy.exclude:
            left_out[one.host] = f"{EXCLUDED}: the policy names it"
            continue
        if one.trouble is not None:
            left_out[one.host] = f"not observed: {one.trouble}"
            unknown.append(one)
            continue
        found = _look(one, policy, quarantine, (pinned or {}).get(one.host) or one.offer)
        if isinstance(found, _Going):
            going.append(found)
        else:
            left_out[one.host] = found
    _refuse_unknown(unknown, len(going) + len(unknown), policy)
    hosts = _in_waves(going, policy, fleet, left_out)
    waves: list[list[Mapping[str, str]]] = [[] for _number in range(hosts[-1].wave if hosts else 0)]
    for planned in hosts:
        waves[planned.wave - 1].append(planned.groups)
    missing = [groups_of(one.host, one.variables, policy.labels) for one in unknown]
    return Plan(
        tuple(hosts), left_out, policy, len(unknown), budgets(waves, missing, policy) if hosts else {}, tuple(history)
    )


def left_out_by_policy(document: Mapping[str, Any]) -> set[str]:
    """Return the hosts that a plan leaves out whatever they run."""
    return {host for host, why in document["left_out"].items() if why.startswith((EXCLUDED, IN_NO_WINDOW))}


@dataclass(frozen=True)
class _Going:
    """A host that is to be upgraded, before it has a wave."""

    seen: Seen
    target: Version
    booted: Version
    windows: tuple[int, ...]


def _look(one: Seen, policy: Policy, quarantine: Mapping[str, Quarantined], target: Version | None) -> _Going | str:
    """Return the host as one that goes, or why it is left out. Raises Refused."""
    if one.driver is None or one.booted is None:
        return "unsupported: no known update mechanism"
    windows = tuple(
        number
        for number, window in enumerate(policy.windows)
        if window.hosts is None or window.hosts.selects(one.host, one.variables)
    )
    if policy.windows and not windows:
        return f"{IN_NO_WINDOW}: none of the {len(policy.windows)} windows is for it"
    if target is None:
        raise Refused(f"cannot plan rollout: the channel of {one.host} offers nothing")
    if one.booted.digest == target.digest and one.on_trial is None:
        return f"already there: runs {target}"
    if target.digest in quarantine:
        if not policy.leave_out_quarantined:
            raise Refused(f"cannot plan rollout: {quarantine[target.digest].sentence()}")
        return f"quarantined: {quarantine[target.digest].sentence()}"
    return _Going(one, target, one.booted, windows)


def _in_waves(
    going: Sequence[_Going], policy: Policy, fleet: Sequence[Seen], left_out: Mapping[str, str]
) -> list[PlannedHost]:
    """Give every host its wave: those that a canary selector means, then the others by size. Raises Refused."""
    total = len(going)
    if not total:
        return []
    chosen = _canaries(policy, fleet, left_out)
    first = [one for one in going if one.seen.host in chosen]
    others = [one for one in going if one.seen.host not in chosen] if first else list(going)
    policy.waves.check_reachable(total, len(first))
    hosts = [_planned(one, 1, f"canary, wave 1 takes what {chosen[one.seen.host]} selects", policy) for one in first]
    start = 0
    for number, size in enumerate(policy.waves.sizes(total, len(first)), 1):
        wave = number + bool(first)
        step = policy.waves.step(number)
        takes = f"{step}" if isinstance(step, Growth) else f"{step} of {total}"
        why = f"{'canary, ' if wave == 1 else ''}wave {wave} takes {takes}: {size}"
        hosts += [_planned(one, wave, why, policy) for one in others[start : start + size]]
        start += size
    return hosts


def _planned(one: _Going, wave: int, why: str, policy: Policy) -> PlannedHost:
    groups = groups_of(one.seen.host, one.seen.variables, policy.labels)
    return PlannedHost(one.seen.host, wave, why, one.target, one.booted, groups, one.windows)


def _canaries(policy: Policy, fleet: Sequence[Seen], left_out: Mapping[str, str]) -> dict[str, str]:
    """Return the hosts that are canaries, and the selector that means each. Raises Refused.

    Refused where no canary goes, or has gone before: nothing would prove the target before the first wave.
    """
    if not policy.canaries:
        return {}
    chosen: dict[str, str] = {}
    for one in fleet:
        selector = next((each for each in policy.canaries if each.selects(one.host, one.variables)), None)
        if selector is not None:
            chosen[one.host] = repr(selector.expression)
    shown = ", ".join(repr(one.expression) for one in policy.canaries)
    if not chosen:
        raise Refused(f"cannot plan rollout: no canary: {shown} selects 0 of {len(fleet)} hosts")
    if all(not left_out.get(host, "already there").startswith("already there") for host in chosen):
        reasons = "; ".join(f"{host} is {left_out[host]}" for host in list(chosen)[:5])
        raise Refused(f"cannot plan rollout: none of the {len(chosen)} canaries of {shown} can go first: {reasons}")
    return chosen


def _refuse_unknown(unknown: Sequence[Seen], total: int, policy: Policy) -> None:
    """A host that nothing is known of may be down: it counts before the first wave as it would in the middle of one."""
    allowed = min(policy.max_failures.of(total), policy.max_unavailable.of(total) - 1)
    if len(unknown) > max(0, allowed):
        shown = "; ".join(f"{one.host}: {one.trouble}" for one in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise Refused(
            f"cannot plan rollout: {len(unknown)} of {total} hosts cannot be observed, and max_failures "
            f"({policy.max_failures.of(total)}) with max_unavailable ({policy.max_unavailable.of(total)}) allows "
            f"{max(0, allowed)} to be missing: {shown}{more}"
        )
