# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts: what counts, what was broken before, what nobody knows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.request import Probe, read_probes
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.verdict import (
    Reading,
    judge,
    lasting,
    looking_back,
    read,
    read_baseline,
    with_restarts,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.native import native


def probe(name: str = "units", **options: Any) -> Probe:
    return read_probes([{"name": name, "type": "systemd", **options}], "it")[0]


def failed(*units: str, system: str = "degraded", **options: Any) -> Reading:
    listing = "".join(f"{unit} loaded failed failed X\n" for unit in units)
    text = f"@@flotilla-failed\n{listing}@@flotilla-system\n{system}\n"
    return read(probe(**options), Result("probe.0", "", 0, text))


def lost(**options: Any) -> Reading:
    return read(probe(**options), Result("probe.0", "", 69, ""))


def baseline(*readings: Reading) -> Any:
    # through JSON: a baseline is kept, and comes back from elsewhere
    return read_baseline(json.loads(json.dumps(native({"probes": {r.probe.name: r.entry() for r in readings}}))))


def test_all_good() -> None:
    verdict = judge([failed()])
    assert (verdict.healthy, verdict.reasons, verdict.warnings) == (True, (), ())


def test_without_a_baseline_all_that_is_broken_counts() -> None:
    verdict = judge([failed("a.service")])
    assert not verdict.healthy
    assert verdict.broke == ("units",)
    assert verdict.reasons == ("probe units: a.service has failed",)


def test_what_was_broken_before_is_reported_and_does_not_count() -> None:
    verdict = judge([failed("a.service")], baseline(failed("a.service")))
    assert verdict.healthy
    assert verdict.already_broken == ("units",)
    assert verdict.warnings == ("probe units (broken before): a.service has failed",)


def test_what_broke_since_counts_beside_what_was_broken_before() -> None:
    verdict = judge([failed("a.service", "b.service")], baseline(failed("a.service")))
    assert not verdict.healthy
    assert (verdict.broke, verdict.already_broken) == (("units",), ("units",))
    assert verdict.reasons == ("probe units: b.service has failed",)


def test_what_was_repaired_is_good() -> None:
    assert judge([failed()], baseline(failed("a.service"))).already_broken == ()


def test_a_baseline_can_be_ignored() -> None:
    before = baseline(failed("a.service"))
    assert not judge([failed("a.service", ignore_baseline=True)], before).healthy


def test_a_probe_that_the_baseline_does_not_have_counts() -> None:
    assert not judge([failed("a.service", name="other")], baseline(failed("a.service"))).healthy


def test_a_probe_of_another_type_is_another_probe() -> None:
    before = read_baseline({"probes": {"units": {"type": "http", "faults": {"unit:a.service": "x"}, "data": None}}})
    assert not judge([failed("a.service")], before).healthy


def test_a_probe_that_is_not_critical_is_reported() -> None:
    verdict = judge([failed("a.service", critical=False)])
    assert verdict.healthy
    assert verdict.warnings == ("probe units (not critical): a.service has failed",)
    assert (verdict.broke, verdict.reasons) == ((), ())


def test_what_is_not_known_is_not_healthy_and_never_forgiven() -> None:
    assert lost().healthy is False
    verdict = judge([lost()], baseline(lost()))
    assert not verdict.healthy
    assert verdict.unknown == ("units",)
    assert verdict.reasons == ("probe units: not known: there is no systemctl on the host",)


def test_an_unknown_baseline_forgives_nothing() -> None:
    assert not judge([failed("a.service")], baseline(lost())).healthy


def test_a_healthy_host_needs_nothing_of_a_baseline() -> None:
    assert judge([failed()], baseline(lost())).healthy


def test_many_faults_make_a_short_reason() -> None:
    (reason,) = judge([failed(*(f"u{n}.service" for n in range(9)))]).reasons
    assert reason.endswith("u4.service has failed and 4 more")


def test_a_query_takes_the_place_of_the_expectation() -> None:
    query = {"query": "system", "expect": ["running", "degraded"]}
    reading = failed("a.service", **query)
    assert (reading.healthy, reading.value) == (True, "degraded")
    wrong = failed(system="starting", **query)
    assert wrong.faults == {"answer": 'system is "starting", expected "running" or "degraded"'}


def test_a_query_alone_must_be_true() -> None:
    assert failed(query="length(failed) < `2`").healthy
    assert failed("a.service", "b.service", query="length(failed) < `2`").faults["answer"].endswith("expected true")
    assert not failed(query="length(failed)").healthy


def test_a_query_that_does_not_fit_is_not_known() -> None:
    assert list(failed(query="length(no_such_key)").faults) == ["unknown"]


def test_what_options_ask_for_holds_beside_a_query() -> None:
    given = {"name": "w", "type": "http", "url": "http://h/", "query": "json.ready"}
    (web,) = read_probes([given], "it")
    answer = 'curl\nHTTP/1.1 503 Busy\n\n{"ready": true}'
    reading = read(web, Result("probe.0", "", 0, answer, "\nrc=0\n"))
    assert reading.value is True
    assert reading.faults == {"answer": "http://h/ answered 503, expected 200"}


def test_an_entry_is_native_and_whole() -> None:
    entry = native(failed("a.service").entry())
    assert entry == {
        "type": "systemd",
        "where": "host",
        "healthy": False,
        "critical": True,
        "value": ["a.service"],
        "reason": "a.service has failed",
        "faults": {"unit:a.service": "a.service has failed"},
        "data": {"units": {}, "failed": ["a.service"], "system": "degraded"},
    }


def test_a_baseline_keeps_what_lasted() -> None:
    assert lasting([[failed("a.service", "b.service")], [failed("b.service")]])[0].faults.keys() == {"unit:b.service"}
    assert lasting([[failed("a.service")], [failed()]])[0].healthy
    assert list(lasting([[failed("a.service")], [failed("b.service")]])[0].faults) == ["unknown"]


def test_a_restart_between_two_attempts_is_a_fault() -> None:
    def look(restarts: int) -> Reading:
        shown = f"LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nNRestarts={restarts}\n"
        text = f"Id=a.service\n{shown}@@flotilla-failed\n@@flotilla-system\nrunning\n"
        return read(probe(units=["a.service"]), Result("probe.0", "", 0, text))

    assert look(4).healthy
    assert with_restarts([look(3)], [look(3)])[0].healthy
    assert with_restarts([look(3)], [look(4)])[0].faults == {
        "unit:a.service": "a.service was restarted by systemd between two looks"
    }
    assert with_restarts([lost(units=["a.service"])], [look(4)])[0].healthy


def test_a_probe_of_denials_begins_at_the_baseline() -> None:
    (denials,) = read_probes([{"name": "mac", "type": "mac_denials", "since": "baseline"}], "it")
    before = read_baseline({"probes": {"mac": {"type": "mac_denials", "faults": {}, "data": {"at": 17}}}})
    (begun,) = looking_back([denials], before)
    assert getattr(begun.kind, "after", None) == 17
    assert looking_back([denials], None) == (denials,)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"probes": []},
        {"failed": True, "msg": "x"},
        {"probes": {"units": {}}},
        {"probes": {"units": {"faults": []}}},
    ],
)
def test_what_is_no_baseline_is_refused(value: Any) -> None:
    with pytest.raises(Refused, match="cannot use `baseline`"):
        read_baseline(value)


def test_no_baseline() -> None:
    assert read_baseline(None) is None
