# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for health: by a clock of our own, one round trip an attempt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.check import check
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.request import (
    Probe,
    Request,
    State,
    read_probes,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result, Step, Unreachable
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.native import native
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.shell import FILE_MARK

UNITS = read_probes([{"name": "units", "type": "systemd"}], "it")
GOOD: tuple[str, ...] = ()
BAD = ("web.service",)


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        raise AssertionError("a wait is not counted by the wall clock")

    def sleep(self, seconds: float, /) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


class FakeHost:
    """Answers the systemd probe with the failed units that `health` names at that moment; a round trip takes 0.5 s."""

    name = "lab1"

    def __init__(
        self, clock: FakeClock, health: Callable[[float], Sequence[str]], guard: Callable[[float], str] | None = None
    ) -> None:
        self.clock, self.health, self.guard = clock, health, guard
        self.began = clock.now
        self.said: list[str] = []
        self.limits: list[float | None] = []
        self.asked: list[list[str]] = []

    def run(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result]:
        names = [step.name for step in steps]
        assert names in (["probe.0"], ["guard", "probe.0"], ["guard"]), "an unexpected command"
        units = self.health(self.clock.now - self.began)
        self.clock.now += 0.5
        self.limits.append(limit)
        listing = "".join(f"{unit} loaded failed failed X\n" for unit in units)
        text = f"@@flotilla-failed\n{listing}@@flotilla-system\nrunning\n"
        results = {"probe.0": Result("probe.0", steps[-1].script, 0, text)}
        if "guard" in names:
            records = self.guard(self.clock.now - self.began) if self.guard else "boot-1\n500\n"
            results["guard"] = Result("guard", steps[0].script, 0, records)
        self.asked.append(names)
        return results

    def attempt(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result] | Unreachable:
        raise AssertionError("a host that is away is unreachable")

    def read(self, path: str) -> str | None:
        raise AssertionError("a second round trip")

    def write(self, path: str, content: str, mode: str = "0644") -> None:
        raise AssertionError("a check only reads")

    def forget_connection(self) -> None:
        raise AssertionError("nothing was rebooted")

    def say(self, message: str) -> None:
        self.said.append(message)


def nowhere(probes: Sequence[Probe]) -> Sequence[Any]:
    raise AssertionError(f"the controller is not asked: {probes}")


def run(
    health: Callable[[float], Sequence[str]],
    state: State = State.VERDICT,
    guard: Callable[[float], str] | None = None,
    probes: tuple[Probe, ...] = UNITS,
    aside: Callable[[Sequence[Probe]], Sequence[Any]] = nowhere,
    **options: Any,
) -> Any:
    clock = FakeClock()
    host = FakeHost(clock, health, guard)
    try:
        outcome = check(host, clock, Request(state, probes, **options), aside)
        result = outcome.result(diff=True)
    except FlotillaError as exc:
        result = {"failed": True, "msg": exc.message, **native(exc.details)}
    return result, host, clock


def test_a_good_host_costs_one_round_trip() -> None:
    result, host, clock = run(lambda _at: GOOD)
    assert (result["changed"], result["msg"]) == (False, "healthy: 1 probe good")
    assert result["verdict"]["attempts"] == len(host.limits) == 1
    assert result["probes"]["units"]["healthy"] is True
    assert clock.slept == []
    assert host.said == []
    assert "diff" not in result


def test_a_host_that_needs_a_while() -> None:
    result, host, clock = run(lambda at: BAD if at < 30 else GOOD, interval=5)
    assert result["verdict"]["healthy"] is True
    assert clock.slept[:4] == [1.0, 1.5, 2.25, 3.375]
    assert max(clock.slept) == 5
    assert 30 <= result["verdict"]["elapsed"] < 36
    assert host.said[0].startswith("not healthy yet: probe units: web.service has failed")
    assert len(host.said) == 2  # after 5 s, then every 15 s


def test_a_host_that_stays_broken_fails_with_its_evidence() -> None:
    result, host, _clock = run(lambda _at: BAD, timeout=60)
    assert result["failed"] is True
    assert result["msg"].startswith("cannot call lab1 healthy: probe units: web.service has failed (after ")
    assert result["verdict"]["broke"] == ["units"]
    assert result["verdict"]["attempts"] == len(host.limits)
    assert 60 <= result["verdict"]["elapsed"] <= 61
    assert result["probes"]["units"]["data"]["failed"] == ["web.service"]
    assert result["changed"] is False


def test_no_patience_is_one_attempt() -> None:
    result, host, _clock = run(lambda _at: BAD, timeout=0)
    assert result["failed"] is True
    assert len(host.limits) == 1
    assert result["msg"].endswith("(after 1 attempt in 0 s)")


def test_health_has_to_last() -> None:
    result, _host, clock = run(lambda _at: GOOD, stable_for=30, interval=7)
    assert result["verdict"]["healthy"] is True
    assert 30 <= result["verdict"]["elapsed"] < 35
    assert set(clock.slept[:4]) == {7}


def test_a_window_may_end_after_the_budget() -> None:
    result, _host, _clock = run(lambda at: BAD if at < 9 else GOOD, timeout=10, stable_for=30)
    assert result["verdict"]["healthy"] is True
    assert result["verdict"]["elapsed"] > 30


def test_flapping_starts_the_window_again() -> None:
    result, _host, _clock = run(lambda at: BAD if 8 <= at < 14 else GOOD, timeout=60, stable_for=20, interval=2)
    assert result["verdict"]["healthy"] is True
    assert result["verdict"]["elapsed"] >= 14 + 20


def test_flapping_past_the_budget_fails() -> None:
    result, _host, _clock = run(lambda at: BAD if at % 12 < 4 else GOOD, timeout=60, stable_for=20, interval=2)
    assert result["failed"] is True
    assert 60 <= result["verdict"]["elapsed"] < 75


def test_breaking_inside_the_window_fails_when_the_budget_is_gone() -> None:
    result, _host, _clock = run(lambda at: BAD if at > 15 else GOOD, timeout=10, stable_for=30, interval=5)
    assert result["failed"] is True
    assert result["verdict"]["elapsed"] < 25


def test_a_baseline_never_fails_and_is_taken_again_when_something_is_wrong() -> None:
    result, host, _clock = run(lambda _at: BAD, State.BASELINE, interval=2)
    assert result["verdict"]["healthy"] is False
    assert (result["verdict"]["broke"], result["verdict"]["already_broken"]) == ([], ["units"])
    assert result["verdict"]["attempts"] == len(host.limits) == 3


def test_a_passing_fault_is_not_in_the_baseline() -> None:
    result, host, _clock = run(lambda at: BAD if at < 1 else GOOD, State.BASELINE, interval=2)
    assert result["probes"]["units"]["healthy"] is True
    assert len(host.limits) == 2


def test_from_baseline_to_verdict() -> None:
    before, _host, _clock = run(lambda _at: BAD, State.BASELINE)
    result, host, _clock = run(lambda _at: BAD, baseline=before)
    assert result["verdict"]["already_broken"] == ["units"]
    assert result["msg"] == "healthy, with probe units (broken before): web.service has failed"
    assert len(host.limits) == 1
    worse, _host, _clock = run(lambda _at: (*BAD, "db.service"), baseline=before, timeout=5)
    assert worse["msg"].startswith("cannot call lab1 healthy: probe units: db.service has failed (after ")


def test_observed_looks_once_and_never_fails() -> None:
    result, host, _clock = run(lambda _at: BAD, State.OBSERVED)
    assert result["msg"] == "not healthy: probe units: web.service has failed"
    assert result["verdict"]["broke"] == ["units"]
    assert "failed" not in result
    assert len(host.limits) == 1


def test_a_round_trip_is_bounded_by_the_patience_of_its_probes() -> None:
    _result, host, _clock = run(lambda _at: GOOD)
    assert host.limits == [30 + 60]


def test_a_baseline_that_is_none_is_refused_before_the_host_is_asked() -> None:
    clock = FakeClock()
    host = FakeHost(clock, lambda _at: GOOD)
    with pytest.raises(Refused, match="cannot use `baseline`"):
        check(host, clock, Request(State.VERDICT, UNITS, baseline={"skipped": True}), nowhere)
    assert host.limits == []


def test_a_host_that_goes_away_is_not_caught() -> None:
    class GoneAway(Exception):
        """Stands for the connection's own error."""

    def health(at: float) -> Sequence[str]:
        if at > 3:
            raise GoneAway
        return BAD

    with pytest.raises(GoneAway):
        run(health)


def on_trial(confirm_within: int, boot: str = "boot-1") -> Callable[[float], str]:
    """What a host says that came up 40 s before the first attempt, with its guard armed."""

    def records(at: float) -> str:
        armed = f"target=b\ntarget_digest=d\nrollback_to=a\nconfirm_within={confirm_within}\narmed_at=1\n"
        files = {"armed": armed, "trial": f"boot_id={boot}\nbooted_at=1\n"}
        printed = "".join(f"\n{FILE_MARK}/guard/{name}\n{text}" for name, text in files.items())
        return f"boot-1\n{int(40 + at)}\n{printed}"

    return records


def test_a_window_that_the_guard_does_not_wait_for_fails_at_once() -> None:
    result, host, clock = run(lambda _at: GOOD, guard=on_trial(100), stable_for=300)
    assert result["failed"] is True
    assert result["msg"] == (
        "cannot call lab1 healthy: the guard brings the host back in 60 s, which is no time for 300 s more of health "
        "and 15 s to confirm it; ask for a longer confirm_within or a shorter stable_for (after 1 attempt in 0 s)"
    )
    assert result["verdict"]["healthy"] is False
    assert clock.slept == []
    assert len(host.limits) == 1


def test_a_window_that_ends_before_the_guard_does() -> None:
    result, host, _clock = run(lambda _at: GOOD, guard=on_trial(100), stable_for=30)
    assert result["verdict"]["healthy"] is True
    assert host.asked[0] == ["guard", "probe.0"]
    assert set(map(tuple, host.asked[1:])) == {("probe.0",)}  # a deadline that does not move is read once


def test_waiting_for_health_ends_while_there_is_time_to_go_back() -> None:
    result, _host, _clock = run(lambda _at: BAD, guard=on_trial(100), timeout=600, stable_for=20)
    assert result["failed"] is True
    assert result["msg"].startswith("cannot call lab1 healthy: probe units: web.service has failed; the guard brings")
    assert 20 <= result["verdict"]["elapsed"] <= 32


def test_a_fault_that_starts_the_window_again_too_late() -> None:
    result, _host, _clock = run(lambda at: BAD if 15 < at < 19 else GOOD, guard=on_trial(100), stable_for=30)
    assert "the guard brings the host back" in result["msg"]
    assert result["verdict"]["elapsed"] < 25


@pytest.mark.parametrize("guard", [None, on_trial(100, boot="boot-0")])
def test_without_a_trial_in_this_boot_there_is_no_deadline(guard: Callable[[float], str] | None) -> None:
    result, _host, _clock = run(lambda _at: GOOD, guard=guard, stable_for=300, interval=60)
    assert result["verdict"]["healthy"] is True


@pytest.mark.parametrize("state", [State.BASELINE, State.OBSERVED])
def test_only_a_verdict_has_a_deadline(state: State) -> None:
    _result, host, _clock = run(lambda _at: GOOD, state, guard=on_trial(1), stable_for=300)
    assert host.asked == [["probe.0"]]


OUTSIDE = read_probes([{"name": "port", "type": "tcp", "port": 80, "where": "controller"}], "it")
OPEN = {"open": True, "host": "192.0.2.1", "tool": "python", "error": None}
CLOSED = {"open": False, "host": "192.0.2.1", "tool": "python", "error": "no answer in 5 s"}


def test_probes_of_both_places_are_one_attempt() -> None:
    answers = iter([[CLOSED], [OPEN]])
    result, host, _clock = run(lambda _at: GOOD, probes=(*UNITS, *OUTSIDE), aside=lambda _probes: next(answers))
    assert result["verdict"]["attempts"] == 2
    assert result["probes"]["port"]["where"] == "controller"
    assert result["probes"]["port"]["healthy"] is True
    assert host.asked == [["guard", "probe.0"], ["probe.0"]]


def test_without_a_probe_on_it_a_host_is_not_asked() -> None:
    result, host, _clock = run(lambda _at: BAD, State.OBSERVED, probes=OUTSIDE, aside=lambda _probes: [CLOSED])
    assert result["msg"] == "not healthy: probe port: 192.0.2.1 port 80 is not open: no answer in 5 s"
    assert host.asked == []


def test_the_controller_not_knowing_is_not_healthy() -> None:
    lost = FlotillaError("the controller had no answer in time")
    result, _host, _clock = run(lambda _at: GOOD, State.OBSERVED, probes=OUTSIDE, aside=lambda _probes: [lost])
    assert result["verdict"]["unknown"] == ["port"]


def test_a_baseline_from_one_place_forgives_nothing_in_the_other() -> None:
    before, _host, _clock = run(lambda _at: GOOD, State.BASELINE, probes=OUTSIDE, aside=lambda _probes: [CLOSED])
    options: dict[str, Any] = {"probes": OUTSIDE, "aside": lambda _probes: [CLOSED], "timeout": 0}
    same, _host, _clock = run(lambda _at: GOOD, baseline=before, **options)
    assert same["verdict"]["already_broken"] == ["port"]
    before["probes"]["port"]["where"] = "host"
    other, _host, _clock = run(lambda _at: GOOD, baseline=before, **options)
    assert other["verdict"]["broke"] == ["port"]
