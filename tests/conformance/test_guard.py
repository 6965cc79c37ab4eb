# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings a host back: nobody confirms, it never comes up, its power fails, it is away."""

from __future__ import annotations

import pytest
from family import Family
from suite import Told

Tale = dict[str, Told]


@pytest.mark.scenario("unconfirmed")
@pytest.mark.proves("guard")
def test_nobody_confirms_and_it_goes_back_by_itself(told: Tale, family: Family) -> None:
    if not family.guarded:
        pytest.skip("the OS has no place for a guard: the refusal is tested")
    assert (told["boot"].status, told["boot"].result.get("phase")) == ("ok", "booted"), told["boot"].msg
    assert told["on trial"].result["boots"] == 2
    seen = told["observe"].state
    assert seen["booted"]["digest"] == family.first["digest"]
    assert seen["guard"] is None
    fallback = seen["last_fallback"]
    assert (fallback["cause"], fallback["target_digest"]) == ("not_confirmed", family.offer["digest"])
    assert "nobody confirmed it within 3600 s" in fallback["evidence"]
    assert told["confirm too late"].status == "failed"
    assert "is what runs" in told["confirm too late"].msg


@pytest.mark.scenario("unconfirmed")
def test_a_guard_that_went_back_takes_its_units_along(told: Tale, family: Family) -> None:
    if not family.guarded:
        pytest.skip("the OS has no place for a guard: the refusal is tested")
    # Where it stands beside the host, there was never anything of it on the host.
    kept = [[]] if family.beside else [["/var/lib/flotilla/guard"], ["/var/lib/misc/flotilla/guard"]]
    assert told["what is left"].result["stdout"].split() in kept


@pytest.mark.scenario("never_up")
@pytest.mark.proves("boot_counting")
def test_what_never_comes_up_is_given_up_by_the_boot_loader(told: Tale, family: Family) -> None:
    if family.never_up is None and not family.guarded:
        pytest.skip("the OS has no place for a guard: the refusal is tested")
    if family.never_up is None:
        assert "boot" not in told["boot"].state["guard"]["covers"]
        return
    assert told["stage"].state["staged"]["digest"] == family.never_up["digest"]
    booted = told["boot"]
    assert (booted.status, booted.result.get("phase")) == ("failed", "rolled_back"), booted.msg
    assert booted.result["cause"] == family.never_up.get("cause", "boot_failed")
    assert family.never_up.get("words", "the boot loader used up its tries") in booted.msg
    # The first boot, the tries, and the way back.
    assert told["tries"].result["boots"] == family.never_up.get("boots", 2 + family.boot_tries)
    seen = told["observe"].state
    assert (seen["booted"]["digest"], seen["guard"]) == (family.first["digest"], None)
    assert seen["last_fallback"]["target_digest"] == family.never_up["digest"]


@pytest.mark.scenario("power")
def test_a_power_cut_before_the_boot_breaks_nothing(told: Tale, family: Family) -> None:
    seen = told["observe"].state
    assert seen["boot_id"] != told["stage"].state["boot_id"]
    if family.power_cut_boots:
        # Not broken, but ahead of everybody: the documentation says so.
        assert (seen["booted"]["digest"], seen["staged"]) == (family.offer["digest"], None)
        assert seen["rollback"]["digest"] == family.first["digest"]
        assert (told["boot"].status, told["boot"].changed) == ("ok", False)
        return
    assert seen["booted"]["digest"] == family.first["digest"]
    assert (seen["staged"] is None) == family.power_cut_unstages
    assert (told["stage again"].status, told["stage again"].changed) == ("ok", family.power_cut_unstages)


@pytest.mark.scenario("power")
def test_one_power_cut_on_trial_is_not_taken_for_a_bad_os(told: Tale, family: Family) -> None:
    assert told["boot"].status == "ok", told["boot"].msg
    if family.power_cut_boots:
        pytest.skip("it was booted by the power cut before, and not by us")
    seen = told["observe on trial"].state
    assert seen["booted"]["digest"] == family.offer["digest"]
    assert seen["boot_id"] != told["boot"].state["boot_id"]
    assert bool(seen["guard"] and seen["guard"]["deadline"]) == family.guarded
    assert (told["confirm"].status, told["confirm"].changed) == ("ok", family.guarded), told["confirm"].msg


@pytest.mark.scenario("away")
def test_a_host_without_power_is_unreachable(told: Tale, family: Family) -> None:
    for name in ("observe what is off", "stage what is off"):
        assert told[name].status == "unreachable", told[name].msg
    assert told["observe"].status == "ok"
    assert told["observe"].state["booted"]["digest"] == family.first["digest"]
    assert told["observe"].state["staged"] is None


@pytest.mark.scenario("beside")
def test_what_stands_beside_it_and_is_away_is_not_taken_for_the_host(told: Tale, family: Family) -> None:
    if not family.beside:
        pytest.skip("nothing stands beside its hosts")
    for name in ("observe", "boot"):
        assert told[name].status == "failed", told[name].msg
        assert "the boot server of" in told[name].msg
        assert "no route to host" in told[name].msg
    again = told["observe again"].state
    assert (again["booted"]["digest"], again["staged"]["digest"]) == (family.first["digest"], family.offer["digest"])
    assert again["boot_id"] == told["stage"].state["boot_id"]


@pytest.mark.scenario("beside")
def test_a_guard_beside_the_host_outlives_a_power_cut_there(told: Tale, family: Family) -> None:
    if not family.beside:
        pytest.skip("nothing stands beside its hosts")
    assert told["boot again"].status == "ok", told["boot again"].msg
    assert told["observe on trial"].state["guard"]["deadline"]
    seen = told["observe at the end"].state
    assert (seen["booted"]["digest"], seen["guard"]) == (family.first["digest"], None)
    assert seen["last_fallback"]["cause"] == "not_confirmed"
