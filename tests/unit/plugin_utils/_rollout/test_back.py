# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of confirmed hosts: who must go, when they may, what proves that they are back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from clock import Clock

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout import back
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.back import (
    OnFailure,
    WayBack,
    ask_back,
    recalled,
    returned,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.conduct import Conductor
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.gate import Answer, Verdict
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import (
    HostRecord,
    Ledger,
    RolloutRecord,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import Seen, Version
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.restore import Restorer
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.turn import Left

OLD, NEW = Version("a" * 64, "1"), Version("b" * 64, "2")
FLEET = [Seen(name, driver="ostree", booted=OLD, offer=NEW) for name in ("h1", "h2", "h3")]
BACK = {"host_state": {"booted": {"digest": OLD.digest}}, "msg": "rolled back to 1"}
HEALTHY = {"verdict": {"healthy": True}, "msg": "healthy"}


def _host(name: str, wave: int, phase: Phase, entered: int | None = 1, controller: str | None = None) -> HostRecord:
    return HostRecord(name, wave, 0, NEW.digest, phase, "why", controller, 1, 100, entered, None)


def _rollout(*hosts: HostRecord, state: str = "stopped", unavailable: int = 1, failures: int = 0) -> RolloutRecord:
    plan = {"max_unavailable": unavailable, "max_failures": failures}
    return RolloutRecord(1, "upgrade", state, "why", plan, 0, None, hosts)


FAILED_IN_2 = (
    _host("h1", 1, Phase.CONFIRMED),
    _host("h2", 2, Phase.CONFIRMED),
    _host("h3", 2, Phase.ROLLED_BACK),
    _host("h4", 3, Phase.STAGED, entered=None),
)


@pytest.mark.parametrize(
    ("on_failure", "rollout", "hosts"),
    [
        ("stop", _rollout(*FAILED_IN_2), []),
        ("rollback_host", _rollout(*FAILED_IN_2), []),
        ("rollback_wave", _rollout(*FAILED_IN_2), ["h2"]),
        ("rollback_all", _rollout(*FAILED_IN_2), ["h1", "h2"]),
        ("rollback_all", _rollout(*FAILED_IN_2, failures=1), []),
        ("rollback_all", _rollout(*FAILED_IN_2, state="halted"), []),
        ("rollback_all", _rollout(*FAILED_IN_2, state="paused"), []),
        ("rollback_all", _rollout(FAILED_IN_2[0], _host("h2", 2, Phase.FAILED, entered=None)), []),
    ],
)
def test_who_must_go_back(on_failure: str, rollout: RolloutRecord, hosts: list[str]) -> None:
    assert [one.host for one in recalled(rollout, OnFailure(on_failure))] == hosts


@pytest.mark.parametrize(
    ("me", "others", "state", "answer"),
    [
        (Phase.RECALLED, [], "stopped", Answer.GO),
        (Phase.RECALLED, [Phase.RECALLED, Phase.ROLLED_BACK], "stopped", Answer.GO),
        (Phase.RECALLED, [Phase.RETURNING], "stopped", Answer.WAIT),
        (Phase.RECALLED, [Phase.BOOTED], "stopped", Answer.WAIT),
        (Phase.RECALLED, [Phase.UNREACHABLE], "stopped", Answer.STOP),
        (Phase.RECALLED, [], "halted", Answer.STOP),
        (Phase.RECALLED, [], "paused", Answer.WAIT),
        (Phase.RETURNING, [], "stopped", Answer.WAIT),  # another controller has it
        (Phase.ROLLED_BACK, [], "stopped", Answer.DONE),
        (Phase.CONFIRMED, [], "stopped", Answer.REFUSE),
    ],
)
def test_when_they_may_go(me: Phase, others: list[Phase], state: str, answer: Answer) -> None:
    hosts = [_host("h0", 1, me, controller="c2")]
    hosts += [_host(f"h{number}", 1, phase, controller="c2") for number, phase in enumerate(others, 1)]
    rollout = _rollout(*hosts, state=state)
    assert ask_back(rollout, "h0", 50, lambda _one: False, "c1").answer is answer


@pytest.mark.parametrize(
    ("results", "phase"),
    [
        ({"rollback": BACK, "verdict": HEALTHY}, Phase.ROLLED_BACK),
        ({"rollback": BACK}, Phase.FAILED),
        ({"rollback": BACK, "verdict": {"unreachable": True, "msg": "no route"}}, Phase.UNREACHABLE),
        ({"rollback": BACK, "verdict": {"failed": True, "verdict": {"healthy": False}}}, Phase.FAILED),
        ({"rollback": {"failed": True, "phase": "unreachable"}}, Phase.UNREACHABLE),
        ({"rollback": {**BACK, "host_state": {"booted": {"digest": NEW.digest}}}, "verdict": HEALTHY}, Phase.FAILED),
        ({"verdict": HEALTHY}, Phase.FAILED),
        ({}, Phase.FAILED),
    ],
)
def test_what_proves_that_they_are_back(results: dict[str, Any], phase: Phase) -> None:
    assert returned(results, OLD.digest).phase is phase


def _failed_after(path: Path, *confirmed: str) -> WayBack:
    """A rollout in which all of `confirmed` were confirmed before h3 failed."""
    way = WayBack(Ledger(f"sqlite:///{path}/ledger.sqlite"), "upgrade", "c1", lambda one: one == "dead")
    way.plan(FLEET, Policy.parse({"waves": [2, 1], "max_unavailable": 1, "max_failures": 0}), check=False)
    way.staged({one.host: {"host_state": {"staged": {"digest": NEW.digest}}, "msg": "staged"} for one in FLEET})
    for host in (*confirmed, "h3"):
        Conductor(way.ledger, way.name, way.controller, way.gone).enter(host, 600, Clock(), lambda _text: None)
        if host != "h3":
            way.leave(host, Left(Phase.CONFIRMED, "confirmed"))
    with pytest.raises(FlotillaError, match="h3 rolled back"):
        way.leave("h3", Left(Phase.ROLLED_BACK, "it panics", quarantine=True))
    return way


def _phases(way: WayBack) -> list[str]:
    record = way.ledger.rollout("upgrade")
    assert record is not None
    return [one.phase.value for one in record.hosts]


def test_whole_way_back(tmp_path: Path) -> None:
    way = _failed_after(tmp_path, "h1", "h2")
    assert way.recall(OnFailure.ROLLBACK_ALL) == {"h1": OLD.digest, "h2": OLD.digest}
    assert _phases(way) == ["recalled", "recalled", "rolled_back"]
    assert way.enter("h1", 600, Clock(), lambda _text: None)["admitted"] is True
    assert way.back("h1", {"rollback": BACK, "verdict": HEALTHY}).phase is Phase.ROLLED_BACK
    assert way.enter("h1", 600, Clock(), lambda _text: None)["admitted"] is False
    way.enter("h2", 600, Clock(), lambda _text: None)
    with pytest.raises(FlotillaError, match="h2 failed"):
        way.back("h2", {"rollback": {"failed": True, "msg": "no"}})
    assert _phases(way) == ["rolled_back", "failed", "rolled_back"]


def test_cut_off_way_back_is_taken_up_before_all_else(tmp_path: Path) -> None:
    way = _failed_after(tmp_path, "h1", "h2")
    way.recall(OnFailure.ROLLBACK_ALL)
    way.enter("h1", 600, Clock(), lambda _text: None)
    alive = WayBack(way.ledger, "upgrade", "c2", lambda _one: False)
    policy = Policy.parse({"waves": ["100%"], "max_unavailable": 3, "max_failures": 0})
    with pytest.raises(Refused, match="c1 is bringing hosts back"):
        alive.plan(FLEET, policy, check=False)
    heir = WayBack(way.ledger, "upgrade", "c2", lambda one: one == "c1")
    planned = heir.plan(FLEET, policy, check=False)
    assert planned.order == ()
    assert planned.note is not None
    assert planned.note.startswith("bringing back h1, h2")
    assert _phases(heir) == ["recalled", "recalled", "rolled_back"]
    assert set(heir.recall(OnFailure.STOP)) == {"h1", "h2"}
    with pytest.raises(FlotillaError, match="not let through"):
        way.back("h1", {"rollback": BACK, "verdict": HEALTHY})


def test_a_run_that_planned_nothing_recalls_nobody(tmp_path: Path) -> None:
    way = _failed_after(tmp_path, "h1", "h2")
    stranger = WayBack(way.ledger, "upgrade", "c9", lambda _one: False)
    assert stranger.recall(OnFailure.ROLLBACK_ALL) == {}


def _restorer(way: WayBack) -> Restorer:
    return Restorer(way.ledger, way.name, way.controller, way.gone)


def test_what_was_saved_is_known_to_the_next_turn(tmp_path: Path) -> None:
    way = _failed_after(tmp_path, "h1", "h2")
    way.recall(OnFailure.ROLLBACK_ALL)
    with pytest.raises(FlotillaError, match="not let through"):
        _restorer(way).save("h1", {"weight": 7})
    assert way.enter("h1", 600, Clock(), lambda _text: None)["saved"] is None
    _restorer(way).save("h1", {"weight": 7})
    heir = WayBack(way.ledger, "upgrade", "c2", lambda one: one == "c1")
    heir.plan(FLEET, Policy.parse({"waves": [2, 1], "max_unavailable": 1, "max_failures": 0}), check=False)
    assert heir.enter("h1", 600, Clock(), lambda _text: None)["saved"] == {"weight": 7}
    _restorer(heir).restored("h1")
    heir.back("h1", {"rollback": BACK, "verdict": HEALTHY})
    with heir.ledger.write() as writer:
        record = writer.rollout("upgrade")
        assert record is not None
        assert writer.saved(record.id, "h1") is None


POLICY = Policy.parse({"waves": [2, 1], "max_unavailable": 1, "max_failures": 0})


@pytest.mark.parametrize(
    ("again", "phase", "admitted"),
    [
        (Seen("h3", driver="ostree", booted=OLD, staged=NEW, offer=NEW), "staged", True),
        (Seen("h3", driver="ostree", booted=NEW, offer=NEW), "staged", True),
        (Seen("h3", trouble="no route", reachable=False), "unreachable", False),
        (Seen("h3", driver="ostree", booted=NEW, offer=NEW, on_trial=NEW.digest), "unreachable", False),
    ],
    ids=["up again", "runs the target, unjudged", "still lost", "on trial"],
)
def test_a_host_that_is_up_again_is_not_in_the_way(tmp_path: Path, again: Seen, phase: str, admitted: bool) -> None:
    way = _failed_after(tmp_path, "h1", "h2")
    with way.ledger.write() as writer:
        rollout = writer.rollout("upgrade")
        assert rollout is not None
        for step in (Phase.STAGED, Phase.UNREACHABLE):
            writer.move(rollout, "h3", step, "no answer", "c1")
            rollout = writer.rollout("upgrade")
            assert rollout is not None
    way.recall(OnFailure.ROLLBACK_ALL)
    with pytest.raises(FlotillaError, match="max_unavailable is 1: h3"):
        way.enter("h1", 600, Clock(), lambda _text: None)
    way.plan([*FLEET[:2], again], POLICY, check=True)
    assert _phases(way) == ["recalled", "recalled", "unreachable"]
    way.plan([*FLEET[:2], again], POLICY, check=False)
    assert _phases(way) == ["recalled", "recalled", phase]
    if admitted:
        assert way.enter("h1", 600, Clock(), lambda _text: None)["admitted"] is True
    else:
        with pytest.raises(FlotillaError, match="max_unavailable is 1: h3"):
            way.enter("h1", 600, Clock(), lambda _text: None)


def _answering(monkeypatch: pytest.MonkeyPatch, *verdicts: Verdict) -> None:
    """The gate gives these answers, one after the other, and then the real ones."""
    left, real = list(verdicts), back.ask_back
    monkeypatch.setattr(back, "ask_back", lambda *what: left.pop(0) if left else real(*what))


def test_a_wait_in_which_nothing_moves_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    way = _failed_after(tmp_path, "h1", "h2")
    way.recall(OnFailure.ROLLBACK_ALL)
    _answering(monkeypatch, *[Verdict(Answer.WAIT, "nobody has h2 in hand")] * 100)
    with pytest.raises(FlotillaError, match=r"nobody has h2 in hand \(nothing has moved for 120 s\)"):
        way.enter("h1", 600, Clock(), lambda _text: None)


def test_only_the_pause_counts_against_the_patience_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    way = _failed_after(tmp_path, "h1", "h2")
    way.recall(OnFailure.ROLLBACK_ALL)
    busy, paused = Verdict(Answer.WAIT, "h2 goes", moving=True), Verdict(Answer.WAIT, "paused", True, paused=True)
    _answering(monkeypatch, *[busy] * 100, paused, paused)
    said: list[str] = []
    assert way.enter("h1", 600, Clock(), said.append, pause_timeout=10)["admitted"] is True
    assert said[-1] == "waiting: paused"
    way.back("h1", {"rollback": BACK, "verdict": HEALTHY})
    _answering(monkeypatch, *[paused] * 100)
    with pytest.raises(FlotillaError, match="paused; h2 waited 10 s"):
        way.enter("h2", 600, Clock(), lambda _text: None, pause_timeout=10)
