# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts that several real ansible-playbook processes share on a real PostgreSQL, and what when it goes away."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from play import PATIENCE, Play
from postgresql import Server

TOGETHER = {"upgrade_waves": ["100%"], "upgrade_max_unavailable": 2}


@pytest.fixture
def play(collections: Path, tmp_path: Path, postgresql: Server) -> Play:
    return Play(collections, tmp_path, hosts=6, ledger=postgresql.new_database())


def _controllers(play: Play) -> set[str]:
    """Return who let hosts through the gate."""
    return {str(row[0]) for row in play._select("select controller from transitions where phase = 'guarded'")}


def _wait_until(true: Callable[[], bool], play: Play, *runs: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline or any(run.poll() is not None for run in runs):
            for run in runs:
                if run.poll() is None:
                    os.killpg(run.pid, signal.SIGKILL)
            said = "\n".join(run.communicate()[0] for run in runs)
            raise AssertionError(f"it never came to that: {play.phases()}\n{said}")
        time.sleep(0.05)


def _lines_until(text: str, output: Iterable[str]) -> Iterator[str]:
    for line in output:
        yield line
        if text in line:
            return


def _runs(play: Play) -> int:
    return int(play._select("select count(*) from rollout_runs")[0][0])


def test_two_share_the_work_and_the_budget(play: Play) -> None:
    """The first has one worker, which is held at its host: all the others are done by the second, one at a time."""
    play.order(h1=("booted", "wait"))
    first = play.start("--forks=1", **TOGETHER)
    play.wait_for("waits at booted", first)
    second = play.start(**TOGETHER)
    _wait_until(lambda: len(play.those_that("confirmed")) == 5, play, first, second)
    play.order()
    runs = [play.end(first), play.end(second)]
    assert [run.rc for run in runs] == [0, 0], runs[0].output + runs[1].output
    assert set(play.phases().values()) == {"confirmed"}
    assert set(play.boots().values()) == {1}
    assert play.most_away() == 2
    assert len(_controllers(play)) == 2


def test_one_is_killed_and_the_other_finishes(play: Play) -> None:
    """Its host is in the middle of its turn; the death is proven by the process, the rest by the host itself."""
    play.order(h1=("booted", "hang"))
    first = play.start(**TOGETHER)
    play.wait_for("hangs at booted", first)
    second = play.start(**TOGETHER)
    _wait_until(lambda: _runs(play) == 2, play, first, second)
    play.order()
    play.kill(first)
    run = play.end(second)
    assert run.rc == 0, run.output
    assert set(play.phases().values()) == {"confirmed"}
    assert set(play.versions().values()) == {"2"}
    assert set(play.boots().values()) == {1}
    assert play.most_away() <= 2
    assert len(_controllers(play)) == 2


def test_database_goes_in_the_middle_and_comes_back(play: Play, postgresql: Server) -> None:
    """Who is in flight finishes, and that is recorded when it can be; nobody new starts."""
    play.order(h1=("booted", "wait"))
    process = play.start(upgrade_max_unavailable=1)
    play.wait_for("waits at booted", process)
    postgresql.stop()
    play.order()
    play.wait_for("confirmed", process)
    assert process.stdout
    shown = list(_lines_until("waiting for the ledger", process.stdout))
    assert "h1: waiting for the ledger: cannot " in shown[-1]
    touched = set(play.those_that("baseline"))
    postgresql.start()
    run = play.end(process)
    output = "".join(shown) + run.output
    assert touched == {"h1"}
    assert run.rc != 0
    assert "cannot let h2 through the gate: cannot " in output
    assert "h2 was not touched" in output
    assert play.phases() == {"h1": "confirmed", **dict.fromkeys(play.hosts[1:], "staged")}

    again = play.run(upgrade_max_unavailable=1)
    assert again.rc == 0, again.output
    assert set(play.phases().values()) == {"confirmed"}
    assert set(play.boots().values()) == {1}
    assert play.most_away() == 1
