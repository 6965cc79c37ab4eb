# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel arguments: what is refused, what is prepared, what is booted, what is proven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.ostree import OSTree
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.consent import Consent
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade import kernel_arguments
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.kernel_arguments import (
    ArgumentsWish,
    set_arguments,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.observe import observe

OLD, NEW = "a" * 64, "b" * 64
STEADY = [("*", OLD, 0, "")]
PREPARED = [(" ", OLD, 1, "staged"), ("*", OLD, 0, "")]
ON_TRIAL = [("*", OLD, 1, ""), (" ", OLD, 0, "rollback")]
WISH = ArgumentsWish(("panic=5",), ("mitigations=off",), Consent.ALLOW, confirm_within=60, timeout=300)
DEFER = ArgumentsWish(("panic=5",), ("mitigations=off",), Consent.DEFER, confirm_within=60, timeout=300)
REFUSE = ArgumentsWish(("panic=5",), ("mitigations=off",), Consent.REFUSE, confirm_within=60, timeout=300)
BEFORE, AFTER = "quiet mitigations=off", "quiet panic=5"


@dataclass
class Arguments:
    """What the host's kernel runs with, and what its next boot has. `job`: what preparing them makes of that."""

    host: Any
    running: str = BEFORE
    following: str = BEFORE
    job: str = AFTER
    rc: int = 0
    after_boot: str | None = None

    def __post_init__(self) -> None:
        acts = {
            "cmdline": lambda: self.running,
            "ostree.entries": lambda: f"\n@@flotilla-file /e/1.conf\nversion 1\noptions {self.following}\n",
            "start": self._prepare,
            "wait": lambda: f"state=done\nrc={self.rc}\nkey=\nwhat=\nlog:\nerror: no space",
            "arm": self._arm,
            "reboot": self._reboot,
            "confirm": lambda: setattr(self.host, "guard", {}) or "",
        }
        for name, act in acts.items():
            self.host.acts[name] = _act(name, act)

    @property
    def did(self) -> list[str]:
        """The steps that change something, in their order."""
        return [name for name in self.host.ran if name in ("start", "arm", "reboot", "confirm")]

    def arm(self) -> None:
        self.host.guard = {
            "armed": f"target={OLD}.1\ntarget_digest={OLD}\nrollback_to={OLD}.0\nconfirm_within=60\narmed_at=1\n"
        }

    def boot(self) -> None:
        """The host runs what was prepared, on trial."""
        self.host.boot_id, self.host.lines = "boot-1", list(ON_TRIAL)
        self.running = self.following if self.after_boot is None else self.after_boot
        self.host.guard["trial"] = "boot_id=boot-1\nbooted_at=10\n"

    def _prepare(self) -> str:
        if self.rc == 0:
            self.following, self.host.lines = self.job, list(PREPARED)
        return ""

    def _arm(self) -> str:
        self.arm()
        return ""

    def _reboot(self) -> str:
        self.boot()
        return ""


def _act(name: str, act: Callable[[], str]) -> Callable[[Any], Result]:
    return lambda _host: Result(name, "sh", 0, act())


@pytest.fixture
def arguments(steady: Any) -> Arguments:
    return Arguments(steady)


def _set(arguments: Arguments, clock: Any, wish: ArgumentsWish, check: bool = False) -> dict[str, Any]:
    return set_arguments(arguments.host, clock, wish, check).result(diff=True)


def test_prepared_booted_proven_confirmed(arguments: Arguments, clock: Any) -> None:
    result = _set(arguments, clock, WISH)
    assert arguments.did == ["start", "arm", "reboot", "confirm"]
    assert result["changed"]
    assert not result["reboot_required"]
    assert result["next_kernel_arguments"] == ["quiet", "panic=5"]
    assert result["host_state"]["kernel_arguments"] == ["quiet", "panic=5"]
    assert result["host_state"]["guard"] is None
    assert "mitigations=off" in result["diff"]["before"]
    assert "panic=5" in result["diff"]["after"]
    again = _set(arguments, clock, WISH)
    assert not again["changed"]
    assert "diff" not in again


def test_as_asked_for_costs_one_round_trip(arguments: Arguments, clock: Any) -> None:
    arguments.running = arguments.following = AFTER
    assert not _set(arguments, clock, REFUSE)["changed"]
    assert arguments.host.round_trips == 1
    assert arguments.did == []


@pytest.mark.parametrize("wish", [WISH, DEFER])
def test_check_mode_only_looks(arguments: Arguments, clock: Any, wish: ArgumentsWish) -> None:
    result = _set(arguments, clock, wish, check=True)
    assert result["changed"]
    assert result["msg"].startswith("would add panic=5, remove mitigations=off")
    assert result["reboot_required"] is (wish is DEFER)
    assert result["next_kernel_arguments"] == ["quiet", "panic=5"]
    assert result["host_state"]["kernel_arguments"] == (AFTER if wish is WISH else BEFORE).split()
    assert arguments.host.round_trips == 1
    assert arguments.did == []


def test_defer_prepares_and_says_so(arguments: Arguments, clock: Any) -> None:
    result = _set(arguments, clock, DEFER)
    assert arguments.did == ["start"]
    assert result["changed"]
    assert result["reboot_required"]
    for check in (True, False):
        again = _set(arguments, clock, DEFER, check)
        assert not again["changed"]
        assert again["reboot_required"]
    assert arguments.did == ["start"]


def test_what_is_prepared_is_only_booted(arguments: Arguments, clock: Any) -> None:
    _set(arguments, clock, DEFER)
    assert _set(arguments, clock, WISH, check=True)["msg"] == "would reboot under the guard"
    assert _set(arguments, clock, WISH)["changed"]
    assert arguments.did == ["start", "arm", "reboot", "confirm"]


def test_only_the_next_boot_is_wrong(arguments: Arguments, clock: Any) -> None:
    arguments.running = AFTER
    result = _set(arguments, clock, REFUSE)
    assert arguments.did == ["start"]
    assert result["changed"]
    assert not result["reboot_required"]


def test_a_run_cut_off_on_trial_is_confirmed(arguments: Arguments, clock: Any) -> None:
    arguments.following = AFTER
    arguments.arm()
    arguments.boot()
    assert _set(arguments, clock, WISH, check=True)["changed"]
    assert arguments.did == []
    result = _set(arguments, clock, WISH)
    assert arguments.did == ["confirm"]
    assert result["changed"]
    assert result["host_state"]["guard"] is None


def test_a_run_cut_off_before_its_reboot_is_taken_up(arguments: Arguments, clock: Any) -> None:
    arguments.following, arguments.host.lines = AFTER, list(PREPARED)
    arguments.arm()
    assert _set(arguments, clock, WISH)["changed"]
    assert arguments.did == ["arm", "reboot", "confirm"]


def test_an_upgrade_on_trial_is_not_confirmed(trial: Any, clock: Any) -> None:
    arguments = Arguments(trial, running=AFTER, following=AFTER)
    result = _set(arguments, clock, WISH)
    assert not result["changed"]
    assert result["host_state"]["guard"] is not None
    assert arguments.did == []


def test_running_without_them_is_not_confirmed(arguments: Arguments, clock: Any) -> None:
    arguments.after_boot = BEFORE
    with pytest.raises(
        FlotillaError, match="cannot prove the kernel arguments of h1: it runs with quiet mitigations=off"
    ):
        _set(arguments, clock, WISH)
    assert arguments.did == ["start", "arm", "reboot"]
    assert arguments.host.guard


def test_preparing_that_fails(arguments: Arguments, clock: Any) -> None:
    arguments.rc = 1
    with pytest.raises(FlotillaError, match=r"cannot prepare .* exited with 1: error: no space"):
        _set(arguments, clock, WISH)
    assert arguments.did == ["start"]


def test_preparing_that_does_something_else(arguments: Arguments, clock: Any) -> None:
    arguments.job = "quiet panic=10"
    with pytest.raises(FlotillaError, match="cannot prepare"):
        _set(arguments, clock, WISH)
    assert arguments.did == ["start"]


@pytest.mark.parametrize(
    ("present", "absent", "cause"),
    [
        (["a b"], [], "white space"),
        ([""], [], "empty"),
        ([], ["quiet\n"], "white space"),
        (["quiet"], ["quiet"], "present and absent"),
        (["ostree=/x"], [], "own it"),
        ([], ["BOOT_IMAGE=/vmlinuz"], "own it"),
        (["root=/dev/sda"], [], "own it"),
        ([], ["initrd=/x"], "own it"),
    ],
)
def test_senseless_arguments_are_refused_unseen(
    arguments: Arguments, clock: Any, present: list[str], absent: list[str], cause: str
) -> None:
    with pytest.raises(Refused, match=cause):
        _set(arguments, clock, ArgumentsWish(tuple(present), tuple(absent)))
    assert arguments.host.round_trips == 0


def test_senseless_times_are_refused_unseen(arguments: Arguments, clock: Any) -> None:
    with pytest.raises(Refused, match="must be longer than confirm_within"):
        _set(arguments, clock, ArgumentsWish(("quiet",), (), confirm_within=600, timeout=600))
    assert arguments.host.round_trips == 0


def test_refuse_refuses(arguments: Arguments, clock: Any) -> None:
    for check in (True, False):
        with pytest.raises(Refused, match="reboot is refuse"):
            _set(arguments, clock, REFUSE, check)
    assert arguments.did == []


@pytest.mark.parametrize("wish", [WISH, DEFER])
def test_armed_guard_is_refused(arguments: Arguments, clock: Any, wish: ArgumentsWish) -> None:
    arguments.host.lines = list(PREPARED)
    arguments.arm()
    with pytest.raises(Refused, match="the guard is armed"):
        _set(arguments, clock, wish)
    assert arguments.did == []


@pytest.mark.parametrize("wish", [WISH, DEFER])
def test_another_digest_is_not_replaced(staged: Any, clock: Any, wish: ArgumentsWish) -> None:
    arguments = Arguments(staged)
    with pytest.raises(Refused, match=r"b \(bbbbbbbbbbbb\) is staged and would be replaced"):
        _set(arguments, clock, wish)
    assert arguments.did == []


def test_another_digest_is_not_booted_for_its_arguments(staged: Any, clock: Any) -> None:
    arguments = Arguments(staged, following=AFTER)
    with pytest.raises(Refused, match="would be booted without a look at its health"):
        _set(arguments, clock, WISH)
    deferred = _set(arguments, clock, DEFER)
    assert not deferred["changed"]
    assert deferred["reboot_required"]
    assert arguments.did == []


def test_nothing_staged_that_the_guard_could_watch(arguments: Arguments, clock: Any) -> None:
    arguments.following = AFTER
    with pytest.raises(Refused, match="nothing is staged that the guard could watch"):
        _set(arguments, clock, WISH)
    assert arguments.did == []


def test_busy_host_is_refused(arguments: Arguments, clock: Any) -> None:
    arguments.host.acts["jobs"] = lambda _host: Result("jobs", "sh", 0, "staging 2 (ab)")
    with pytest.raises(Refused, match=r"the host is busy: staging 2 \(ab\)"):
        _set(arguments, clock, DEFER)


class _Plain(OSTree):
    set_kernel_arguments = None  # type: ignore[assignment]


def test_driver_without_that_power_is_refused(
    arguments: Arguments, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_arguments, "observe", lambda host: observe(host, drivers=(_Plain(),)))
    with pytest.raises(Refused, match="the ostree mechanism has no way to do that"):
        _set(arguments, clock, WISH)
    assert arguments.did == []


def test_missing_once_unwanted_as_often_as_it_is_there() -> None:
    wish = ArgumentsWish(("a", "a", "b"), ("x",))
    assert wish.missing(["b"]) == ("a",)
    assert wish.unwanted(["x", "b", "x"]) == ("x", "x")
