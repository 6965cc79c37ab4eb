# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy allows in a rollout, by an arithmetic of its own: nothing of the code under test is asked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# (label, value): ("rack", "r1")
Group = tuple[str, str]
Variables = Mapping[str, Mapping[str, str]]  # host to variable to value


@dataclass(frozen=True)
class Limits:
    """What `policy` (the options, as the user writes them) allows for the hosts of one rollout."""

    policy: Mapping[str, Any]
    variables: Variables
    missing: frozenset[str]
    max_unavailable: int
    max_failures: int
    unavailable: Mapping[Group, int]
    failures: Mapping[Group, int]

    @classmethod
    def of(
        cls, policy: Mapping[str, Any], hosts: Collection[str], missing: Collection[str], variables: Variables
    ) -> Limits:
        """`missing`: hosts that could not be observed: nobody knows that they are up. What they draw on the budgets is
        taken off for as long as the rollout lasts; they are not to be counted again."""
        total = len(hosts) + len(missing)

        def per(option: str) -> dict[Group, int]:
            found = {}
            for label, value in policy.get(option, {}).items():
                lost = Counter(variables[host].get(label) for host in missing)
                going = Counter(variables[host].get(label) for host in hosts)
                for name in going.keys() - {None}:
                    found[(label, str(name))] = amount(value, going[name] + lost[name]) - lost[name]
            return found

        return cls(
            policy,
            variables,
            frozenset(missing),
            amount(policy["max_unavailable"], total) - len(missing),
            amount(policy["max_failures"], total) - len(missing),
            per("max_unavailable_per"),
            per("max_failures_per"),
        )

    def crowded(self, away: Collection[str]) -> str | None:
        """Say which group has more hosts away than it may."""
        return self._over(self.unavailable, away)

    def failed_too_often(self, bad: Collection[str]) -> str | None:
        """Say why so many failures stop the rollout; None when it may go on."""
        if len(bad) > self.max_failures:
            return f"{len(bad)} failures; allowed are {self.max_failures}"
        return self._over(self.failures, bad)

    def _over(self, allowed: Mapping[Group, int], hosts: Collection[str]) -> str | None:
        for (label, value), most in allowed.items():
            found = [host for host in hosts if self.variables[host].get(label) == value]
            if len(found) > most:
                return f"{len(found)} of {label} {value} ({', '.join(found[:5])}); allowed are {most}"
        return None

    def soak(self, wave: int) -> int:
        """Return the seconds that must pass after wave `wave` (from 1)."""
        soaks = self.policy.get("wave_soak", 0)
        several: Sequence[int] = soaks if isinstance(soaks, list) else [soaks]
        return several[min(wave, len(several)) - 1]

    def in_window(self, host: str, at: int) -> bool:
        """Tell whether `host` may start at `at`, epoch seconds."""
        windows = [one for one in self.policy.get("windows", []) if self._is_for(one, host)]
        return not self.policy.get("windows") or any(_is_open(one, at) for one in windows)

    def _is_for(self, window: Mapping[str, Any], host: str) -> bool:
        selector = window.get("hosts")
        if selector is None:
            return True
        found = re.fullmatch(r"(\w+) == '(\w+)'", selector)
        assert found, f"the oracle reads no other selectors than LABEL == 'VALUE', not {selector}"
        return self.variables[host].get(found[1]) == found[2]


def amount(value: Any, total: int) -> int:
    """The documented meaning of a count or a percentage: rounded up."""
    text = str(value)
    if not text.endswith("%"):
        return int(text)
    exact = Fraction(text[:-1]) * total / 100
    return -(-exact.numerator // exact.denominator)


def _is_open(window: Mapping[str, Any], at: int) -> bool:
    clock = datetime.fromtimestamp(at, tz=ZoneInfo(window["tz"]))
    minute = clock.hour * 60 + clock.minute
    start, end = (int(text[:2]) * 60 + int(text[3:]) for text in (window["from"], window["to"]))
    days = [DAYS.index(day) for day in window["days"]]
    if start < end:
        return clock.weekday() in days and start <= minute < end
    # Over midnight: it belongs to the day on which it began.
    return (minute >= start and clock.weekday() in days) or (minute < end and (clock.weekday() - 1) % 7 in days)
