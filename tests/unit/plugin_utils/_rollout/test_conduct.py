# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout on a real ledger, SQLite and PostgreSQL: from plan to end, cut off at every step, by two at once."""

from __future__ import annotations

import multiprocessing
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from backends import ledger_url
from clock import Clock

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import IN_FLIGHT, Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.conduct import Conductor
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.gate import Answer, ask
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import Seen, Version
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.turn import Left

pytestmark = pytest.mark.usefixtures("backend")
OLD, NEW = Version("a" * 64, "1"), Version("b" * 64, "2")
POLICY = Policy.parse({"waves": [1, "100%"], "max_unavailable": 1, "max_failures": 0})


def _conductor(path: Path, controller: str = "c1", dead: tuple[str, ...] = ()) -> Conductor:
    return Conductor(Ledger(ledger_url(path)), "upgrade", controller, lambda one: one in dead)


def _fleet(**changes: Seen) -> list[Seen]:
    return [changes.get(name, Seen(name, driver="ostree", booted=OLD, offer=NEW)) for name in ("h1", "h2", "h3")]


def _is_staged(name: str = "h") -> dict[str, Any]:
    return {"host_state": {"staged": {"digest": NEW.digest}, "booted": {"digest": OLD.digest}}, "msg": "staged"}


def _enter(conductor: Conductor, host: str) -> dict[str, Any]:
    return conductor.enter(host, 600, Clock(), lambda _text: None)


def _start(path: Path) -> Conductor:
    conductor = _conductor(path)
    assert conductor.plan(_fleet(), POLICY, check=False).order == ("h1", "h2", "h3")
    assert conductor.staged({name: _is_staged() for name in ("h1", "h2", "h3")}) == {}
    return conductor


def _phases(conductor: Conductor) -> dict[str, Phase]:
    record = conductor.ledger.rollout("upgrade")
    assert record is not None
    return {one.host: one.phase for one in record.hosts}


CONFIRMED = Left(Phase.CONFIRMED, "confirmed")


def test_all_good(tmp_path: Path) -> None:
    conductor = _start(tmp_path)
    for host in ("h1", "h2", "h3"):
        assert _enter(conductor, host)["token"] == 1
        conductor.leave(host, CONFIRMED)
    record = conductor.end()
    assert record is not None
    assert record.state == "done"
    phases = [row["phase"] for row in conductor.ledger.transitions(record.id) if row["host"] == "h1"]
    assert phases == ["staged", "guarded", "activating", "booted", "healthy", "confirmed"]


def test_recorded_before_it_is_touched(tmp_path: Path) -> None:
    conductor = _start(tmp_path)
    _enter(conductor, "h1")
    assert _phases(_conductor(tmp_path))["h1"] is Phase.GUARDED


def test_canary_fails_and_nobody_else_goes(tmp_path: Path) -> None:
    conductor = _start(tmp_path)
    _enter(conductor, "h1")
    with pytest.raises(FlotillaError, match="h1 rolled back: it panics"):
        conductor.leave("h1", Left(Phase.ROLLED_BACK, "it panics", quarantine=True))
    with pytest.raises(FlotillaError, match="cannot let h2 through the gate.*h2 was not touched"):
        _enter(conductor, "h2")
    record = conductor.end()
    assert record is not None
    assert record.state == "stopped"
    with pytest.raises(Refused, match="is in quarantine"):
        conductor.plan(_fleet(), POLICY, check=False)
    with conductor.ledger.write() as writer:
        assert writer.release(NEW.digest, "me")
    assert conductor.plan(_fleet(), POLICY, check=False).order


def test_wait_without_end_is_refused(tmp_path: Path) -> None:
    conductor = _start(tmp_path)
    with pytest.raises(FlotillaError, match="wave 2 waits for wave 1: h1.*nothing has moved for 120 s"):
        _enter(conductor, "h2")


@pytest.mark.parametrize("quarantined", [True, False])
def test_dead_controller_is_succeeded(tmp_path: Path, quarantined: bool) -> None:
    first = _start(tmp_path)
    _enter(first, "h1")
    second = _conductor(tmp_path, "c2", dead=("c1",))
    on_trial = Seen("h1", driver="ostree", booted=NEW, offer=NEW, on_trial=NEW.digest)
    fell_back = Seen(
        "h1", driver="ostree", booted=OLD, offer=NEW, fell_back_from=NEW.digest, fallback_cause="boot_failed"
    )
    if quarantined:
        with pytest.raises(Refused, match="in quarantine"):
            second.plan(_fleet(h1=fell_back), POLICY, check=False)
        return
    planned = second.plan(_fleet(h1=on_trial), POLICY, check=False)
    assert planned.resumed
    assert _phases(second)["h1"] is Phase.BOOTED
    assert _enter(second, "h1")["token"] == 3  # 2 was taken when it was found in the middle of its turn
    with pytest.raises(FlotillaError, match="not let through"):
        first.leave("h1", CONFIRMED)  # the token is the other's now
    second.leave("h1", CONFIRMED)
    assert _phases(second)["h1"] is Phase.CONFIRMED


def test_host_on_trial_is_not_lost_while_others_ask_first(tmp_path: Path) -> None:
    """Seen on machines: after a kill, a host of the second wave asked before the one that was in flight."""
    first = _start(tmp_path)
    _enter(first, "h1")
    second = _conductor(tmp_path, "c2", dead=("c1",))
    on_trial = Seen("h1", driver="ostree", booted=NEW, offer=NEW, on_trial=NEW.digest)
    second.plan(_fleet(h1=on_trial), POLICY, check=False)
    second.staged({name: _is_staged() for name in ("h2", "h3")})
    with second.ledger.write() as writer:
        rollout = writer.rollout("upgrade")
        assert rollout is not None
        assert ask(rollout, "h2", writer.now, second.gone, "c2").answer is Answer.WAIT
    _enter(second, "h1")
    second.leave("h1", CONFIRMED)
    assert _enter(second, "h2")["wave"] == 2


def test_lost_power_then_back(tmp_path: Path) -> None:
    conductor = _start(tmp_path)
    _enter(conductor, "h1")
    with pytest.raises(FlotillaError):
        conductor.leave("h1", Left(Phase.UNREACHABLE, "no answer"))
    off = Seen("h1", trouble="no answer", reachable=False)
    conductor.plan(_fleet(h1=off), POLICY, check=False)
    with pytest.raises(FlotillaError, match="max_failures"):
        _enter(conductor, "h2")
    back = Seen("h1", driver="ostree", booted=NEW, offer=NEW, on_trial=NEW.digest)
    conductor.plan(_fleet(h1=back), POLICY, check=False)
    conductor.staged({name: _is_staged() for name in ("h2", "h3")})
    _enter(conductor, "h1")
    conductor.leave("h1", CONFIRMED)
    assert _enter(conductor, "h2")["wave"] == 2


def test_check_mode_records_nothing(tmp_path: Path) -> None:
    conductor = _conductor(tmp_path)
    assert conductor.plan(_fleet(), POLICY, check=True).order == ("h1", "h2", "h3")
    assert conductor.ledger.rollout("upgrade") is None


@pytest.mark.parametrize("check", [False, True])
def test_nobody_who_may_be_down_is_left_behind(tmp_path: Path, check: bool) -> None:
    """Another target for a part of the fleet: the host that failed is outside of it, and would count nowhere."""
    conductor = _start(tmp_path)
    _enter(conductor, "h1")
    with pytest.raises(FlotillaError):
        conductor.leave("h1", Left(Phase.FAILED, "sick"))
    newer = Version("c" * 64, "3")
    part = [Seen(name, driver="ostree", booted=OLD, offer=newer) for name in ("h2", "h3")]
    with pytest.raises(Refused, match=r"cannot plan rollout upgrade anew: .* h1 \(failed\) may be down"):
        conductor.plan(part, POLICY, check=check)
    record = conductor.ledger.rollout("upgrade")
    assert record is not None
    assert record.state == "stopped"
    without = Policy.parse({"waves": ["100%"], "max_unavailable": 1, "exclude": ["h1"]})
    assert conductor.plan(part, without, check=check).order == ("h2", "h3")


def test_another_target_helps_a_host_that_is_left_on_a_bad_one(tmp_path: Path) -> None:
    """h1 was confirmed on the host and the answer was lost; then the target was found bad. It has no guard any more."""
    conductor = _start(tmp_path)
    _enter(conductor, "h1")
    with pytest.raises(FlotillaError):
        conductor.leave("h1", Left(Phase.UNREACHABLE, "confirm: no answer"))
    with conductor.ledger.write() as writer:
        writer.put_in_quarantine(NEW.digest, NEW.name, "elsewhere", "sick")
    left = Seen("h1", driver="ostree", booted=NEW, offer=NEW)
    for _run in range(2):
        with pytest.raises(Refused, match="is in quarantine"):
            conductor.plan(_fleet(h1=left), POLICY, check=False)
    newer = Version("c" * 64, "3")
    fleet = [Seen("h1", driver="ostree", booted=NEW, offer=newer)]
    fleet += [Seen(name, driver="ostree", booted=OLD, offer=newer) for name in ("h2", "h3")]
    assert conductor.plan(fleet, POLICY, check=False).order == ("h1", "h2", "h3")


def test_another_target_supersedes(tmp_path: Path) -> None:
    conductor = _start(tmp_path)
    newer = Version("c" * 64, "3")
    fleet = [Seen(one.host, driver="ostree", booted=OLD, offer=newer) for one in _fleet()]
    planned = conductor.plan(fleet, POLICY, check=False)
    assert not planned.resumed
    assert planned.document["waves"][0][0]["target"]["digest"] == newer.digest


def test_too_many_that_cannot_stage_stop_it(tmp_path: Path) -> None:
    conductor = _conductor(tmp_path)
    conductor.plan(_fleet(), POLICY, check=False)
    results: dict[str, Any] = {"h1": _is_staged(), "h2": {"failed": True, "msg": "it is not signed"}, "h3": None}
    with pytest.raises(
        FlotillaError, match="stopped before its first wave.*h2 failed: it is not signed.*no host was rebooted"
    ):
        conductor.staged(results)


def _drive(folder: Path, controller: str, worst: Any, fleet: list[Seen], policy: Policy) -> None:
    conductor = _conductor(folder, controller)
    conductor.plan(fleet, policy, check=False)
    for _round in range(60):
        record = conductor.ledger.rollout("upgrade")
        assert record is not None
        waiting = [one.host for one in record.hosts if one.phase is Phase.STAGED]
        if not waiting:
            return
        for host in waiting:
            with conductor.ledger.write() as writer:
                now = writer.rollout("upgrade")
                assert now is not None
                away = sum(one.phase in IN_FLIGHT for one in now.hosts)
                with worst.get_lock():
                    worst.value = max(worst.value, away)
            clock = Clock()
            try:
                conductor.enter(host, 600, clock, lambda _text: None)
            except FlotillaError:
                return
            time.sleep(0.01)
            try:
                conductor.leave(host, CONFIRMED)
            except FlotillaError:  # another one had it
                continue


def test_several_controllers_share_one_budget(tmp_path: Path) -> None:
    conductor = _conductor(tmp_path, "c0")
    fleet = [Seen(f"h{n}", driver="ostree", booted=OLD, offer=NEW) for n in range(12)]
    policy = Policy.parse({"waves": ["100%"], "max_unavailable": 2, "max_failures": 0})
    conductor.plan(fleet, policy, check=False)
    conductor.staged({one.host: _is_staged() for one in fleet})
    context = multiprocessing.get_context("fork")
    worst = context.Value("i", 0)
    drivers = [context.Process(target=_drive, args=(tmp_path, f"c{n}", worst, fleet, policy)) for n in (1, 2, 3)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join(60)
    assert worst.value <= 2
    assert set(_phases(conductor).values()) == {Phase.CONFIRMED}


def test_a_run_that_did_not_plan_gets_nowhere(tmp_path: Path) -> None:
    """Facts of an earlier run may be in a cache: another run's plan is no permission."""
    _start(tmp_path)
    stranger = _conductor(tmp_path, "c2")
    with pytest.raises(Refused, match="this run has not planned it"):
        _enter(stranger, "h1")
    with pytest.raises(Refused, match="this run has not planned it"):
        stranger.staged({"h1": _is_staged()})
    assert stranger.end() is None
    assert set(_phases(stranger).values()) == {Phase.STAGED}


def test_a_worker_that_outlived_its_run_is_let_nowhere(tmp_path: Path) -> None:
    _start(tmp_path)
    orphan = _conductor(tmp_path, dead=("c1",))
    with pytest.raises(FlotillaError, match="this run is dead; h1 was not touched"):
        _enter(orphan, "h1")
    assert _phases(orphan)["h1"] is Phase.STAGED


def test_joining_corrects_nothing(tmp_path: Path) -> None:
    """What the second run observed may be older than what the first one has recorded since."""
    first = _start(tmp_path)
    second = _conductor(tmp_path, "c2")
    planned = second.plan(_fleet(), POLICY, check=False)
    assert planned.note == "shared with c1"
    assert set(_phases(first).values()) == {Phase.STAGED}
    _enter(first, "h1")
    first.leave("h1", CONFIRMED)
    assert second.plan(_fleet(), POLICY, check=False).order == ("h2", "h3")
    assert _enter(second, "h1")["admitted"] is False
    assert _enter(second, "h2")["admitted"] is True


@pytest.mark.parametrize("what", ["target", "policy", "stopped"])
def test_joining_what_cannot_be_shared_is_refused(tmp_path: Path, what: str) -> None:
    first = _start(tmp_path)
    second = _conductor(tmp_path, "c2")
    newer = Version("c" * 64, "3")
    fleet = [Seen(one.host, driver="ostree", booted=OLD, offer=newer) for one in _fleet()]
    policy = Policy.parse({"waves": ["100%"], "max_unavailable": 3, "max_failures": 0})
    if what == "stopped":
        _enter(first, "h1")
        with pytest.raises(FlotillaError):
            first.leave("h1", Left(Phase.FAILED, "it broke"))
    with pytest.raises(Refused, match="c1"):
        second.plan(fleet if what == "target" else _fleet(), policy if what == "policy" else POLICY, check=False)
    record = first.ledger.rollout("upgrade")
    assert record is not None
    assert record.state == ("stopped" if what == "stopped" else "open")


def test_a_run_that_ends_leaves_the_rest_to_the_other(tmp_path: Path) -> None:
    first, second = _start(tmp_path), _conductor(tmp_path, "c2")
    second.plan(_fleet(), POLICY, check=False)
    record = second.end()
    assert record is not None
    assert record.state == "open"
    _enter(first, "h1")
    first.leave("h1", CONFIRMED)
    record = first.end()
    assert record is not None
    assert (record.state, record.why) == ("stopped", "its run has ended before every host had its turn")


def test_what_is_under_way_is_finished_first_and_that_is_said(tmp_path: Path) -> None:
    first = _start(tmp_path)
    _enter(first, "h1")
    second = _conductor(tmp_path, "c2", dead=("c1",))
    newer = Version("c" * 64, "3")
    fleet = [Seen(one.host, driver="ostree", booted=OLD, offer=newer) for one in _fleet()]
    fleet[0] = Seen("h1", driver="ostree", booted=NEW, offer=newer, on_trial=NEW.digest)
    planned = second.plan(fleet, POLICY, check=False)
    assert planned.note == "finishing what is under way; run again for what is asked for now"
    assert planned.document["waves"][0][0]["target"]["digest"] == NEW.digest


def test_a_host_that_may_not_go_stops_nobody_else(tmp_path: Path) -> None:
    conductor = _conductor(tmp_path)
    policy = Policy.parse({"waves": ["100%"], "max_unavailable": 2, "max_failures": 1})
    conductor.plan(_fleet(), policy, check=False)
    conductor.staged({"h1": {"failed": True, "msg": "no space"}, "h2": _is_staged(), "h3": _is_staged()})
    with pytest.raises(FlotillaError, match="h1 is failed, not staged: no space"):
        _enter(conductor, "h1")
    assert _enter(conductor, "h2")["admitted"] is True


def test_nothing_to_do_after_a_stopped_rollout_is_no_failure(tmp_path: Path) -> None:
    conductor = _start(tmp_path)
    _enter(conductor, "h1")
    with pytest.raises(FlotillaError):
        conductor.leave("h1", Left(Phase.FAILED, "it broke"))
    assert conductor.end() is not None
    back = [Seen(one.host, driver="ostree", booted=OLD, offer=OLD) for one in _fleet()]
    assert conductor.plan(back, POLICY, check=False).order == ()
    assert conductor.end() is None


def test_resumed_hosts_in_flight_come_first(tmp_path: Path) -> None:
    """With one worker, a host that waits for them would keep it from them."""
    policy = Policy.parse({"waves": ["100%"], "max_unavailable": 1, "max_failures": 0})
    first = _conductor(tmp_path)
    first.plan(_fleet(), policy, check=False)
    first.staged({name: _is_staged() for name in ("h1", "h2", "h3")})
    _enter(first, "h3")
    second = _conductor(tmp_path, "c2", dead=("c1",))
    on_trial = Seen("h3", driver="ostree", booted=NEW, offer=NEW, on_trial=NEW.digest)
    assert second.plan(_fleet(h3=on_trial), policy, check=False).order == ("h3", "h1", "h2")


def test_staged_by_another_run_after_it_was_observed(tmp_path: Path) -> None:
    _start(tmp_path)
    second = _conductor(tmp_path, "c2")
    second.plan(_fleet(), POLICY, check=False)  # observed before the first run had staged
    assert set(_phases(second).values()) == {Phase.STAGED}


def test_traces_of_a_released_digest_are_no_new_proof(tmp_path: Path) -> None:
    conductor = _start(tmp_path)
    _enter(conductor, "h1")
    with pytest.raises(FlotillaError):
        conductor.leave("h1", Left(Phase.ROLLED_BACK, "it panics", quarantine=True))
    conductor.end()
    with conductor.ledger.write() as writer:
        writer.release(NEW.digest, "me")
    traces = Seen("h1", driver="ostree", booted=OLD, offer=NEW, fell_back_from=NEW.digest, fallback_cause="boot_failed")
    assert conductor.plan(_fleet(h1=traces), POLICY, check=False).order[0] == "h1"
    assert conductor.ledger.quarantine() == {}


def test_a_stale_token_records_nothing(tmp_path: Path) -> None:
    """The same controller, by a turn that was given up and begun again."""
    conductor = _start(tmp_path)
    token = _enter(conductor, "h1")["token"]
    again = _enter(conductor, "h1")["token"]
    assert again == token + 1
    with pytest.raises(FlotillaError, match="cannot record that h1 is confirmed: lease 1 is over.*with lease 2"):
        conductor.leave("h1", CONFIRMED, token)
    assert _phases(conductor)["h1"] is Phase.GUARDED
    conductor.leave("h1", CONFIRMED, again)
    assert _phases(conductor)["h1"] is Phase.CONFIRMED


@pytest.mark.parametrize("phase", [Phase.CONFIRMED, Phase.FAILED])
def test_the_end_of_a_turn_may_be_told_twice(tmp_path: Path, phase: Phase) -> None:
    """The database may have taken it, and gone before it could say so."""
    conductor = _start(tmp_path)
    token = _enter(conductor, "h1")["token"]
    for _time in range(2):
        with nullcontext() if phase is Phase.CONFIRMED else pytest.raises(FlotillaError, match="failed: as it went"):
            conductor.leave("h1", Left(phase, "as it went"), token)
    record = conductor.ledger.rollout("upgrade")
    assert record is not None
    assert [row["phase"] for row in conductor.ledger.transitions(record.id) if row["host"] == "h1"].count(phase) == 1


def test_what_was_found_on_a_host_ends_the_lease_of_who_had_it(tmp_path: Path) -> None:
    first = _start(tmp_path)
    token = _enter(first, "h1")["token"]
    second = _conductor(tmp_path, "c2", dead=("c1",))
    second.plan(_fleet(h1=Seen("h1", driver="ostree", booted=NEW, offer=NEW, on_trial=NEW.digest)), POLICY, check=False)
    with pytest.raises(FlotillaError, match="lease 1 is over"):
        first.leave("h1", CONFIRMED, token)
    assert _phases(second)["h1"] is Phase.BOOTED


def test_no_answer_is_no_proof_and_counts_as_down(tmp_path: Path) -> None:
    """The controller is dead and its host silent: nobody gets its lease, and it is away until it has been seen."""
    first = _start(tmp_path)
    _enter(first, "h1")
    second = _conductor(tmp_path, "c2", dead=("c1",))
    second.plan(_fleet(h1=Seen("h1", trouble="no answer", reachable=False)), POLICY, check=False)
    record = second.ledger.rollout("upgrade")
    assert record is not None
    assert (record.hosts[0].phase, record.hosts[0].lease_until) == (Phase.UNREACHABLE, None)
    with pytest.raises(FlotillaError, match="h1 unreachable: not reachable: no answer"):
        _enter(second, "h2")
