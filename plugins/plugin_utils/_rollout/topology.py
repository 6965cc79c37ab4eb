# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of hosts that share a rack, a zone, a quorum: who is in one, its budgets, how many of it may be down. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import Refused
from .policy import Policy

# (label, value): ("rack", "r1")
Group = tuple[str, str]


@dataclass(frozen=True)
class GroupBudget:
    """What is allowed in a group. `hosts`: those that take part; `missing`: of these, those that cannot be observed.

    Budgets are what is left after the missing; None: no budget of its own. `worst_case_down` includes the missing.
    """

    hosts: int
    missing: int
    max_unavailable: int | None
    max_failures: int | None
    worst_case_down: int

    def native(self) -> dict[str, int | None]:
        return dict(vars(self))


def groups_of(host: str, variables: Mapping[str, Any], labels: Iterable[str]) -> dict[str, str]:
    """Return label to value, for the labels that a host has. Raises Refused for a value that is no text or number."""
    found: dict[str, str] = {}
    for label in labels:
        value = variables.get(label)
        if value is None or value == "":
            continue
        if not isinstance(value, (str, int, float)):
            raise Refused(f"cannot plan rollout: {label} of {host} must be a text or a number, not {value!r}")
        found[label] = str(value)
    return found


def budgets(
    waves: Sequence[Sequence[Mapping[str, str]]], missing: Sequence[Mapping[str, str]], policy: Policy
) -> dict[str, dict[str, GroupBudget]]:
    """Return the budgets of all groups, by label and value; `waves` and `missing` hold the groups of each host.

    Raises Refused when a group could never have its turn, or has lost more hosts than it may.
    """
    going = Counter(group for wave in waves for host in wave for group in host.items())
    lost = Counter(group for host in missing for group in host.items())
    most: Counter[Group] = Counter()
    for wave in waves:
        for group, count in Counter(group for host in wave for group in host.items()).items():
            most[group] = max(most[group], count)
    total = sum(map(len, waves)) + len(missing)
    unavailable, failures = dict(policy.max_unavailable_per), dict(policy.max_failures_per)
    found: dict[str, dict[str, GroupBudget]] = {label: {} for label in policy.labels}
    for group in sorted(going.keys() | lost.keys()):
        label, value = group
        hosts = going[group] + lost[group]
        allowed = unavailable[label].of(hosts) - lost[group] if label in unavailable else None
        failing = failures[label].of(hosts) - lost[group] if label in failures else None
        where = f"{label} {value}"
        if allowed is not None and allowed < 1 and going[group]:
            raise Refused(
                f"cannot plan rollout: max_unavailable_per {where} is {unavailable[label]} of {hosts}: "
                f"{unavailable[label].of(hosts)}, and {lost[group]} of them cannot be observed: "
                f"{unavailable[label].of(hosts)} - {lost[group]} = {allowed}, so no other host there could be rebooted"
            )
        if failing is not None and failing < 0:
            raise Refused(
                f"cannot plan rollout: max_failures_per {where} is {failures[label]} of {hosts}: "
                f"{failures[label].of(hosts)}, and {lost[group]} of them cannot be observed"
            )
        # In a wave are its hosts and those that failed in the waves before; the budgets cap them all.
        fleet = policy.max_unavailable.of(total) - len(missing)
        caps = [going[group], most[group] + policy.max_failures.of(total) - len(missing), fleet]
        caps += [] if allowed is None else [allowed]
        found[label][value] = GroupBudget(hosts, lost[group], allowed, failing, max(0, min(caps)) + lost[group])
    return found
