# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a rollout: a pure function of observations, policy and quarantine. Same input, same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import Refused
from .._model.native import native
from .observed import Seen, Version
from .policy import Policy


@dataclass(frozen=True)
class PlannedHost:
    """A host of the plan. `rollback_to` is where it goes back when the target does not hold. `wave` counts from 1."""

    host: str
    wave: int
    why: str
    target: Version
    rollback_to: Version


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

    `missing`: how many hosts could not be observed. They are taken off both budgets: nobody knows that they are up.
    """

    hosts: tuple[PlannedHost, ...]
    left_out: Mapping[str, str]
    policy: Policy
    missing: int = 0

    @property
    def waves(self) -> list[list[PlannedHost]]:
        last = max((one.wave for one in self.hosts), default=0)
        return [[one for one in self.hosts if one.wave == number] for number in range(1, last + 1)]

    @property
    def targets(self) -> dict[str, str]:
        return {one.host: one.target.digest for one in self.hosts}

    def document(self) -> dict[str, Any]:
        """Return the plan as native types, with its digest."""
        total = len(self.hosts) + self.missing
        body: dict[str, Any] = {
            "waves": [[native(one) for one in wave] for wave in self.waves],
            "left_out": dict(sorted(self.left_out.items())),
            "policy": self.policy.native(),
            "max_unavailable": self.policy.max_unavailable.of(total) - self.missing,
            "max_failures": self.policy.max_failures.of(total) - self.missing,
        }
        return {**body, "digest": hashlib.sha256(canonical(body).encode()).hexdigest()}


def canonical(value: object) -> str:
    """Return the one JSON text of `value`."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def make_plan(
    fleet: Sequence[Seen],
    policy: Policy,
    quarantine: Mapping[str, Quarantined],
    pinned: Mapping[str, Version] | None = None,
) -> Plan:
    """Plan a rollout to what each host's channel offers, or to `pinned` (host to version) where it is given.

    Hosts keep the order of `fleet`: the first ones are the canaries.
    Raises Refused: a host that nothing is known of, a target in quarantine, an impossible policy.
    """
    unknown = [one for one in fleet if one.trouble is not None]
    left_out: dict[str, str] = {}
    going: list[tuple[str, Version, Version]] = []
    for one in fleet:
        if one.trouble is not None:
            left_out[one.host] = f"not observed: {one.trouble}"
            continue
        if one.driver is None or one.booted is None:
            left_out[one.host] = "unsupported: no known update mechanism"
            continue
        target = (pinned or {}).get(one.host) or one.offer
        if target is None:
            raise Refused(f"cannot plan rollout: the channel of {one.host} offers nothing")
        if one.booted.digest == target.digest and one.on_trial is None:
            left_out[one.host] = f"already there: runs {target}"
            continue
        if target.digest in quarantine:
            raise Refused(f"cannot plan rollout: {quarantine[target.digest].sentence()}")
        going.append((one.host, target, one.booted))
    _refuse_unknown(unknown, len(going) + len(unknown), policy)
    total = len(going)
    if total:
        policy.check_reachable(total)
    hosts: list[PlannedHost] = []
    start = 0
    for number, size in enumerate(policy.wave_sizes(total), 1):
        configured = policy.waves[min(number, len(policy.waves)) - 1]
        why = f"{'canary, ' if number == 1 else ''}wave {number} takes {configured} of {total}: {size}"
        hosts += [PlannedHost(host, number, why, *versions) for host, *versions in going[start : start + size]]
        start += size
    return Plan(tuple(hosts), left_out, policy, len(unknown))


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
