# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator may ask for, drawn by the seed: a fleet in its racks, a policy, what becomes of whom on failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from .limits import DAYS, amount

Variables = dict[str, dict[str, str]]
ON_FAILURE = ("stop", "rollback_host", "rollback_wave", "rollback_all")
# A fleet that is larger has budgets and waves that let it come to its end.
LARGE = 200


@dataclass(frozen=True)
class Wish:
    """What the next run is asked for."""

    hosts: Sequence[str]
    policy: dict[str, Any]
    offer: str
    forks: int
    on_failure: str
    pause_timeout: float


def size(random: Random) -> int:
    """Return how many hosts a fleet has. It is the first that is drawn by a seed: so it is known beforehand."""
    chance = random.random()
    if chance < 0.45:
        return random.randint(3, 20)
    if chance < 0.86:
        return random.randint(21, 60)
    if chance < 0.995:
        return random.randint(61, LARGE)
    return 1000


def fleet(random: Random, hosts: int) -> Variables:
    """Return host to its variables: the rack (a few hosts are in none), which of two tiers, and is it a canary?"""
    racks = random.randint(2, 3 + hosts // 5)
    names = [f"h{number:04}" for number in range(1, hosts + 1)]
    found: Variables = {name: {"rack": f"r{random.randint(1, racks)}", "tier": random.choice("ab")} for name in names}
    for name in random.sample(names, hosts // 10):
        del found[name]["rack"]
    for name in random.sample(names, random.randint(1, 1 + hosts // 10)):
        found[name]["canary"] = "yes"
    return found


def policy(random: Random, hosts: int, storm: float) -> dict[str, Any]:
    """Return a policy that the planner does not refuse for a fleet of that size; most storms are met with patience."""
    patient = random.random() < 0.5 + storm / 2.5
    away = ("20%", "30%", "50%") if patient else (1, 2, 3, "10%")
    canaries = random.random() < 0.3
    first: tuple[list[Any], ...] = ([1, "100%"], [1, "double"], ["1%", "10%", "100%"], ["5%", {"growth": 3}])
    found: dict[str, Any] = {
        "waves": random.choice((*first, ["20%"], ["30%", "100%"], ["100%"])),
        "max_unavailable": "25%" if hosts > LARGE else random.choice(away),
        "max_failures": random.choice(("50%", "100%") if patient else (0, 1, "10%")),
    }
    if canaries:
        found |= {
            "canaries": ["canary == 'yes'"],
            "waves": random.choice((["double"], ["10%", "double"], [{"growth": 3}], ["50%"])),
        }
    if random.random() < 0.5:
        found["max_unavailable_per"] = {"rack": random.choice((1, 1, 2, "50%"))}
    if random.random() < 0.4:
        found["max_failures_per"] = {"rack": random.choice(("50%", "100%") if patient else (0, 1, "50%"))}
    if random.random() < 0.4:
        found["wave_soak"] = random.choice((60, 600, [300, 60], [900, 0]))
    if hosts <= LARGE and random.random() < 0.25:
        found["windows"] = _windows(random)
        found["window_wait"] = random.choice((0, 3600, 14400))
    return found


def _windows(random: Random) -> list[dict[str, Any]]:
    """Return windows that each host has one of: for all, or one for each tier."""
    tiers = (None,) if random.random() < 0.5 else ("a", "b")
    windows = []
    for tier in tiers:
        start, hours = random.randint(0, 23), random.randint(8, 16)
        window: dict[str, Any] = {
            "days": random.sample(DAYS, random.randint(5, 7)),
            "from": f"{start:02}:00",
            "to": f"{(start + hours) % 24:02}:30",
            "tz": random.choice(("UTC", "Europe/Berlin", "Asia/Kolkata")),
        }
        windows.append(window | ({"hosts": f"tier == '{tier}'"} if tier else {}))
    return windows


def forks(random: Random, asked: dict[str, Any], hosts: int) -> int:
    """Return how many workers a run has: as many as may be away, one less, or one more, which then waits."""
    away = amount(asked["max_unavailable"], hosts)
    return max(1, min(25, away + random.choice((-1, 0, 0, 1))))
