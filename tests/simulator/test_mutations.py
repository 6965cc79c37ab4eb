# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulator that finds nothing proves nothing: break the product in known ways, and see each break found."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from simulated import faults, wish
from simulated.episode import Episode

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import IN_FLIGHT, Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout import back, conduct, gate, turn
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import OPEN, RolloutRecord, Writer
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.permission import ORDER_WITHIN, Permits

# A break must be found within so many small episodes.
EPISODES = 60
Mutate = Callable[[pytest.MonkeyPatch], None]


def _before_the_gate(monkeypatch: pytest.MonkeyPatch, change: Callable[[RolloutRecord, str], RolloutRecord]) -> None:
    """Let the gate see another record than there is."""
    ask = conduct.ask
    monkeypatch.setattr(conduct, "ask", lambda rollout, host, *rest: ask(change(rollout, host), host, *rest))


def _budget_off_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(rollout: RolloutRecord, _host: str) -> RolloutRecord:
        plan = dict(rollout.plan)
        return replace(rollout, plan={**plan, "max_unavailable": plan["max_unavailable"] + 1})

    _before_the_gate(monkeypatch, change)


def _unreachable_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(rollout: RolloutRecord, host: str) -> RolloutRecord:
        hosts = tuple(one for one in rollout.hosts if one.phase is not Phase.UNREACHABLE or one.host == host)
        return replace(rollout, hosts=hosts)

    _before_the_gate(monkeypatch, change)


def _wave_opened_early(monkeypatch: pytest.MonkeyPatch) -> None:
    _before_the_gate(
        monkeypatch,
        lambda rollout, _host: replace(rollout, hosts=tuple(replace(one, wave=1) for one in rollout.hosts)),
    )


def _confirmed_without_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    left = turn.left

    def hopeful(results: Any) -> turn.Left:
        booted = "boot" in results and not any(results["boot"].get(bad) for bad in ("failed", "unreachable"))
        return turn.Left(Phase.CONFIRMED, "it came back") if booted else left(results)

    monkeypatch.setattr(turn, "left", hopeful)


def _holder_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was at a turn records how it went, also when somebody else has it in hand since."""
    leave = conduct.Conductor.leave

    def careless(self: conduct.Conductor, host: str, outcome: turn.Left, _token: int | None = None) -> None:
        with self.ledger.write() as writer:
            rollout = writer.rollout(self.name)
            assert rollout is not None
            if any(one.host == host and one.phase in IN_FLIGHT for one in rollout.hosts):
                writer.take(rollout.id, host, self.controller, 600)
        leave(self, host, outcome)

    monkeypatch.setattr(conduct.Conductor, "leave", careless)
    monkeypatch.setitem(faults.RARER, "leave", 0.5)  # it takes somebody who comes back after his lease


def _told_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever had a host in hand tells it to reboot, also when it is in other hands since."""
    monkeypatch.setattr(Permits, "renew", lambda *_all: ORDER_WITHIN)
    monkeypatch.setitem(faults.RARER, "ask", 0.5)  # it takes somebody who comes back after his lease


def _permission_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    renew = Permits.renew
    monkeypatch.setattr(Permits, "renew", lambda *given: renew(*given) + 10**6)
    monkeypatch.setitem(faults.RARER, "order", 0.5)


def _quarantine_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer, "quarantine", lambda _self, *_digests: {})


def _nobody_is_held_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run takes a host that another living run has in hand."""
    ask = conduct.ask

    def greedy(rollout: RolloutRecord, host: str, now: int, gone: Any, *rest: Any) -> Any:
        hosts = tuple(replace(one, lease_until=None) if one.host == host else one for one in rollout.hosts)
        return ask(replace(rollout, hosts=hosts), host, now, gone, *rest)

    monkeypatch.setattr(conduct, "ask", greedy)


def _group_budget_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate.Places, "full", lambda *_all: None)


def _failures_in_a_group_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate.Places, "failed_too_often", lambda *_all: None)
    draw, strict = wish.policy, {"max_failures": "100%", "max_failures_per": {"rack": 0}}
    monkeypatch.setattr(wish, "policy", lambda *given: draw(*given) | strict)


def _soak_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_soaking", lambda *_all: None)


def _window_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate.Places, "outside_of_window", lambda *_all: None)


def _word_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    _before_the_gate(monkeypatch, lambda rollout, _host: replace(rollout, state=OPEN))


def _all_recalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only the wave that failed goes back."""
    recalled = back.recalled
    monkeypatch.setattr(back, "recalled", lambda rollout, _told: recalled(rollout, back.OnFailure.ROLLBACK_ALL))


def _nobody_recalled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(back, "recalled", lambda *_all: [])


def _back_without_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(back, "returned", lambda *_all: turn.Left(Phase.ROLLED_BACK, "it should be back"))
    monkeypatch.setitem(faults.AT, "roll back", {faults.Fault.REPLY_LOST: 1})  # it takes one that is not back


def _all_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who goes back draws on no budget."""
    ask_back = back.ask_back

    def hasty(rollout: RolloutRecord, host: str, *rest: Any) -> gate.Verdict:
        hosts = tuple(one for one in rollout.hosts if one.host == host)
        return ask_back(replace(rollout, hosts=hosts), host, *rest)

    monkeypatch.setattr(back, "ask_back", hasty)


@pytest.mark.parametrize(
    ("mutate", "rules"),
    [
        pytest.param(_budget_off_by_one, {"budget"}, id="budget off by one"),
        pytest.param(_unreachable_not_counted, {"budget", "failures", "wave"}, id="unreachable not counted"),
        pytest.param(_wave_opened_early, {"wave", "canary"}, id="wave opened early"),
        pytest.param(_confirmed_without_proof, {"proof"}, id="confirmed without proof"),
        pytest.param(_holder_ignored, {"two leases"}, id="token ignored"),
        pytest.param(_told_without_asking, {"two leases"}, id="told to reboot without permission"),
        pytest.param(_permission_never_ends, {"two leases"}, id="the permission to reboot never ends"),
        pytest.param(_quarantine_forgotten, {"quarantine"}, id="quarantine forgotten"),
        pytest.param(_nobody_is_held_by_others, {"two leases"}, id="lease ignored"),
        pytest.param(_group_budget_ignored, {"group"}, id="budget of a group ignored"),
        pytest.param(_failures_in_a_group_ignored, {"failures"}, id="failures in a group ignored"),
        pytest.param(_soak_ignored, {"soak"}, id="soak ignored"),
        pytest.param(_window_ignored, {"window"}, id="window ignored"),
        pytest.param(_word_ignored, {"word"}, id="pause and halt ignored"),
        pytest.param(_all_recalled, {"recall"}, id="too many are brought back"),
        pytest.param(_nobody_recalled, {"recall"}, id="nobody is brought back"),
        pytest.param(_back_without_proof, {"proof"}, id="brought back without proof"),
        pytest.param(_all_back_at_once, {"budget", "group"}, id="all are brought back at once"),
    ],
)
def test_a_break_is_found(mutate: Mutate, rules: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch)
    for number in range(EPISODES):
        if rules & {one.rule for one in Episode(f"mutation/{number}", 8).play().violations}:
            return
    pytest.fail(f"{EPISODES} episodes, and none of {sorted(rules)} was found broken")
