# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs the hooks of a wave, on a real ledger: one at a time, also when runs die."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from backends import ledger_url
from clock import Clock

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.conduct import Conductor
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import Seen, Version
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.turn import Left
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.wave_keeper import WaveKeeper

pytestmark = pytest.mark.usefixtures("backend")
OLD, NEW, NEWER = Version("a" * 64, "1"), Version("b" * 64, "2"), Version("c" * 64, "3")
POLICY = Policy.parse({"waves": [1, "100%"], "max_unavailable": 1, "max_failures": 0})
GOOD = Left(Phase.CONFIRMED, "confirmed")


def _keeper(path: Path, controller: str = "c1", dead: tuple[str, ...] = ()) -> WaveKeeper:
    return WaveKeeper(Ledger(ledger_url(path)), "upgrade", controller, lambda one: one in dead)


def _planned(path: Path, controller: str = "c1", dead: tuple[str, ...] = (), offer: Version = NEW) -> Conductor:
    run = Conductor(Ledger(ledger_url(path)), "upgrade", controller, lambda one: one in dead)
    fleet = [Seen(name, driver="ostree", booted=OLD, offer=offer) for name in ("h1", "h2")]
    run.plan(fleet, POLICY, check=False)
    staged = {"host_state": {"staged": {"digest": offer.digest}, "booted": {"digest": OLD.digest}}, "msg": "staged"}
    run.staged({"h1": staged, "h2": staged})
    return run


def _enter(run: Conductor, host: str, hook_lease: int = 60) -> dict[str, Any]:
    return run.enter(host, 600, Clock(), lambda _text: None, hook_lease=hook_lease)


def _next(run: Conductor, host: str) -> Any:
    """Return what the gate says at once: the answer, or None for a wait."""
    asking = run.entering(host, 600, Clock(), lambda _text: None, hook_lease=60)
    try:
        next(asking)
    except StopIteration as end:
        return end.value
    return None


def _prepare(path: Path, run: Conductor, host: str, saved: dict[str, Any]) -> None:
    hook = _enter(run, host)["hook"]
    keeper = _keeper(path, run.controller)
    keeper.saved(hook["id"], hook["wave"], hook["token"], saved)
    keeper.prepared(hook["id"], hook["wave"], hook["token"])


def _turn(run: Conductor, host: str) -> None:
    run.leave(host, GOOD, _enter(run, host)["token"])


def test_whole_way_of_two_waves(tmp_path: Path) -> None:
    run, keeper = _planned(tmp_path), _keeper(tmp_path)
    asked = _enter(run, "h1")
    assert not asked["admitted"]
    assert asked["why"] == "wave 1 is to be prepared first"
    hook = asked["hook"]
    assert (hook["side"], hook["wave"], hook["hosts"], hook["saved"]) == ("prepare", 1, ["h1"], None)
    assert _next(run, "h1") is None  # somebody runs it
    keeper.saved(hook["id"], 1, hook["token"], {"weight": 7})
    keeper.prepared(hook["id"], 1, hook["token"])
    _turn(run, "h1")
    back = _enter(run, "h2")["hook"]
    assert (back["side"], back["wave"], back["saved"]) == ("restore", 1, {"weight": 7})
    assert _next(run, "h2") is None
    keeper.restored(back["id"], 1, back["token"])
    _prepare(tmp_path, run, "h2", {})
    _turn(run, "h2")
    assert [(one.wave, hosts) for one, hosts in keeper.left()] == [(2, ["h2"])]
    last = keeper.claim(back["id"], 2, 60)
    assert last is not None
    keeper.restored(last["id"], 2, last["token"])
    assert keeper.left() == []
    assert keeper.claim(back["id"], 2, 60) is None


def test_without_hooks_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _planned(tmp_path)
    asked: list[str] = []
    engine = run.ledger._database._engine
    sa.event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    assert _enter(run, "h1", hook_lease=0)["admitted"]
    assert asked
    assert not [one for one in asked if "wave_hooks" in one]


def test_two_runs_get_one_hook(tmp_path: Path) -> None:
    first, second = _planned(tmp_path), _planned(tmp_path, "c2")
    assert "hook" in _enter(first, "h1")
    assert _next(second, "h1") is None
    assert _next(second, "h2") is None


def test_hook_of_a_dead_run_is_handed_on_with_what_it_saw(tmp_path: Path) -> None:
    hook = _enter(_planned(tmp_path), "h1")["hook"]
    dead = _keeper(tmp_path)
    dead.saved(hook["id"], 1, hook["token"], {"weight": 7})
    heir = _planned(tmp_path, "c2", dead=("c1",))
    again = _enter(heir, "h1")["hook"]
    assert (again["side"], again["saved"]) == ("prepare", {"weight": 7})
    with pytest.raises(FlotillaError, match="cannot go on with the hooks of wave 1: lease 1 was taken over by c2"):
        dead.prepared(hook["id"], 1, hook["token"])


def test_failed_hook_stops_the_rollout_and_the_next_run_tries_again(tmp_path: Path) -> None:
    run, keeper = _planned(tmp_path), _keeper(tmp_path)
    hook = _enter(run, "h1")["hook"]
    said = keeper.failed(hook["id"], 1, hook["token"], "the scheduler\nis away")
    assert said == "cannot prepare wave 1: the scheduler is away"
    assert keeper.failed(hook["id"], 1, hook["token"], "said twice") == said
    with pytest.raises(FlotillaError, match="cannot prepare wave 1: the scheduler is away; h1 was not touched"):
        _enter(run, "h1")
    assert keeper.left() == []  # nothing was changed
    run.end()
    again = _planned(tmp_path, "c2")
    assert _enter(again, "h1")["hook"]["side"] == "prepare"


def test_what_a_dead_run_prepared_is_given_back_before_a_newer_rollout_looks(tmp_path: Path) -> None:
    run = _planned(tmp_path)
    _prepare(tmp_path, run, "h1", {"weight": 7})
    heir = _planned(tmp_path, "c2", dead=("c1",), offer=NEWER)
    hook = _enter(heir, "h1")["hook"]
    newest = heir.ledger.rollout("upgrade")
    assert newest is not None
    assert (hook["side"], hook["saved"], hook["id"] < newest.id) == ("restore", {"weight": 7}, True)
    _keeper(tmp_path, "c2").restored(hook["id"], 1, hook["token"])
    assert _enter(heir, "h1")["hook"]["side"] == "prepare"


def test_wave_that_was_given_back_halfway_is_prepared_again(tmp_path: Path) -> None:
    run = _planned(tmp_path)
    _prepare(tmp_path, run, "h1", {"weight": 7})
    keeper = _keeper(tmp_path)
    [(one, _hosts)] = keeper.left()
    hook = keeper.claim(one.rollout_id, 1, 60)
    assert hook is not None
    keeper.restored(one.rollout_id, 1, hook["token"])
    run.end()
    again = _enter(_planned(tmp_path, "c2"), "h1")["hook"]
    assert (again["side"], again["saved"]) == ("prepare", None)
    assert again["token"] > hook["token"]


def test_nothing_is_left_of_a_rollout_that_never_was(tmp_path: Path) -> None:
    assert _keeper(tmp_path).left() == []
