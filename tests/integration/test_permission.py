# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller that slept past its lease: real ansible-playbook runs that are stopped and woken, with stand-ins."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from play import Play

Fleet = Callable[[int], Play]
# Longer than the steps of a stand-in's turn, short enough to sleep past (s).
LEASE = 10


@pytest.fixture
def fleet(collections: Path, tmp_path: Path) -> Fleet:
    return lambda hosts: Play(collections, tmp_path, hosts)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("boot", "cannot tell h1 to reboot: lease 1 is over, it was taken over with lease 2"),  # before the question
        ("ordered", "cannot reboot h1: the order came too late after it was permitted"),  # after the answer
    ],
)
def test_stale_controller_reboots_nobody(fleet: Fleet, step: str, words: str) -> None:
    """It wakes when another has taken its host over, upgraded it, and let the next one in."""
    play = fleet(2)
    play.order(h1=(step, "wait"))
    sleeper = play.start(flotilla_lease=LEASE)
    play.wait_for(f"waits at {step}", sleeper)
    with play.asleep(sleeper, LEASE + 1.5):
        play.order(h2=("booted", "wait"))
        other = play.start(flotilla_lease=60)
        play.wait_for("waits at booted", other)  # h1 is confirmed, h2 is away
        assert play.boots() == {"h1": 1, "h2": 1}
    time.sleep(1.5)  # time enough to do harm
    play.order()
    done, slept = play.end(other), play.end(sleeper)
    assert words in slept.output
    assert done.rc == 0, done.output
    assert play.boots() == {"h1": 1, "h2": 1}, slept.output
    assert play.versions() == {"h1": "2", "h2": "2"}
    assert play.phases() == {"h1": "confirmed", "h2": "confirmed"}
    assert play.most_away() == 1


def test_lease_that_ran_out_is_no_permission_even_if_nobody_took_it(fleet: Fleet) -> None:
    play = fleet(2)
    play.order(h1=("boot", "wait"))
    run = play.start(flotilla_lease=LEASE)
    play.wait_for("waits at boot", run)
    with play.asleep(run, LEASE + 1.5):
        play.order()
    ended = play.end(run)
    assert ended.rc != 0
    assert "lease 1 has run out, and others may count it as lost; it was not told to" in ended.output
    assert play.boots() == {"h1": 0, "h2": 0}
    # Nothing happened to it: the next run has it take its turn.
    assert play.run().rc == 0
    assert play.boots() == {"h1": 1, "h2": 1}


def test_short_sleep_within_the_lease_does_no_harm(fleet: Fleet) -> None:
    play = fleet(1)
    play.order(h1=("boot", "wait"))
    run = play.start(flotilla_lease=60)
    play.wait_for("waits at boot", run)
    with play.asleep(run, 1):
        play.order()
    ended = play.end(run)
    assert ended.rc == 0, ended.output
    assert play.boots() == {"h1": 1}
