# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a rollout may take, from how long turns took before. Pure. A guess for people; nothing is decided by it."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from .topology import GroupBudget


def estimate(
    waves: Sequence[Sequence[Mapping[str, str]]],
    soaks: Sequence[int],
    max_unavailable: int,
    groups: Mapping[str, Mapping[str, GroupBudget]],
    history: Sequence[float],
) -> dict[str, int] | None:
    """Return `seconds`, the `turn_seconds` they rest on, and of how many `turns` that is the median.

    None without history. Time outside of windows is not in it. `soaks`: seconds after each wave.
    """
    if not history:
        return None
    turn = statistics.median(history)
    rounds = sum(_rounds(wave, max_unavailable, groups) for wave in waves)
    return {
        "seconds": math.ceil(rounds * turn + sum(soaks[: max(0, len(waves) - 1)])),
        "turn_seconds": math.ceil(turn),
        "turns": len(history),
    }


def _rounds(
    wave: Sequence[Mapping[str, str]], max_unavailable: int, groups: Mapping[str, Mapping[str, GroupBudget]]
) -> int:
    """Return how many turns follow each other in a wave: the tightest budget says it."""
    rounds = math.ceil(len(wave) / max(1, max_unavailable))
    for (label, value), count in Counter(group for host in wave for group in host.items()).items():
        allowed = groups[label][value].max_unavailable
        if allowed is not None:
            rounds = max(rounds, math.ceil(count / max(1, allowed)))
    return rounds
