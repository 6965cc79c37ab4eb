# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts under faults: whatever the seed, no rule is broken. (Many more of them: make simulate.)"""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from simulated.episode import Episode
from simulated.faults import Fault


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), hosts=st.integers(2, 9))
def test_no_rule_is_broken(seed: int, hosts: int) -> None:
    outcome = Episode(f"property/{seed}", hosts).play()
    assert outcome.violations == []
    assert outcome.reboots >= 1


def test_the_same_seed_gives_the_same_episode() -> None:
    first, second = (Episode("again", 8).play() for _time in range(2))
    assert first == second
    assert first.strikes[Fault.SLOW] > 0


def test_in_calm_nobody_is_rebooted_twice() -> None:
    episode = Episode("calm", 8)
    episode.dice.likely = 0.0
    episode.dice.calm = True
    episode.storm_runs = 0
    episode.versions[episode.wish.offer] = "good"
    outcome = episode.play()
    assert outcome.violations == []
    assert outcome.reboots == 8
    assert {machine.running for machine in episode.machines.values()} == {episode.wish.offer}
