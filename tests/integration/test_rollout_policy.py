# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy, from the variables of the role to the gate: real ansible-playbook, stand-ins for the hosts."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "rollout"))
from play import Play, copy_collection


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collections")
    copy_collection(folder)
    return folder


def test_canary_soak_group_and_exclusion(collections: Path, tmp_path: Path) -> None:
    play = Play(collections, tmp_path, 5)
    run = play.run(
        upgrade_canaries=["inventory_hostname == 'h3'"],
        upgrade_waves=["100%"],
        upgrade_wave_soak=[3, 0],
        upgrade_max_unavailable=3,
        # One group for all: its budget is smaller than the fleet's.
        upgrade_max_unavailable_per={"etcd": 1},
        etcd="main",
        upgrade_exclude=["h5"],
    )
    assert run.rc == 0, run.output
    assert play.versions() == {"h1": "2", "h2": "2", "h3": "2", "h4": "2", "h5": "1"}
    assert play.those_that("baseline")[0] == "h3"
    assert play.most_away() == 1


def test_outside_of_its_window_nobody_is_touched(collections: Path, tmp_path: Path) -> None:
    play = Play(collections, tmp_path, 2)
    far = (datetime.now(timezone.utc) + timedelta(days=3)).strftime("%a").lower()
    window = {"days": [far], "from": "00:00", "to": "24:00", "hosts": "inventory_hostname == 'h1'"}
    run = play.run(upgrade_windows=[window])
    assert run.rc != 0
    assert f"h1 is outside of its window ({far} 00:00-24:00 UTC), which opens at" in run.output
    assert play.those_that("baseline") == []
    # Of another policy, with a window that is open: h1 goes; none is for h2.
    again = play.run(upgrade_windows=[{**window, "days": []}])
    assert again.rc == 0, again.output
    assert play.versions() == {"h1": "2", "h2": "1"}
