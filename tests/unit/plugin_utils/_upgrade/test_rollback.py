# SPDX-License-Identifier: GPL-3.0-or-later
"""Rolling back: the target is named, predicted and proven, or nothing is touched."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.consent import Consent
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.rollback import RollbackWish, roll_back

OLD, NEW = "a" * 64, "b" * 64
BACK = [("*", OLD, 0, ""), (" ", NEW, 0, "rollback")]


@pytest.fixture
def upgraded(trial: Any) -> Any:
    """A host that runs the new version, confirmed, with the old one as its way back."""
    trial.guard = {}
    return trial


def _reboots_into(host: Any, lines: list[Any], away: int = 2) -> None:
    def reboot(_host: Any) -> None:
        host.boot_id, host.lines, host.away = "boot-2", lines, away

    def disarm(_host: Any) -> None:
        host.guard = {}

    host.acts.update(roll_back=lambda _host: None, disarm=disarm, reboot=reboot)


def test_goes_back_and_proves_it(upgraded: Any, clock: Any) -> None:
    _reboots_into(upgraded, BACK)
    result = roll_back(upgraded, clock, RollbackWish(), check=False).result(diff=True)
    assert result["changed"]
    assert result["phase"] == "rolled_back"
    assert result["boot"]["to"]["digest"] == OLD
    assert result["boot"]["boot_id_after"] == "boot-2"
    assert result["diff"]["after"].startswith("booted: a (aaaaaaaaaaaa)")
    assert upgraded.ran == ["roll_back", "reboot", "fresh", "disarm"]


def test_on_trial_the_guard_goes_only_after_the_way_back_is_the_default(trial: Any, clock: Any) -> None:
    _reboots_into(trial, BACK)
    roll_back(trial, clock, RollbackWish(), check=False)
    assert trial.ran[:3] == ["roll_back", "disarm", "reboot"]


def test_step_that_fails_leaves_guard_and_host_alone(trial: Any, clock: Any) -> None:
    from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result

    _reboots_into(trial, BACK)
    trial.acts["roll_back"] = lambda _host: Result("roll_back", "make_default", 1, "", "no space")
    with pytest.raises(FlotillaError, match=r"cannot roll h1 back to a \(aaaaaaaaaaaa\): .*no space"):
        roll_back(trial, clock, RollbackWish(), check=False)
    assert trial.guard
    assert trial.boot_id == "boot-1"


def test_check_mode_predicts(upgraded: Any, clock: Any) -> None:
    result = roll_back(upgraded, clock, RollbackWish(), check=True).result(diff=True)
    assert result["changed"]
    assert "would roll back from b (bbbbbbbbbbbb) to a (aaaaaaaaaaaa)" in result["msg"]
    assert result["host_state"]["booted"]["digest"] == OLD
    assert upgraded.ran == []


def test_what_is_staged_is_dropped_and_that_is_said(upgraded: Any, clock: Any) -> None:
    upgraded.lines = [(" ", "c" * 64, 0, "staged"), *upgraded.lines]
    predicted = roll_back(upgraded, clock, RollbackWish(), check=True).result(diff=True)
    assert "to a (aaaaaaaaaaaa); c (cccccccccccc), which is staged, is dropped" in predicted["msg"]
    assert predicted["host_state"]["staged"] is None
    assert "staged: c (cccccccccccc)" in predicted["diff"]["before"]
    assert "staged: nothing" in predicted["diff"]["after"]


def test_only_from_another_digest_does_nothing(upgraded: Any, clock: Any) -> None:
    result = roll_back(upgraded, clock, RollbackWish(only_from="c" * 64), check=False).result(diff=True)
    assert not result["changed"]
    assert "diff" not in result
    assert "b (bbbbbbbbbbbb) is running, not cccccccccccc: nothing to roll back" in result["msg"]


def test_target_that_runs_is_left_alone(upgraded: Any, clock: Any) -> None:
    assert not roll_back(upgraded, clock, RollbackWish(target="b"), check=False).changed
    assert upgraded.ran == []


@pytest.mark.parametrize("name", ["a", OLD, OLD[:12]])
def test_target_by_version_digest_and_prefix(upgraded: Any, clock: Any, name: str) -> None:
    _reboots_into(upgraded, BACK)
    assert roll_back(upgraded, clock, RollbackWish(target=name), check=False).changed


def test_deferred_once_and_then_nothing_more_to_do(upgraded: Any, clock: Any) -> None:
    def make_default(host: Any) -> None:
        host.lines = [(" ", OLD, 0, "pending"), ("*", NEW, 0, "")]

    upgraded.acts["roll_back"] = make_default
    wish = RollbackWish(target=OLD, reboot=Consent.DEFER)
    first = roll_back(upgraded, clock, wish, check=False).result(diff=False)
    assert (first["changed"], first["reboot_required"]) == (True, True)
    second = roll_back(upgraded, clock, wish, check=False).result(diff=False)
    assert (second["changed"], second["reboot_required"]) == (False, True)
    assert upgraded.boot_id == "boot-1"


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (RollbackWish(target="9"), "it is not deployed there; deployed are: b"),
        (RollbackWish(target=OLD[:11]), "it is not deployed there"),
        (RollbackWish(reboot=Consent.REFUSE), "it needs a reboot, and reboot is refuse"),
        (RollbackWish(timeout=0), "timeout must be positive, not 0"),
    ],
)
def test_refused_before_anything(upgraded: Any, clock: Any, wish: RollbackWish, words: str) -> None:
    with pytest.raises(Refused, match=words):
        roll_back(upgraded, clock, wish, check=False)
    assert upgraded.ran == []


def test_nowhere_to_go(steady: Any, clock: Any) -> None:
    with pytest.raises(Refused, match=r"no earlier deployment than a \(aaaaaaaaaaaa\) is on it"):
        roll_back(steady, clock, RollbackWish(), check=False)


def test_never_back_to_what_the_host_fell_back_from(upgraded: Any, clock: Any) -> None:
    upgraded.lines = [("*", OLD, 0, ""), (" ", NEW, 0, "rollback")]
    upgraded.guard = {
        "fallback": f"cause=boot_failed\ntarget={NEW}.0\ntarget_digest={NEW}\nrollback_to={OLD}.0\nat=5\nevidence=e\n"
    }
    with pytest.raises(Refused, match=r"the host fell back from it \(boot_failed\)"):
        roll_back(upgraded, clock, RollbackWish(), check=False)
    _reboots_into(upgraded, [("*", NEW, 0, ""), (" ", OLD, 0, "rollback")])
    assert roll_back(upgraded, clock, RollbackWish(target=NEW), check=False).changed


def test_version_that_two_digests_carry_is_ambiguous(upgraded: Any, clock: Any) -> None:
    upgraded.lines = [("*", NEW, 0, ""), (" ", "d" * 64, 0, "rollback"), (" ", "d" + "e" * 63, 0, "")]
    with pytest.raises(Refused, match="that is ambiguous"):
        roll_back(upgraded, clock, RollbackWish(target="d"), check=False)


def test_comes_back_on_something_else(upgraded: Any, clock: Any) -> None:
    _reboots_into(upgraded, upgraded.lines)
    with pytest.raises(FlotillaError, match=r"came back on b \(bbbbbbbbbbbb\)") as failed:
        roll_back(upgraded, clock, RollbackWish(), check=False)
    assert failed.value.details["phase"] is Phase.FAILED


def test_does_not_come_back(upgraded: Any, clock: Any) -> None:
    _reboots_into(upgraded, BACK, away=10_000)
    with pytest.raises(FlotillaError, match="no answer since the reboot, 50 s ago") as failed:
        roll_back(upgraded, clock, RollbackWish(timeout=50), check=False)
    assert failed.value.details["phase"] is Phase.UNREACHABLE
    assert clock.now <= 60


def test_rollback_that_is_a_reboot_gets_no_second_one(talos: Any, clock: Any) -> None:
    talos.record, talos.boot_id, talos.runs = talos.record, "00000001-0000-4000-8000-000000000000", "v1.14.0"

    def back(host: Any) -> None:
        host.runs, host.boot_id, host.away = "v1.13.2", "00000002-0000-4000-8000-000000000000", 2

    talos.acts["roll_back"] = back
    with pytest.raises(Refused, match="with talos that is a reboot, and reboot is defer"):
        roll_back(talos, clock, RollbackWish(reboot=Consent.DEFER), check=False)
    result = roll_back(talos, clock, RollbackWish(), check=False).result(diff=False)
    assert (result["changed"], result["phase"]) == (True, "rolled_back")
    assert talos.ran == ["roll_back", "fresh"]
