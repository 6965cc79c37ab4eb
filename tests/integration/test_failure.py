# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts that fail, are brought back, paused and halted: real ansible-playbook runs, stand-ins for the hosts."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parent / "rollout"))
from play import Play, copy_collection

Fleet = Callable[[int], Play]


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collections")
    copy_collection(folder)
    return folder


@pytest.fixture
def fleet(collections: Path, tmp_path: Path) -> Fleet:
    return lambda hosts: Play(collections, tmp_path, hosts)


def _tell(play: Play, word: str, **variables: object) -> str:
    """Give a word from another terminal."""
    run = play.end(play.start(playbook=word, **variables))
    assert run.rc == 0, run.output
    return run.output


@pytest.mark.parametrize(
    ("on_failure", "versions"),
    [
        ("stop", {"h1": "2", "h2": "2", "h3": "2", "h4": "1"}),
        ("rollback_host", {"h1": "2", "h2": "2", "h3": "1", "h4": "1"}),
        ("rollback_wave", {"h1": "2", "h2": "1", "h3": "1", "h4": "1"}),
        ("rollback_all", {"h1": "1", "h2": "1", "h3": "1", "h4": "1"}),
    ],
)
def test_who_is_brought_back(fleet: Fleet, on_failure: str, versions: dict[str, str]) -> None:
    """Waves h1; h2 and h3, both at once; h4. h3 is sick."""
    play = fleet(4)
    play.order(h3=("verdict", "sick"))
    policy = {"upgrade_waves": [1, 2, 1], "upgrade_max_unavailable": 2, "upgrade_on_failure": on_failure}
    run = play.run(**policy)
    assert run.rc != 0
    assert play.versions() == versions, run.output
    assert "h4" not in {*play.those_that("down"), *play.those_that("baseline")}
    # `stop` leaves the host to its guard, on trial; nobody proved that it is up.
    phases = {"1": "rolled_back", "2": "confirmed"}
    failed = "failed" if on_failure == "stop" else "rolled_back"
    assert play.phases() == {**{host: phases[now] for host, now in versions.items()}, "h3": failed, "h4": "staged"}
    assert play.most_away() <= 2
    assert "is in quarantine" in play.run(**policy).output


def test_way_back_is_recorded_before_it_is_gone(fleet: Fleet) -> None:
    play = fleet(3)
    play.order(h3=("boot", "panic"))
    play.run(upgrade_waves=[2, 1], upgrade_on_failure="rollback_all")
    mine = [phase for host, phase in play.transitions() if host == "h1"]
    assert mine[-4:] == ["confirmed", "recalled", "returning", "rolled_back"]
    first_back = play.transitions().index(("h1", "returning"))
    assert {("h1", "recalled"), ("h2", "recalled")} <= set(play.transitions()[:first_back])


@pytest.mark.parametrize("step", ["rollback", "rolled_back"])
def test_killed_on_the_way_back_and_run_again(fleet: Fleet, step: str) -> None:
    play = fleet(3)
    play.order(h1=(step, "hang"), h2=(step, "hang"), h3=("boot", "panic"))
    play.kill_when(f"hangs at {step}", upgrade_waves=[2, 1], upgrade_on_failure="rollback_all")
    assert sorted(play.phases().values()) == ["recalled", "returning", "rolled_back"]
    play.order()
    # What was decided then is done now, whatever is asked for this time, and nothing else is begun.
    play.forget_events()
    run = play.run("-v", upgrade_waves=[2, 1])
    assert run.rc != 0
    assert "nothing new is begun: bringing back h1, h2" in run.output
    assert play.versions() == {"h1": "1", "h2": "1", "h3": "1"}, run.output
    assert set(play.phases().values()) == {"rolled_back"}
    assert play.those_that("staged") == []
    assert play.boots() == {"h1": 2, "h2": 2, "h3": 2}
    assert "is in quarantine" in play.run(upgrade_waves=[2, 1]).output


def test_host_that_vanishes_on_its_way_back_stops_the_others(fleet: Fleet) -> None:
    play = fleet(4)
    play.order(**dict.fromkeys(("h1", "h2", "h3"), ("rollback", "vanish")), h4=("boot", "panic"))
    run = play.run(upgrade_waves=[3, 1], upgrade_on_failure="rollback_all")
    assert run.rc != 0
    assert play.those_that("going back") == []
    assert len(play.those_that("vanished")) == 1
    assert sorted(play.phases().values()) == ["recalled", "recalled", "rolled_back", "unreachable"]
    assert "still to be brought back: " in run.output


def test_vanished_host_is_no_reason_to_exceed_the_budget(fleet: Fleet) -> None:
    play = fleet(3)
    play.order(h3=("booted", "vanish"))
    run = play.run(upgrade_waves=[2, 1], upgrade_max_unavailable=2, upgrade_on_failure="rollback_all")
    assert run.rc != 0
    assert play.most_away() <= 2
    assert play.phases()["h3"] == "unreachable"
    assert play.versions()["h1"] == play.versions()["h2"] == "1", run.output


def test_halt_from_another_terminal(fleet: Fleet) -> None:
    """It takes effect before the next host is touched, outlives re-runs, and is only taken back by a word."""
    play = fleet(3)
    play.order(h1=("booted", "wait"))
    run = play.start()
    play.wait_for("waits at booted", run)
    said = _tell(play, "halt", who="ada", why="the storage is degraded")
    assert "halted by ada" in said
    play.order()
    halted = play.end(run)
    assert halted.rc != 0
    assert "halted by ada" in halted.output
    assert "the storage is degraded" in halted.output
    assert play.phases() == {"h1": "confirmed", "h2": "staged", "h3": "staged"}
    assert play.boots() == {"h1": 1, "h2": 0, "h3": 0}

    play.forget_events()
    refused = play.run()
    assert refused.rc != 0
    assert "halted by ada" in refused.output
    assert "flotilla.container_os.resume" in refused.output
    assert set(play.events()) == {(host, "observed") for host in play.hosts}
    assert "halted by ada" in play.end(play.start(playbook="report", report_ledger=f"sqlite:///{play.ledger}")).output

    _tell(play, "resume", who="ada", why="it is healthy")
    again = play.run()
    assert again.rc == 0, again.output
    assert play.boots() == dict.fromkeys(play.hosts, 1)


def test_pause_and_resume(fleet: Fleet) -> None:
    play = fleet(3)
    play.order(h1=("booted", "wait"))
    run = play.start()
    play.wait_for("waits at booted", run)
    _tell(play, "pause", who="ada", why="a look first")
    play.order()
    play.wait_for("confirmed", run)
    time.sleep(1)  # many looks at the gate
    assert play.those_that("baseline") == ["h1"]
    _tell(play, "resume", who="ada", why="looks good")
    done = play.end(run)
    assert done.rc == 0, done.output
    assert "waiting: rollout upgrade is paused: paused by ada" in done.output
    assert play.boots() == dict.fromkeys(play.hosts, 1)


def test_pause_outlives_the_run_and_has_an_end(fleet: Fleet) -> None:
    play = fleet(3)
    play.order(h1=("booted", "hang"))
    run = play.start()
    play.wait_for("hangs at booted", run)
    _tell(play, "pause", why="a look first")
    play.kill(run)
    play.order()
    paused = play.run(upgrade_pause_timeout=1)
    assert paused.rc != 0
    assert "it has waited 1 s for that to end" in paused.output
    # The host on trial was finished: its guard would have taken it back meanwhile.
    assert play.phases() == {"h1": "confirmed", "h2": "staged", "h3": "staged"}
    assert play.boots() == {"h1": 1, "h2": 0, "h3": 0}
    _tell(play, "resume")
    assert play.run().rc == 0
    assert play.versions() == dict.fromkeys(play.hosts, "2")


def test_what_a_turn_finds_is_brought_back_also_by_a_later_run(fleet: Fleet) -> None:
    play = fleet(2)
    for name, task in {
        "pre": "ansible.builtin.set_fact: {flotilla_saved: {weight: 7}}",
        "drain": "ansible.builtin.debug: {msg: 'drained {{ inventory_hostname }}'}",
        "undrain": "ansible.builtin.debug: {msg: 'undrained {{ inventory_hostname }}'}",
        "post": "ansible.builtin.debug: {msg: '{{ inventory_hostname }} weighs {{ flotilla_saved.weight }} again'}",
    }.items():
        (play.folder / f"{name}.yml").write_text(f"- name: Hook\n  {task}\n")
    hooks = {f"upgrade_{name}_tasks": str(play.folder / f"{name}.yml") for name in ("pre", "drain", "undrain", "post")}
    play.order(h1=("booted", "hang"))
    play.kill_when("hangs at booted", **hooks)
    play.order()
    # What would be seen now is what the dead run has left; it is not asked for.
    (play.folder / "pre.yml").write_text("- name: Hook\n  ansible.builtin.set_fact: {flotilla_saved: {weight: 0}}\n")
    run = play.run(**hooks)
    assert run.rc == 0, run.output
    assert "h1 weighs 7 again" in run.output
    assert "h2 weighs 0 again" in run.output
    assert play.saved() == []


def _hooks(play: Play, **hooks: str) -> dict[str, str]:
    """Write hooks that say what they do; return the variables that name them."""
    for name in ("drain", "undrain"):
        hooks.setdefault(name, f"ansible.builtin.debug: {{msg: '{name}ed {{{{ inventory_hostname }}}}'}}")
    for name, task in hooks.items():
        (play.folder / f"{name}.yml").write_text(f"- name: Hook\n  {task}\n")
    return {f"upgrade_{name}_tasks": str(play.folder / f"{name}.yml") for name in hooks}


@pytest.mark.parametrize("refusal", ["at the plan", "at the gate"])
def test_what_a_dead_run_drained_gets_its_work_back_from_a_run_that_is_refused(fleet: Fleet, refusal: str) -> None:
    play = fleet(2)
    hooks = _hooks(
        play,
        pre="ansible.builtin.set_fact: {flotilla_saved: {weight: 7}}",
        post="ansible.builtin.debug: {msg: '{{ inventory_hostname }} weighs {{ flotilla_saved.weight }} again'}",
    )
    play.order(h2=("boot", "hang"))
    play.kill_when("hangs at boot", **hooks)
    play.order()
    assert play.saved() == ["h2"]
    if refusal == "at the plan":
        _tell(play, "halt", why="the storage is degraded")
        refused = play.run(**hooks)
        assert "cannot go on with rollout upgrade: halted by" in refused.output
    else:
        # h1 is confirmed; h2 would be the first to go, but its window is closed.
        with sa.create_engine(play.url).begin() as connection:
            plan = json.loads(connection.exec_driver_sql("select plan from rollouts").scalar_one())
            never = {"days": ["mon"], "from": "00:00", "to": "00:01", "tz": "UTC", "hosts": None}
            later = (datetime.now(timezone.utc) + timedelta(days=3)).strftime("%a").lower()
            plan["policy"]["windows"] = [{**never, "days": [later]}]
            for one in (one for wave in plan["waves"] for one in wave):
                one["windows"] = [0]
            # Without its terms the gate reads the plan as a whole.
            edited = sa.text("update rollouts set plan = :plan, terms = null")
            connection.execute(edited, {"plan": json.dumps(plan)})
        window = {"days": [later], "from": "00:00", "to": "00:01", "tz": "UTC"}
        refused = play.run(**hooks, upgrade_windows=[window])
        assert "is outside of its window" in refused.output
    assert refused.rc != 0
    assert play.those_that("down") == ["h1"]
    assert "undrained h2" in refused.output
    assert "h2 weighs 7 again" in refused.output
    assert play.saved() == []


def test_run_that_is_refused_undrains_nobody_whom_another_has_in_hand(fleet: Fleet) -> None:
    play = fleet(2)
    hooks = _hooks(play)
    play.order(h1=("booted", "wait"))
    first = play.start(**hooks)
    play.wait_for("waits at booted", first)
    refused = play.run(**hooks, upgrade_max_failures=1)
    assert refused.rc != 0
    assert "driven by" in refused.output
    assert "undrained" not in refused.output
    assert play.saved() == ["h1"]
    play.order()
    done = play.end(first)
    assert done.rc == 0, done.output
    assert "undrained h1" in done.output
    assert play.saved() == []


def test_what_was_saved_goes_with_the_host_into_a_new_rollout(fleet: Fleet) -> None:
    """The hook that brings it back fails; a new version is planned meanwhile."""
    play = fleet(1)
    hooks = _hooks(
        play,
        pre="ansible.builtin.set_fact: {flotilla_saved: {weight: 7}}",
        post="ansible.builtin.fail: {msg: 'the scheduler is away'}",
    )
    failed = play.run(**hooks)
    assert failed.rc != 0
    assert "the scheduler is away" in failed.output
    assert play.phases() == {"h1": "confirmed"}
    assert play.saved() == ["h1"]
    play.offer("3")
    hooks = _hooks(
        play,
        pre="ansible.builtin.set_fact: {flotilla_saved: {weight: 0}}",
        post="ansible.builtin.debug: {msg: '{{ inventory_hostname }} weighs {{ flotilla_saved.weight }} again'}",
    )
    run = play.run(**hooks)
    assert run.rc == 0, run.output
    assert play.versions() == {"h1": "3"}
    assert "h1 weighs 7 again" in run.output
    assert play.saved() == []


@pytest.mark.parametrize("what", ["vanish", "fail"])
def test_rollback_playbook_stops_at_the_first_that_is_not_proven(fleet: Fleet, what: str) -> None:
    """The known trap: with `serial`, Ansible goes on with the next batch after a host that cannot be reached."""
    play = fleet(3)
    assert play.run(upgrade_waves=["100%"]).rc == 0
    play.forget_events()
    play.order(h1=("rollback", what))
    run = play.end(play.start(playbook="rollback"))
    assert run.rc != 0
    assert play.those_that("going back") == []
    assert ("cannot prove that h1 was rolled back" if what == "vanish" else "ordered to fail") in run.output
    play.order()
    assert play.end(play.start(playbook="rollback")).rc == 0
    assert play.versions() == dict.fromkeys(play.hosts, "1")
