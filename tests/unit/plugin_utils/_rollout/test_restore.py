# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gives the work back to a drained host, on a real ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from backends import ledger_url

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.gate import Answer, ask
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import SUPERSEDED, Ledger
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import Seen, Version
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.restore import Restorer
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.turn import Left

pytestmark = pytest.mark.usefixtures("backend")
OLD, NEW, NEWER = Version("a" * 64, "1"), Version("b" * 64, "2"), Version("c" * 64, "3")
POLICY = Policy.parse({"waves": ["100%"], "max_unavailable": 2, "max_failures": 1})
STAGED = {"host_state": {"staged": {"digest": NEW.digest}, "booted": {"digest": OLD.digest}}, "msg": "staged"}
CALM = {"host_state": {"guard": None}}


class Clock:
    def monotonic(self) -> float:
        return 0.0

    def time(self) -> float:
        return 0.0

    def sleep(self, seconds: float, /) -> None:
        raise AssertionError("nobody should have to wait")


def _run(path: Path, controller: str = "c1", dead: tuple[str, ...] = ()) -> Restorer:
    return Restorer(Ledger(ledger_url(path)), "upgrade", controller, lambda one: one in dead)


def _planned(path: Path, controller: str = "c1", offer: Version = NEW, dead: tuple[str, ...] = ()) -> Restorer:
    run = _run(path, controller, dead)
    fleet = [Seen(name, driver="ostree", booted=OLD, offer=offer) for name in ("h1", "h2")]
    run.plan(fleet, POLICY, check=False)
    return run


def _drained(path: Path) -> tuple[Restorer, int]:
    """Plan, stage, let h1 in and drain it; return the run and its token."""
    run = _planned(path)
    run.staged({"h1": STAGED, "h2": STAGED})
    turn = run.enter("h1", 600, Clock(), lambda _text: None)
    assert turn["saved"] is None
    run.save("h1", {})
    return run, int(turn["token"])


def _record(run: Restorer, host: str) -> Any:
    rollout = run.ledger.rollout("upgrade")
    assert rollout is not None
    return next(one for one in rollout.hosts if one.host == host)


def test_drained_with_nothing_to_be_remembered_is_drained_all_the_same(tmp_path: Path) -> None:
    run, token = _drained(tmp_path)
    assert run.left_drained() == ["h1"]
    answer = run.end_of_turn("h1", token)
    assert (answer["admitted"], answer["saved"]) == (True, {})
    run.restored("h1")
    assert run.left_drained() == []
    assert _record(run, "h1").controller == "c1"  # its turn goes on
    assert run.end_of_turn("h1", token)["why"] == "h1 was not drained"


def test_nothing_is_recorded_of_a_host_that_is_not_in_our_hands(tmp_path: Path) -> None:
    run, _token = _drained(tmp_path)
    with pytest.raises(FlotillaError, match="h2 was not let through the gate"):
        run.save("h2", {})
    with pytest.raises(FlotillaError, match="it is in the hands of another run"):
        _run(tmp_path, "c2").restored("h1")
    assert run.left_drained() == ["h1"]


def test_turn_that_was_taken_over_ends_without_giving_back(tmp_path: Path) -> None:
    run, token = _drained(tmp_path)
    heir = _planned(tmp_path, "c2", dead=("c1",))
    heir.staged({"h1": STAGED, "h2": STAGED})
    heir.enter("h1", 600, Clock(), lambda _text: None)
    assert "lease 1 of h1 is over" in run.end_of_turn("h1", token)["why"]
    assert not run.claim("h1", CALM)["admitted"]
    assert run.left_drained() == ["h1"]


@pytest.mark.parametrize(
    ("observed", "why"),
    [
        ({}, "h1 stays drained: it could not be observed"),
        ({"unreachable": True, "msg": "no route"}, "h1 stays drained: it could not be observed"),
        ({"host_state": {"guard": {"target": "x"}}}, "h1 stays drained: its guard is armed"),
    ],
)
def test_host_that_may_be_about_to_go_down_stays_drained(tmp_path: Path, observed: Any, why: str) -> None:
    _drained(tmp_path)
    answer = _run(tmp_path, "c2", dead=("c1",)).claim("h1", observed)
    assert not answer["admitted"]
    assert answer["why"].startswith(why)


def test_dead_run_s_host_is_given_back_by_exactly_one(tmp_path: Path) -> None:
    _drained(tmp_path)
    second, third = _run(tmp_path, "c2", dead=("c1",)), _run(tmp_path, "c3", dead=("c1",))
    assert second.claim("h1", CALM)["admitted"]
    assert third.claim("h1", CALM)["why"] == "h1 is in the hands of c2"
    second.restored("h1")
    assert third.claim("h1", CALM)["why"] == "h1 was not left drained"
    assert third.claim("h9", CALM)["why"] == "h9 was not left drained"


def test_host_in_living_hands_is_let_alone(tmp_path: Path) -> None:
    _drained(tmp_path)
    assert _run(tmp_path, "c2").claim("h1", CALM)["why"] == "h1 is in the hands of c1"


def test_nobody_is_let_in_while_the_work_is_given_back(tmp_path: Path) -> None:
    run, token = _drained(tmp_path)
    with pytest.raises(FlotillaError):
        run.leave("h1", Left(Phase.FAILED, "the hook failed"), token)
    again = _planned(tmp_path, "c2", dead=("c1",))
    again.staged({"h1": STAGED, "h2": STAGED})
    other = _run(tmp_path, "c3", dead=("c1",))
    assert other.claim("h1", CALM)["admitted"]
    rollout = again.ledger.rollout("upgrade")
    assert rollout is not None
    with again.ledger.write() as writer:
        verdict = ask(rollout, "h1", writer.now, again.gone, "c2")
    assert (verdict.answer, verdict.moving) == (Answer.WAIT, True)
    assert verdict.why == "c3 gives its work back to h1 first"
    other.restored("h1")
    assert _record(again, "h1").controller is None
    assert again.enter("h1", 600, Clock(), lambda _text: None)["admitted"]


def test_record_goes_with_the_host_into_a_new_rollout(tmp_path: Path) -> None:
    run, token = _drained(tmp_path)
    run.save("h1", {"weight": 7})
    with pytest.raises(FlotillaError):
        run.leave("h1", Left(Phase.FAILED, "the hook failed"), token)
    first = run.ledger.rollout("upgrade")
    assert first is not None
    with run.ledger.write() as writer:
        writer.set_state(first.id, SUPERSEDED, "another target")
    heir = _planned(tmp_path, "c2", offer=NEWER, dead=("c1",))
    assert heir.left_drained() == ["h1"]
    heir.staged(
        {
            host: {"host_state": {"staged": {"digest": NEWER.digest}, "booted": {"digest": OLD.digest}}}
            for host in ("h1", "h2")
        }
    )
    assert heir.enter("h1", 600, Clock(), lambda _text: None)["saved"] == {"weight": 7}
