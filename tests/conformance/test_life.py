# SPDX-License-Identifier: GPL-3.0-or-later
"""One upgrade, step by step, on each family: seen, staged, booted, proven, confirmed, taken back."""

from __future__ import annotations

from typing import Any

import pytest
from family import OPTIONAL, Family
from suite import Told

pytestmark = pytest.mark.scenario("life")
Tale = dict[str, Told]


def _digests(state: dict[str, Any]) -> tuple[str | None, ...]:
    return tuple(state[place] and state[place]["digest"] for place in ("booted", "staged", "rollback"))


def _unchanged(told: Told, why: str) -> None:
    assert (told.status, told.changed) == ("ok", False), told.msg
    assert why in told.msg


@pytest.mark.proves("observe")
def test_one_round_trip_shows_all(told: Tale, family: Family) -> None:
    seen = told["observe"].state
    assert told["observe"].status == "ok", told["observe"].msg
    assert told["observed"].result["round_trips"] - told["before"].result["round_trips"] == 1
    assert {key: seen[key] for key in family.state} == family.state
    assert (seen["booted"]["version"], seen["booted"]["digest"]) == (family.first["version"], family.first["digest"])
    assert (seen["staged"], seen["guard"], seen["last_fallback"], seen["busy"]) == (None, None, None, None)
    assert seen["boot_id"]


@pytest.mark.parametrize("capability", sorted(OPTIONAL))
def test_what_the_os_lacks_is_refused_with_the_reason(told: Tale, family: Family, capability: str) -> None:
    assert (capability in told["observe"].state["capabilities"]) == (capability not in family.refusals)
    if capability not in family.refusals:
        return
    refused = told[f"refuse {capability}"]
    # An updater that is not there is as good as held: that is no failure.
    expected = ("ok", False) if capability == "hold_updater" else ("failed", False)
    assert (refused.status, refused.changed) == expected
    for words in family.refusals[capability]:
        assert words in refused.msg


def test_check_mode_changes_nothing_and_predicts(told: Tale, family: Family) -> None:
    predicted = told["stage, checked"]
    assert (predicted.status, predicted.changed) == ("ok", True), predicted.msg
    assert predicted.state["staged"]["digest"] == family.offer["digest"]
    assert told["stage"].state["staged"]["digest"] == predicted.state["staged"]["digest"]
    assert told["not booted"].result["boots"] == 1
    assert told["boot, checked"].changed
    assert _digests(told["boot, checked"].state)[0] == family.offer["digest"]
    assert told["confirm, checked"].changed == family.guarded
    assert told["confirm, checked"].state["guard"] is None


@pytest.mark.proves("stage")
def test_stage(told: Tale, family: Family) -> None:
    staged = told["stage"]
    assert (staged.status, staged.changed) == ("ok", True), staged.msg
    booted, waiting, _rollback = _digests(staged.state)
    assert (booted, waiting) == (family.first["digest"], family.offer["digest"])
    assert staged.state["boot_id"] == told["observe"].state["boot_id"]
    _unchanged(told["stage again"], "is staged already")


def test_a_reboot_needs_consent(told: Tale) -> None:
    assert told["boot, refused"].status == "failed"
    assert "needs a reboot, and reboot is refuse" in told["boot, refused"].msg
    deferred = told["boot, deferred"]
    assert (deferred.status, deferred.changed, deferred.result["reboot_required"]) == ("ok", False, True)


@pytest.mark.proves("boot")
def test_boot_is_proven_and_guarded(told: Tale, family: Family) -> None:
    booted = told["boot"]
    assert (booted.status, booted.changed, booted.result.get("phase")) == ("ok", True, "booted"), booted.msg
    boot = booted.result["boot"]
    assert boot["boot_id_before"] == told["observe"].state["boot_id"] != boot["boot_id_after"]
    assert _digests(booted.state) == (family.offer["digest"], None, family.first["digest"])
    if family.guarded:
        guard = booted.state["guard"]
        assert guard["target_digest"] == family.offer["digest"]
        assert guard["deadline"]
        assert ("boot" in guard["covers"]) == (family.never_up is not None)
    assert {key: booted.state[key] for key in family.state} == family.state
    assert told["booted"].result["boots"] == 2
    _unchanged(told["boot again"], "on trial until it is confirmed" if family.guarded else "is running already")


def test_where_a_guard_has_no_place_a_boot_without_one_is_the_users_word(told: Tale, family: Family) -> None:
    if family.guarded:
        assert "boot, unguarded" not in told
        return
    refused = told["boot, unguarded"]
    assert refused.status == "failed"
    for words in (*family.refusals["guard"], "`unguarded: allow` boots it all the same"):
        assert words in refused.msg
    assert "guard" not in told["observe"].state["capabilities"]
    assert told["boot"].state["guard"] is None
    assert "nothing on the host that would take it back" in told["boot"].msg


@pytest.mark.proves("confirm")
def test_confirm(told: Tale, family: Family) -> None:
    assert told["confirm another"].status == "failed"
    assert "is what runs" in told["confirm another"].msg
    confirmed = told["confirm"]
    assert (confirmed.status, confirmed.changed) == ("ok", family.guarded), confirmed.msg
    assert confirmed.state["guard"] is None
    assert confirmed.state["booted"]["digest"] == family.offer["digest"]
    _unchanged(told["confirm again"], "is confirmed already" if family.guarded else "there is no guard to take away")
    _unchanged(told["stage what runs"], "is running already")


@pytest.mark.proves("rollback")
def test_roll_back(told: Tale, family: Family) -> None:
    if "rollback" in family.refusals:
        assert told["observe at the end"].state["booted"]["digest"] == family.offer["digest"]
        return
    assert told["roll back, checked"].changed
    assert told["roll back, checked"].state["booted"]["digest"] == family.first["digest"]
    back = told["roll back"]
    assert (back.status, back.changed, back.result.get("phase")) == ("ok", True, "rolled_back"), back.msg
    assert back.result["boot"]["boot_id_before"] == told["boot"].state["boot_id"] != back.state["boot_id"]
    assert back.state["booted"]["digest"] == family.first["digest"]
    _unchanged(told["roll back again"], "is running already")


def test_nothing_of_ours_is_left(told: Tale, family: Family) -> None:
    assert told["observe at the end"].state["guard"] is None
    if family.has_shell:
        assert told["what is left"].status == "ok"
        assert told["what is left"].result["stdout"] == ""


def test_without_a_shell_nothing_runs_that_would_run_on_the_controller(told: Tale, family: Family) -> None:
    raw, module = told["what is left"], told["what no module may look at"]
    assert (raw.status, module.status) == (("ok", "ok") if family.has_shell else ("failed", "failed"))
    if not family.has_shell:
        assert "has no shell" in raw.msg
        assert "this would look at the controller instead" in module.msg
