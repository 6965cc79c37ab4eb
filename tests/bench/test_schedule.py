# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches, window and bound, on times whose outcome can be counted on fingers, and in general."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from schedule import USUAL, batches, bound, reboots, window

TIMES = st.lists(st.floats(0.1, 1000), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("times", "budget", "in_batches", "in_window", "least"),
    [
        ([3, 1, 1, 1], 2, 4, 3, 3),
        ([1, 1, 1, 3], 2, 4, 4, 3),
        ([5], 3, 5, 5, 5),
        ([2, 2, 2, 2], 1, 8, 8, 8),
        ([2, 2, 2], 2, 4, 4, 3),
    ],
)
def test_known_fleets(times: list[float], budget: int, in_batches: float, in_window: float, least: float) -> None:
    assert (batches(times, budget), window(times, budget), bound(times, budget)) == (in_batches, in_window, least)


@given(times=TIMES, budget=st.integers(1, 10))
def test_a_window_is_never_slower_than_batches(times: list[float], budget: int) -> None:
    least, fast, slow = bound(times, budget), window(times, budget), batches(times, budget)
    assert least <= fast * (1 + 1e-9)
    assert fast <= slow * (1 + 1e-9)
    # Graham's bound of list scheduling: at most the average load and one turn.
    assert fast <= sum(times) / budget + max(times) + 1e-6


def test_reboots_are_drawn_by_the_seed_and_mostly_as_usual() -> None:
    times = reboots(5000, "seed")
    assert times == reboots(5000, "seed") != reboots(5000, "other")
    within = sum(USUAL[0] <= one <= USUAL[1] for one in times) / len(times)
    assert 0.93 < within < 0.97
    assert statistics.median(times) == pytest.approx((USUAL[0] * USUAL[1]) ** 0.5, rel=0.05)
