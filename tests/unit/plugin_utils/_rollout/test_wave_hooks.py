# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hooks of waves are due: the pure part."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.gate import Answer, Verdict
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.record import (
    OPEN,
    STOPPED,
    HostRecord,
    RolloutRecord,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.wave_hooks import (
    Asker,
    Due,
    Side,
    WaveRecord,
    WaveState,
    first,
    is_over,
    left_behind,
)

NOW = 1000
GO = Verdict(Answer.GO, "wave 2 is open")
WAIT = Verdict(Answer.WAIT, "wave 2 waits")


def _rollout(state: str = OPEN, number: int = 7, **phases: Phase) -> RolloutRecord:
    """Return a rollout of h1 (wave 1), h2 and h3 (wave 2); what is in flight is in the hands of c2."""
    hosts = tuple(
        HostRecord(host, wave, position, "b", phases.get(host, default), None, "c2", 1, NOW + 60, None, None)
        for position, (host, wave, default) in enumerate(
            [("h1", 1, Phase.CONFIRMED), ("h2", 2, Phase.STAGED), ("h3", 2, Phase.STAGED)]
        )
    )
    return RolloutRecord(number, "upgrade", state, None, {}, 0, None, hosts)


def _wave(wave: int, state: WaveState, **values: Any) -> WaveRecord:
    running = state in (WaveState.PREPARING, WaveState.RESTORING)
    base = {"rollout_id": 7, "why": None, "controller": "c2", "token": 1, "saved": {}}
    return WaveRecord(**{**base, "wave": wave, "state": state, "lease_until": NOW + 9 if running else None, **values})


def _asker(controller: str = "c1", dead: str = "", parts: str = "c1 c2", now: int = NOW) -> Asker:
    return Asker(controller, now, lambda one: one == dead, lambda one: one in parts.split())


def test_wave_is_prepared_when_one_of_its_hosts_may_go() -> None:
    prepare = Due(Side.PREPARE, 7, 2)
    assert first([], _rollout(), "h2", GO, _asker()) == prepare
    assert first([], _rollout(), "h2", WAIT, _asker()) == WAIT
    assert first([_wave(2, WaveState.PREPARED)], _rollout(), "h2", GO, _asker()) == GO


@pytest.mark.parametrize("answer", [Answer.STOP, Answer.DONE])
def test_no_hook_in_a_rollout_that_was_stopped_or_for_a_host_that_is_done(answer: Answer) -> None:
    verdict = Verdict(answer, "no")
    assert first([_wave(1, WaveState.PREPARED)], _rollout(), "h2", verdict, _asker()) == verdict


def test_host_of_no_wave_has_no_hook() -> None:
    refused = Verdict(Answer.REFUSE, "h9 is not in the plan")
    assert first([_wave(1, WaveState.PREPARED)], _rollout(), "h9", refused, _asker()) == refused


@pytest.mark.parametrize("state", [WaveState.PREPARING, WaveState.RESTORING])
@pytest.mark.parametrize("who", ["c1", "c2"])
def test_hook_in_somebody_s_hands_is_waited_for(state: WaveState, who: str) -> None:
    """Another host of the same run is somebody, too."""
    found = first([_wave(2, state, controller=who)], _rollout(), "h2", GO, _asker())
    assert isinstance(found, Verdict)
    assert (found.answer, found.moving) == (Answer.WAIT, True)


@pytest.mark.parametrize("state", [WaveState.PREPARING, WaveState.RESTORING])
@pytest.mark.parametrize("asker", [_asker(dead="c2"), _asker(now=NOW + 10)], ids=["dead", "lease over"])
def test_hook_of_a_dead_run_is_run_again(state: WaveState, asker: Asker) -> None:
    assert first([_wave(2, state)], _rollout(), "h2", GO, asker) == Due(Side.PREPARE, 7, 2)


def test_failed_hook_stops_those_who_were_there_and_is_tried_again_by_the_next() -> None:
    failed = _wave(2, WaveState.FAILED, why="cannot prepare wave 2: no")
    for asker in (_asker(), _asker("c2")):
        assert first([failed], _rollout(), "h2", GO, asker) == Verdict(Answer.STOP, "cannot prepare wave 2: no")
    assert first([failed], _rollout(), "h2", GO, _asker(parts="c1")) == Due(Side.PREPARE, 7, 2)


@pytest.mark.parametrize("verdict", [GO, WAIT, Verdict(Answer.REFUSE, "outside of its window")])
def test_wave_that_is_over_is_given_back_first(verdict: Verdict) -> None:
    restore = Due(Side.RESTORE, 7, 1)
    assert first([_wave(1, WaveState.PREPARED)], _rollout(), "h2", verdict, _asker()) == restore
    # Nothing was recorded before its run died: nothing was changed.
    assert first([_wave(1, WaveState.PREPARED, saved=None)], _rollout(), "h2", verdict, _asker()) in (
        verdict,
        Due(Side.PREPARE, 7, 2),
    )


def test_failed_way_back_holds_the_next_wave() -> None:
    failed = _wave(1, WaveState.FAILED, why="cannot give back wave 1: no")
    assert first([failed], _rollout(), "h2", GO, _asker()) == Verdict(Answer.STOP, "cannot give back wave 1: no")


def test_who_waits_for_a_wave_that_is_being_prepared_waits_for_something_that_moves() -> None:
    found = first([_wave(1, WaveState.PREPARING)], _rollout(h1=Phase.STAGED), "h2", WAIT, _asker())
    assert found == Verdict(Answer.WAIT, "wave 2 waits", moving=True)


def test_what_an_older_rollout_prepared_is_given_back_before_anything_is_looked_at() -> None:
    older = _wave(2, WaveState.PREPARED, rollout_id=6)
    assert first([older], _rollout(h1=Phase.STAGED), "h1", GO, _asker()) == Due(Side.RESTORE, 6, 2)


@pytest.mark.parametrize(("others", "restores"), [(Phase.STAGED, True), (Phase.RECALLED, False), (Phase.BOOTED, False)])
def test_on_the_way_back_a_wave_that_nobody_moves_in_is_given_back_first(others: Phase, restores: bool) -> None:
    """Also a later one: it was prepared last."""
    rollout = _rollout(STOPPED, h1=Phase.RECALLED, h2=Phase.ROLLED_BACK, h3=others)
    due = Due(Side.RESTORE, 7, 2) if restores else Due(Side.PREPARE, 7, 1)
    assert first([_wave(2, WaveState.PREPARED)], rollout, "h1", GO, _asker()) == due


@pytest.mark.parametrize(
    ("phases", "over"),
    [
        ({}, True),
        ({"h1": Phase.FAILED}, True),
        ({"h1": Phase.STAGED}, False),
        ({"h1": Phase.BOOTED}, False),
        ({"h1": Phase.RECALLED}, False),
    ],
)
def test_wave_is_over_when_all_its_hosts_are_confirmed_or_failed(phases: dict[str, Phase], over: bool) -> None:
    assert is_over(_rollout(**phases), 1) is over


def _left(*kept: WaveRecord, others: bool = False, rollout: RolloutRecord | None = None) -> list[int]:
    return [one.wave for one in left_behind(kept, rollout or _rollout(), _asker(), others)]


def test_run_that_ends_gives_back_what_was_prepared() -> None:
    assert _left(_wave(1, WaveState.PREPARED), _wave(2, WaveState.FAILED)) == [1, 2]
    assert _left(_wave(2, WaveState.FAILED, saved=None)) == []
    # Its own hook that never said how it ended: nobody of this run works on it any more.
    assert _left(_wave(2, WaveState.PREPARING, controller="c1")) == [2]


def test_run_that_ends_leaves_to_others_what_they_have_in_hand() -> None:
    assert _left(_wave(2, WaveState.PREPARING)) == []
    flying = _rollout(STOPPED, h2=Phase.BOOTED)
    assert _left(_wave(2, WaveState.PREPARED), rollout=flying) == []


def test_run_that_ends_leaves_a_wave_to_others_that_go_on_with_it() -> None:
    prepared = _wave(2, WaveState.PREPARED)
    assert _left(prepared, others=True) == []
    assert _left(prepared, others=True, rollout=_rollout(STOPPED)) == [2]
    assert _left(_wave(1, WaveState.PREPARED), others=True) == [1]
    assert _left(prepared, others=True, rollout=_rollout(number=8)) == [2]
