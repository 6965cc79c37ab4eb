# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole rollouts: real ansible-playbook, playbooks, roles, planner, gate and ledger; stand-ins for the hosts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from play import Play

Fleet = Callable[[int], Play]


@pytest.fixture
def fleet(collections: Path, tmp_path: Path) -> Fleet:
    return lambda hosts: Play(collections, tmp_path, hosts)


def _all(play: Play, what: object) -> dict[str, object]:
    return dict.fromkeys(play.hosts, what)


def test_all_good(fleet: Fleet) -> None:
    play = fleet(4)
    run = play.run(upgrade_waves=[1, 1, "100%"])
    assert run.rc == 0, run.output
    assert play.phases() == _all(play, "confirmed")
    assert play.boots() == _all(play, 1)
    assert play.those_that("baseline")[:2] == ["h1", "h2"]
    assert play.events().index(("h1", "confirmed")) < play.events().index(("h2", "baseline"))
    assert play.most_away() == 1


def test_canary_fails_then_quarantine_then_release(fleet: Fleet) -> None:
    play = fleet(3)
    play.order(h1=("boot", "panic"))
    run = play.run()
    assert run.rc != 0
    assert play.those_that("down") == ["h1"]
    assert play.those_that("baseline") == ["h1"]
    assert "h1 is rolled_back (1 (aaaaaaaaaaaa) to 2 (bbbbbbbbbbbb)): cannot prove that h1 runs 2" in run.output
    assert "boot_failed: the kernel panicked" in run.output
    assert "not touched: h2, h3" in run.output

    play.order()
    play.forget_events()
    refused = play.run()
    assert refused.rc != 0
    assert "2 (bbbbbbbbbbbb) is in quarantine since" in refused.output
    assert play.those_that("staged") == play.those_that("down") == []

    assert play.end(play.start(playbook="release_quarantine", digest="b" * 64)).rc == 0
    again = play.run()
    assert again.rc == 0, again.output
    assert play.versions() == _all(play, "2")


def test_sick_canary_goes_back_and_nobody_else_goes(fleet: Fleet) -> None:
    play = fleet(3)
    play.order(h1=("verdict", "sick"))
    run = play.run()
    assert run.rc != 0
    assert play.versions() == _all(play, "1")
    assert play.those_that("down") == ["h1", "h1"]
    assert play.phases() == {"h1": "rolled_back", "h2": "staged", "h3": "staged"}
    assert "unit web.service is failed" in run.output


@pytest.mark.parametrize("step", ["stage", "boot", "booted", "verdict"])
def test_host_of_wave_1_vanishes_and_wave_2_is_not_touched(fleet: Fleet, step: str) -> None:
    """The known trap: Ansible goes on with the hosts that are left."""
    play = fleet(4)
    play.order(h2=(step, "vanish"))
    run = play.run(upgrade_waves=[2, "100%"], upgrade_max_unavailable=2)
    assert run.rc != 0
    assert "UNREACHABLE" in run.output
    assert play.phases()["h2"] == "unreachable"
    assert not {"h3", "h4"} & {*play.those_that("baseline"), *play.those_that("down")}
    assert "not touched: " in run.output or "no host was rebooted" in run.output


@pytest.mark.parametrize("what", ["vanish", "fail"])
def test_host_that_cannot_be_observed_is_missed(fleet: Fleet, what: str) -> None:
    play = fleet(3)
    play.order(h2=("observe", what))
    run = play.run()
    assert run.rc != 0
    assert "1 of 3 hosts cannot be observed" in run.output
    assert play.those_that("staged") == play.those_that("down") == []
    tolerant = play.run(upgrade_max_unavailable=2, upgrade_max_failures=1)
    assert play.versions() == {"h1": "2", "h2": "1", "h3": "2"}, tolerant.output
    assert play.most_away() == 1


@pytest.mark.parametrize(
    ("step", "host"),
    [
        ("stage", "h1"),
        ("boot", "h3"),
        ("booted", "h1"),
        ("booted", "h3"),
        ("verdict", "h1"),
        ("confirm", "h3"),
        ("confirmed", "h1"),
    ],
)
def test_killed_and_run_again(fleet: Fleet, step: str, host: str) -> None:
    play = fleet(4)
    play.order(**{host: (step, "hang")})
    play.kill_when(f"hangs at {step}")
    play.order()
    run = play.run()
    assert run.rc == 0, run.output
    assert play.phases() == _all(play, "confirmed")
    assert play.boots() == _all(play, 1)
    assert play.most_away() == 1


def test_two_at_once_share_one_budget(fleet: Fleet) -> None:
    play = fleet(6)
    first = play.start(upgrade_waves=["100%"], upgrade_max_unavailable=2)
    second = play.start(upgrade_waves=["100%"], upgrade_max_unavailable=2)
    runs = [play.end(first), play.end(second)]
    assert play.most_away() <= 2
    assert max(play.boots().values()) == 1, runs[0].output + runs[1].output
    assert any(run.rc == 0 for run in runs), runs[0].output + runs[1].output
    assert play.versions() == _all(play, "2")


def test_joined_by_another_in_the_middle(fleet: Fleet) -> None:
    """The second comes while the first has a host in flight: it helps, and touches nothing that is confirmed."""
    play = fleet(4)
    play.order(h1=("booted", "hang"))
    first = play.start(upgrade_max_unavailable=2)
    play.wait_for("hangs at booted", first)
    play.order()
    second = play.start(upgrade_max_unavailable=2)
    time.sleep(2.5)
    assert play.those_that("baseline") == ["h1"]
    play.kill(first)
    play.kill(second)
    third = play.run(upgrade_max_unavailable=2)
    assert third.rc == 0, third.output
    assert play.most_away() <= 2
    assert play.boots() == _all(play, 1)


def test_check_mode_records_and_changes_nothing(fleet: Fleet) -> None:
    play = fleet(3)
    run = play.run("--check", "--diff")
    assert run.rc == 0, run.output
    assert "+h1: 2 (bbbbbbbbbbbb), wave 1" in run.output
    assert not play.ledger.exists() or play.transitions() == []
    assert not {event for _host, event in play.events()} - {"observed", "asked to stage in check mode"}
    assert play.versions() == _all(play, "1")


@pytest.mark.parametrize(("forks", "budget"), [(1, 3), (2, 1)])
def test_few_forks_do_not_lock_up(fleet: Fleet, forks: int, budget: int) -> None:
    play = fleet(6)
    run = play.run(f"--forks={forks}", upgrade_max_unavailable=budget)
    assert run.rc == 0, run.output
    assert play.versions() == _all(play, "2")
    assert play.most_away() <= budget


def test_limit_without_the_canary_ends(fleet: Fleet) -> None:
    play = fleet(3)
    play.order(h1=("boot", "hang"))
    play.kill_when("hangs at boot")
    play.order()
    play.forget_events()
    run = play.run("--limit=h2,h3")
    assert run.rc != 0
    assert play.those_that("down") == []
    assert "h1" in run.output
