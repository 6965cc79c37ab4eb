# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate, situation by situation, and over random histories."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import BAD, IN_FLIGHT, Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.gate import Answer, ask
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import HostRecord, RolloutRecord

NOW = 1_000_000
ALIVE, DEAD = "here:1:1", "here:2:2"


def _host(name: str, wave: int, phase: Phase, controller: str | None = None, lease: int = 60) -> HostRecord:
    flying = phase in IN_FLIGHT
    return HostRecord(
        host=name,
        wave=wave,
        position=0,
        target="d",
        phase=phase,
        why="because",
        controller=(controller or ALIVE) if flying else None,
        token=1,
        lease_until=NOW + lease if flying else None,
        entered_at=None,
        left_at=None,
    )


def _rollout(*hosts: HostRecord, unavailable: int = 1, failures: int = 0, state: str = "open") -> RolloutRecord:
    plan = {"max_unavailable": unavailable, "max_failures": failures}
    return RolloutRecord(1, "upgrade", state, "why it stopped", plan, NOW, None, hosts)


def _ask(rollout: RolloutRecord, host: str) -> Answer:
    return ask(rollout, host, NOW, lambda controller: controller == DEAD).answer


S, G, B, C = Phase.STAGED, Phase.GUARDED, Phase.BOOTED, Phase.CONFIRMED


@pytest.mark.parametrize(
    ("hosts", "options", "expected"),
    [
        pytest.param([("b", 1, S)], {}, Answer.GO, id="canary"),
        pytest.param([("a", 1, C), ("b", 2, S)], {}, Answer.GO, id="wave before is confirmed"),
        pytest.param([("a", 1, S), ("b", 2, S)], {}, Answer.WAIT, id="wave before has not begun"),
        pytest.param([("a", 1, B), ("b", 2, S)], {"unavailable": 5}, Answer.WAIT, id="wave before is under way"),
        pytest.param([("a", 1, Phase.STEADY), ("b", 2, S)], {}, Answer.WAIT, id="wave before is not staged"),
        pytest.param([("a", 1, Phase.ROLLED_BACK), ("b", 2, S)], {}, Answer.STOP, id="a failure too many"),
        pytest.param([("a", 1, Phase.UNREACHABLE), ("b", 2, S)], {}, Answer.STOP, id="a host that vanished"),
        pytest.param(
            [("a", 1, Phase.ROLLED_BACK), ("c", 1, C), ("b", 2, S)],
            {"failures": 1},
            Answer.GO,
            id="counted, within budget",
        ),
        pytest.param(
            [("a", 1, Phase.ROLLED_BACK), ("b", 2, S)], {"failures": 1}, Answer.STOP, id="no canary proves the target"
        ),
        pytest.param(
            [("a", 1, Phase.UNREACHABLE), ("b", 2, S)], {"failures": 1}, Answer.STOP, id="nobody else may be away"
        ),
        pytest.param(
            [("a", 1, Phase.UNREACHABLE), ("c", 1, C), ("b", 2, S)],
            {"failures": 1, "unavailable": 2},
            Answer.GO,
            id="one more may be away",
        ),
        pytest.param([("a", 1, G), ("b", 1, S)], {}, Answer.WAIT, id="budget is used by one in flight"),
        pytest.param([("a", 1, G), ("b", 1, S)], {"unavailable": 2}, Answer.GO, id="budget has room"),
        pytest.param([("b", 1, C)], {}, Answer.DONE, id="confirmed already"),
        pytest.param([("b", 1, Phase.STEADY)], {}, Answer.REFUSE, id="not staged"),
        pytest.param([("b", 1, S)], {"state": "stopped"}, Answer.STOP, id="rollout was stopped"),
        pytest.param([("a", 1, S)], {}, Answer.REFUSE, id="not in the plan"),
    ],
)
def test_situation(hosts: list[tuple[str, int, Phase]], options: dict[str, object], expected: Answer) -> None:
    rollout = _rollout(*(_host(*one) for one in hosts), **options)  # type: ignore[arg-type]
    assert _ask(rollout, "b") is expected


@pytest.mark.parametrize("lost", [_host("a", 1, B, DEAD), _host("a", 1, B, lease=-1)])
def test_host_of_a_dead_controller_counts_as_lost(lost: HostRecord) -> None:
    """It may be found alive, so the others wait; that wait ends by itself, because nothing is moving."""
    verdict = ask(_rollout(lost, _host("b", 2, S)), "b", NOW, lambda controller: controller == DEAD)
    assert verdict.answer is Answer.WAIT
    assert not verdict.moving
    both = (lost, _host("b", 2, S))
    assert _ask(_rollout(*both, failures=1, unavailable=2), "b") is Answer.WAIT  # it may be what proves the target
    proven = (*both, _host("c", 1, C))
    assert _ask(_rollout(*proven, failures=1), "b") is Answer.WAIT  # nobody else may be away
    assert _ask(_rollout(*proven, failures=1, unavailable=2), "b") is Answer.GO


@pytest.mark.parametrize("phase", [S, B])
def test_what_was_found_bad_since_the_plan_goes_nowhere(phase: Phase) -> None:
    rollout = _rollout(_host("b", 1, phase), _host("a", 1, Phase.ROLLED_BACK), unavailable=2, failures=1)
    assert ask(rollout, "b", NOW, lambda _one: False, ALIVE).answer is Answer.GO
    verdict = ask(rollout, "b", NOW, lambda _one: False, ALIVE, quarantine={"d"})
    assert verdict.answer is Answer.REFUSE
    assert "quarantine" in verdict.why


def test_taken_over_only_from_the_dead() -> None:
    assert _ask(_rollout(_host("b", 1, B, DEAD)), "b") is Answer.GO
    assert _ask(_rollout(_host("b", 1, B, ALIVE)), "b") is Answer.WAIT


def test_a_reboot_lock_draws_on_the_budget() -> None:
    """It is given back or expires by itself, so that waiting for it is no stall. A name counts once."""
    rollout = _rollout(_host("b", 1, S), _host("c", 1, G), unavailable=2)
    for locked, expected in ((["z"], Answer.WAIT), (["b"], Answer.GO), (["c"], Answer.GO), ([], Answer.GO)):
        verdict = ask(rollout, "b", NOW, lambda _: False, locked=locked)
        assert verdict.answer is expected
    alone = ask(_rollout(_host("b", 1, S)), "b", NOW, lambda _: False, locked=["z"])
    assert (alone.answer, alone.moving) == (Answer.WAIT, True)
    assert alone.why == "max_unavailable is 1: z (holds a reboot lock)"


def test_stop_says_who_and_why() -> None:
    verdict = ask(_rollout(_host("a", 1, Phase.ROLLED_BACK), _host("b", 2, S)), "b", NOW, lambda _: False)
    assert "max_failures is 0, and 1 failed: a rolled_back: because" in verdict.why


_PHASES = st.sampled_from(list(Phase))
_FLEETS = st.lists(
    st.tuples(st.integers(1, 4), _PHASES, st.sampled_from([ALIVE, DEAD]), st.sampled_from([-5, 60])),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(_FLEETS, st.integers(1, 4), st.integers(0, 3))
def test_go_never_breaks_a_budget(fleet: list[tuple[int, Phase, str, int]], unavailable: int, failures: int) -> None:
    hosts = [_host(f"h{number}", *one) for number, one in enumerate(fleet)]
    rollout = _rollout(*hosts, unavailable=unavailable, failures=failures)
    for me in hosts:
        if _ask(rollout, me.host) is not Answer.GO or me.phase in IN_FLIGHT:
            continue
        others = [one for one in hosts if one is not me]
        lost = [one for one in others if one.phase in IN_FLIGHT and (one.controller == DEAD or one.lease_until < NOW)]
        bad = [one for one in others if one.phase in BAD] + lost
        away = [one for one in others if one.phase in IN_FLIGHT | {Phase.FAILED, Phase.UNREACHABLE}]
        assert len(bad) <= failures
        assert len(away) < unavailable
        assert all(one.phase is Phase.CONFIRMED or one in bad for one in others if one.wave < me.wave)


@settings(deadline=None)
@given(_FLEETS)
def test_a_stopped_rollout_lets_nobody_through(fleet: list[tuple[int, Phase, str, int]]) -> None:
    rollout = replace(
        _rollout(*(_host(f"h{n}", *one) for n, one in enumerate(fleet)), unavailable=9, failures=9), state="stopped"
    )
    assert all(_ask(rollout, one.host) is Answer.STOP for one in rollout.hosts)
