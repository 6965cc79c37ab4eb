# SPDX-License-Identifier: GPL-3.0-or-later
"""Arm, reboot, prove; and every way in which it can come out otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.ostree import OSTree
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.consent import Consent
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result, Step
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.boot import BootWish, boot

OLD, NEW = "a" * 64, "b" * 64
WISH = BootWish(NEW, confirm_within=60, timeout=300)


def _reboots_into(host: Any, lines: list[Any], away: int = 3, on_trial: bool = True, **changes: Any) -> None:
    def reboot(_host: Any) -> None:
        host.boot_id, host.lines, host.away = "boot-1", lines, away
        if on_trial:
            host.arm(on_trial=True)
        for name, value in changes.items():
            setattr(host, name, value)

    host.acts["arm"] = lambda _host: host.arm(on_trial=False)
    host.acts["reboot"] = reboot


def test_boots_and_proves(staged: Any, clock: Any) -> None:
    _reboots_into(staged, [("*", NEW, 0, ""), (" ", OLD, 0, "rollback")])
    result = boot(staged, clock, WISH, check=False).result(diff=True)
    assert result["changed"]
    assert result["phase"] == "booted"
    assert result["boot"]["boot_id_before"] == "boot-0"
    assert result["boot"]["boot_id_after"] == "boot-1"
    assert staged.ran == ["arm", "reboot", "fresh"]
    assert staged.round_trips == 3  # observe, act, and the one poll that was answered


def test_what_is_locked_is_released_once_the_guard_is_armed(
    staged: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = []
    monkeypatch.setattr(
        OSTree, "release", lambda _self, _state, target: Step("release", target.id, required=True), raising=False
    )
    monkeypatch.setattr(OSTree, "lock_again", lambda _self: ":", raising=False)
    staged.acts["release"] = lambda host: released.append(host.guard["armed"])
    _reboots_into(staged, [("*", NEW, 0, ""), (" ", OLD, 0, "rollback")])
    assert boot(staged, clock, WISH, check=False).changed
    assert staged.ran == ["arm", "release", "reboot", "fresh"]
    assert f"target={NEW}.0" in released[0]


def test_what_cannot_be_released_is_not_booted(staged: Any, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        OSTree, "release", lambda _self, _state, target: Step("release", target.id, required=True), raising=False
    )
    monkeypatch.setattr(OSTree, "lock_again", lambda _self: ":", raising=False)
    staged.acts["arm"] = lambda host: host.arm(on_trial=False)
    staged.acts["release"] = lambda _host: Result("release", "release", 1, "", "it is not what is staged")
    with pytest.raises(FlotillaError, match="it is not what is staged"):
        boot(staged, clock, WISH, check=False)
    assert "reboot" not in staged.ran


def test_check_mode_only_looks(staged: Any, clock: Any) -> None:
    result = boot(staged, clock, WISH, check=True).result(diff=True)
    assert result["changed"]
    assert staged.ran == []
    assert staged.round_trips == 1


def test_what_runs_already_is_left_alone(trial: Any, clock: Any) -> None:
    result = boot(trial, clock, WISH, check=False).result(diff=False)
    assert not result["changed"]
    assert result["phase"] == "booted"
    trial.guard = {}
    assert boot(trial, clock, WISH, check=False).result(diff=False)["phase"] == "confirmed"
    assert trial.ran == []


def test_what_runs_by_a_soft_reboot_is_not_proven(trial: Any, clock: Any) -> None:
    trial.guard["armed"] += f"boot_id_before={trial.boot_id}\n"
    del trial.guard["trial"]
    with pytest.raises(FlotillaError, match="it runs by a soft reboot") as caught:
        boot(trial, clock, BootWish(digest=NEW), check=False)
    assert caught.value.details["phase"] is Phase.FAILED
    assert trial.ran == []


def test_armed_but_never_rebooted_is_taken_up(staged: Any, clock: Any) -> None:
    staged.arm(on_trial=False)
    _reboots_into(staged, [("*", NEW, 0, ""), (" ", OLD, 0, "rollback")])
    assert boot(staged, clock, WISH, check=False).changed


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (BootWish("c" * 64, confirm_within=60, timeout=300), "is what is staged"),
        (BootWish(NEW, Consent.REFUSE, 60, 300), "reboot is refuse"),
        (BootWish(NEW, confirm_within=0, timeout=300), "must be positive"),
        (BootWish(NEW, confirm_within=60, timeout=60), "must be longer than confirm_within"),
        (BootWish(NEW, confirm_within=60, timeout=300, tries=0), "between 1 and 9"),
    ],
)
def test_refused_before_anything(staged: Any, clock: Any, wish: BootWish, words: str) -> None:
    with pytest.raises(Refused, match=words):
        boot(staged, clock, wish, check=False)
    assert staged.ran == []


def test_nothing_staged_and_pending_are_refused(steady: Any, staged: Any, clock: Any) -> None:
    with pytest.raises(Refused, match="nothing is staged"):
        boot(steady, clock, WISH, check=False)
    staged.lines = [(" ", NEW, 0, "pending"), ("*", OLD, 0, "")]
    with pytest.raises(Refused, match="deployed without staging"):
        boot(staged, clock, WISH, check=False)


def test_deferred(staged: Any, clock: Any) -> None:
    result = boot(staged, clock, BootWish(NEW, Consent.DEFER, 60, 300), check=False).result(diff=False)
    assert (result["changed"], result["reboot_required"]) == (False, True)
    assert staged.ran == []


def test_fell_back_says_why(staged: Any, clock: Any) -> None:
    record = f"cause=boot_failed\ntarget={NEW}.0\ntarget_digest={NEW}\nrollback_to={OLD}.0\nat=5\nevidence=it panics\n"
    lines = [("*", OLD, 0, ""), (" ", NEW, 0, "rollback")]
    _reboots_into(staged, lines, on_trial=False, guard={"fallback": record})
    with pytest.raises(FlotillaError, match=r"came back on a \(a{12}\): boot_failed: it panics") as failed:
        boot(staged, clock, WISH, check=False)
    assert failed.value.details["phase"] is Phase.ROLLED_BACK


def test_never_comes_back(staged: Any, clock: Any) -> None:
    _reboots_into(staged, [], away=10_000)
    with pytest.raises(FlotillaError, match="no answer since the reboot, 300 s ago") as failed:
        boot(staged, clock, WISH, check=False)
    assert failed.value.details["phase"] is Phase.UNREACHABLE
    assert 300 <= clock.now < 310


def test_guard_that_does_not_watch_is_no_success(staged: Any, clock: Any) -> None:
    _reboots_into(staged, [("*", NEW, 0, ""), (" ", OLD, 0, "rollback")], on_trial=False)
    with pytest.raises(FlotillaError, match="its guard does not watch"):
        boot(staged, clock, WISH, check=False)


def test_channel_that_was_lost_is_no_success(staged: Any, clock: Any) -> None:
    _reboots_into(staged, [("*", NEW, 0, ""), (" ", OLD, 0, "rollback")], channel="other")
    with pytest.raises(FlotillaError, match="its channel was"):
        boot(staged, clock, WISH, check=False)


# -- where a guard has no place


def _boots(host: Any, runs: str = "v1.14.0", settles: int = 0) -> None:
    def reboot(_host: Any) -> None:
        host.runs, host.boot_id, host.away, host.ready = runs, "00000001-0000-4000-8000-000000000000", 2, not settles

    def machine(_host: Any) -> None:
        nonlocal settles
        settles -= 1
        host.ready = settles <= 0

    host.acts["reboot"] = reboot
    if settles:
        host.acts["guard"] = machine


def test_without_a_place_for_a_guard_nothing_boots_unless_the_user_says_so(talos: Any, clock: Any) -> None:
    _boots(talos)
    for check in (False, True):
        with pytest.raises(Refused, match="cannot boot v1.14.0 .* on h1 under a guard: Talos has no place for a guard"):
            boot(talos, clock, BootWish("v1.14.0"), check=check)
    assert talos.ran == []


def test_boot_without_a_guard_is_proven_all_the_same(talos: Any, clock: Any) -> None:
    _boots(talos)
    result = boot(talos, clock, BootWish("v1.14.0", unguarded=True), check=False).result(diff=False)
    assert (result["changed"], result["phase"]) == (True, "booted")
    assert "nothing on the host that would take it back" in result["msg"]
    assert talos.ran == ["reboot", "fresh"]
    assert result["host_state"]["rollback"]["digest"] == "v1.13.2"


def test_boot_waits_until_the_os_counts_it_as_good(talos: Any, clock: Any) -> None:
    _boots(talos, settles=4)
    assert boot(talos, clock, BootWish(unguarded=True), check=False).changed
    talos.runs, talos.boot_id, talos.record = "v1.13.2", "00000000-0000-4000-8000-000000000000", talos.record
    _boots(talos, settles=10_000)
    with pytest.raises(FlotillaError, match="but the machine is running and not ready .* roll it back") as caught:
        boot(talos, clock, BootWish(unguarded=True), check=False)
    assert caught.value.details["phase"] is Phase.FAILED


def test_host_without_a_guard_that_went_back_is_told(talos: Any, clock: Any) -> None:
    _boots(talos, runs="v1.13.2")
    with pytest.raises(FlotillaError, match=r"it came back on v1\.13\.2 .*: the host gives no reason") as caught:
        boot(talos, clock, BootWish(unguarded=True), check=False)
    assert caught.value.details["phase"] is Phase.ROLLED_BACK


def test_host_without_a_guard_that_stays_away_is_promised_nothing(talos: Any, clock: Any) -> None:
    _boots(talos)
    talos.acts["reboot"] = lambda host: setattr(host, "away", 10_000)
    with pytest.raises(FlotillaError) as caught:
        boot(talos, clock, BootWish(unguarded=True), check=False)
    assert caught.value.message.endswith("no answer since the reboot, 1200 s ago")


@pytest.mark.parametrize("check", [True, False])
def test_where_no_guard_could_be_armed_nothing_is_booted(
    staged: Any, clock: Any, monkeypatch: pytest.MonkeyPatch, check: bool
) -> None:
    seen = OSTree.observe
    monkeypatch.setattr(
        OSTree, "observe", lambda self, results: replace(seen(self, results), unguarded="nothing could reset it")
    )
    with pytest.raises(Refused, match="cannot boot b .* on h1 under a guard: nothing could reset it"):
        boot(staged, clock, WISH, check=check)
    assert staged.ran == []
