# SPDX-License-Identifier: GPL-3.0-or-later
"""How long turns take, and how long a fleet takes that has them in batches or in a sliding window. Pure.

Times are seconds, one for each host, in the order in which they have their turns. `budget`: how many at a time.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence

# 95 of 100 reboots take so long (s): from a virtual machine to a server that tests its memory first.
USUAL = (60.0, 300.0)
# Of the normal distribution: 95 of 100 are within so many standard deviations.
_WITHIN = 1.96


def reboots(count: int, seed: str, usual: tuple[float, float] = USUAL) -> list[float]:
    """Draw how long hosts take to reboot: lognormal, most between the two of `usual`. The same seed, the same times."""
    low, high = map(math.log, usual)
    dice = random.Random(seed)
    return [dice.lognormvariate((low + high) / 2, (high - low) / 2 / _WITHIN) for _host in range(count)]


def batches(times: Sequence[float], budget: int) -> float:
    """Return how long `serial: budget` takes: each batch waits for its slowest host."""
    return sum(max(times[first : first + budget]) for first in range(0, len(times), budget))


def window(times: Sequence[float], budget: int) -> float:
    """Return how long it takes when each host starts as soon as another one has ended."""
    ends: list[float] = []
    for one in times:
        began = heapq.heappop(ends) if len(ends) == budget else 0.0
        heapq.heappush(ends, began + one)
    return max(ends, default=0.0)


def bound(times: Sequence[float], budget: int) -> float:
    """Return what no order can be faster than: all places always taken, or the slowest host alone."""
    return max(sum(times) / budget, *times) if times else 0.0
