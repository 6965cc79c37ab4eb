# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy from the options through the plan to the gate: canaries, groups, soak, windows, exclusion."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import BAD, IN_FLIGHT, Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.gate import Answer, Verdict, ask
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import HostRecord, RolloutRecord
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import Seen, Version
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.plan import (
    Plan,
    Quarantined,
    canonical,
    digest_of,
    left_out_by_policy,
    make_plan,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy

OLD, NEW, BAD_ONE = Version("a" * 64, "1"), Version("b" * 64, "2"), Version("c" * 64, "3")
# A Saturday, 12:00 UTC.
NOW = int(datetime(2026, 11, 28, 12, tzinfo=timezone.utc).timestamp())
S, B, C = Phase.STAGED, Phase.BOOTED, Phase.CONFIRMED


def _seen(host: str, **variables: Any) -> Seen:
    return Seen(host, driver="ostree", booted=OLD, offer=NEW, variables=variables)


def _lost(host: str, **variables: Any) -> Seen:
    return Seen(host, trouble="no route", reachable=False, variables=variables)


def _plan(fleet: list[Seen], **options: Any) -> Plan:
    return make_plan(fleet, Policy.parse({"waves": ["100%"], "max_unavailable": "100%", **options}), {})


def _rollout(plan: Plan, phases: dict[str, Phase], left_at: int | None = NOW) -> RolloutRecord:
    hosts = tuple(
        HostRecord(
            one.host,
            one.wave,
            position,
            one.target.digest,
            phases.get(one.host, S),
            "because",
            "c" if phases.get(one.host) in IN_FLIGHT else None,
            1,
            NOW + 600 if phases.get(one.host) in IN_FLIGHT else None,
            NOW,
            left_at if phases.get(one.host) in BAD | {C} else None,
        )
        for position, one in enumerate(plan.hosts)
    )
    return RolloutRecord(1, "upgrade", "open", None, plan.document(), NOW, None, hosts)


def _ask(plan: Plan, host: str, phases: dict[str, Phase] | None = None, now: int = NOW) -> Verdict:
    return ask(_rollout(plan, phases or {}), host, now, lambda _controller: False)


def _racks(count: int = 4) -> list[Seen]:
    return [_seen(f"h{number}", rack=f"r{number % 2}") for number in range(count)]


# -- who goes when


def test_selected_canaries_go_first() -> None:
    fleet = [_seen("h1", role="db"), _seen("h2", role="test"), _seen("h3"), _seen("h4", role="test")]
    plan = _plan(fleet, canaries=["role == 'test'"])
    assert [[one.host for one in wave] for wave in plan.waves] == [["h2", "h4"], ["h1", "h3"]]
    assert plan.hosts[0].why == "canary, wave 1 takes what \"role == 'test'\" selects"
    assert plan.hosts[2].why == "wave 2 takes 100% of 4: 2"


def test_canaries_that_run_the_target_have_gone() -> None:
    there = replace(_seen("h1", canary=True), booted=NEW)
    assert [one.host for one in _plan([there, _seen("h2")], canaries=["canary"]).hosts] == ["h2"]


@pytest.mark.parametrize(
    ("fleet", "words"),
    [
        ([_seen("h1")], "no canary: 'canary' selects 0 of 1 hosts"),
        (
            [_lost("h1", canary=True), _seen("h2")],
            "none of the 1 canaries .* can go first: h1 is not observed: no route",
        ),
        ([_seen("h1", canary="yes"), _seen("h2")], "it gives 'yes', not true or false"),
    ],
)
def test_no_canary_no_plan(fleet: list[Seen], words: str) -> None:
    with pytest.raises(Refused, match=words):
        _plan(fleet, canaries=["canary"], max_failures=1, max_unavailable=2)


def test_left_out_with_the_reason() -> None:
    fleet = [_seen("h1"), _lost("h2"), _seen("h3", night=True), replace(_seen("h4", night=True), offer=BAD_ONE)]
    policy = Policy.parse(
        {
            "exclude": ["h2"],
            "on_quarantined": "leave_out",
            "windows": [{"from": "01:00", "to": "02:00", "hosts": "night"}],
        }
    )
    plan = make_plan(fleet, policy, {BAD_ONE.digest: Quarantined(BAD_ONE.digest, "3", "h9", "panics", "today")})
    assert [one.host for one in plan.hosts] == ["h3"]
    assert plan.left_out["h1"] == "in no window: none of the 1 windows is for it"
    assert plan.left_out["h2"] == "excluded: the policy names it"
    assert plan.left_out["h4"].startswith("quarantined: 3 (cccccccccccc) is in quarantine")
    assert plan.missing == 0
    assert left_out_by_policy(plan.document()) == {"h1", "h2"}


# -- groups


def test_budget_of_a_rack() -> None:
    plan = _plan(_racks(), max_unavailable_per={"rack": 1})
    assert _ask(plan, "h2", {"h0": B}).answer is Answer.WAIT
    assert _ask(plan, "h2", {"h0": B}).why == "max_unavailable_per rack r0 is 1: h0 (booted)"
    assert _ask(plan, "h1", {"h0": B}).answer is Answer.GO
    assert plan.document()["groups"]["rack"]["r0"] == {
        "hosts": 2,
        "missing": 0,
        "max_unavailable": 1,
        "max_failures": None,
        "worst_case_down": 1,
    }


def test_never_two_members_of_a_quorum() -> None:
    fleet = [_seen("e1", etcd="main"), _seen("e2", etcd="main"), _seen("e3", etcd="main"), _seen("w1"), _seen("w2")]
    plan = _plan(fleet, max_unavailable_per={"etcd": 1}, max_failures=1)
    assert _ask(plan, "e2", {"e1": B, "w1": B}).answer is Answer.WAIT
    assert _ask(plan, "w2", {"e1": B, "w1": B}).answer is Answer.GO
    gone = _ask(plan, "e2", {"e1": Phase.UNREACHABLE})
    assert gone.answer is Answer.REFUSE
    assert gone.why.endswith("nothing is under way that could change that")


def test_failures_of_a_group_stop_all_groups() -> None:
    plan = _plan(_racks(), max_failures=4, max_failures_per={"rack": 0})
    verdict = _ask(plan, "h1", {"h0": Phase.ROLLED_BACK})
    assert verdict.answer is Answer.STOP
    assert verdict.why == "max_failures_per rack r0 is 0, and 1 failed: h0 rolled_back: because"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_unavailable_per": {"rack": 1}}, r"max_unavailable_per rack r0 is 1 of 3: 1, and 1 .* 1 - 1 = 0"),
        ({"max_failures_per": {"rack": 0}}, "max_failures_per rack r0 is 0 of 3: 0, and 1 of them cannot be observed"),
        ({"max_unavailable_per": {"rack": 0}}, "no host that has a rack could ever be rebooted"),
        ({"max_unavailable_per": 1}, "must be a dictionary"),
        ({"wave_soak": "soon"}, "no number of seconds"),
        ({"wave_soak": [60, -1]}, "no number of seconds"),
    ],
)
def test_impossible_policy(options: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        _plan([*_racks(), _lost("h9", rack="r0")], max_failures=1, **options)


def test_missing_host_is_down_in_its_group() -> None:
    plan = _plan([*_racks(), _lost("h9", rack="r0")], max_failures=1, max_unavailable_per={"rack": 2})
    group = plan.document()["groups"]["rack"]["r0"]
    assert (group["missing"], group["max_unavailable"], group["worst_case_down"]) == (1, 1, 2)
    assert _ask(plan, "h2", {"h0": B}).answer is Answer.WAIT


# -- time


def test_a_wave_soaks() -> None:
    plan = _plan(_racks(), waves=[1, 1, "100%"], wave_soak=[600, 0])
    verdict = _ask(plan, "h1", {"h0": C}, NOW + 599)
    assert (verdict.answer, verdict.moving) == (Answer.WAIT, True)
    assert "wave 1 soaks until 2026-11-28 12:10:00 UTC: 1 s more" in verdict.why
    assert _ask(plan, "h1", {"h0": C}, NOW + 600).answer is Answer.GO
    assert _ask(plan, "h2", {"h0": C, "h1": C}).answer is Answer.GO


def test_the_wave_after_one_that_soaks_waits_with_it() -> None:
    """Nobody is in flight, and still it is no stall: the soak ends by itself."""
    plan = _plan(_racks(), waves=[1, 1, "100%"], wave_soak=[600, 0])
    verdict = _ask(plan, "h2", {"h0": C}, NOW + 300)
    assert (verdict.answer, verdict.moving) == (Answer.WAIT, True)
    assert not _ask(plan, "h2", {"h0": C}, NOW + 600).moving


def test_the_wave_after_one_that_waits_for_its_window_waits_with_it() -> None:
    windows = [
        {"days": ["sat"], "from": "13:00", "to": "14:00", "hosts": "rack == 'r0'"},
        {"from": "11:00", "to": "16:00", "hosts": "rack == 'r1'"},
    ]
    patient = _plan(_racks(2), waves=[1, "100%"], windows=windows, window_wait=3600)
    assert (_ask(patient, "h1").answer, _ask(patient, "h1").moving) == (Answer.WAIT, True)
    hasty = _plan(_racks(2), waves=[1, "100%"], windows=windows)
    assert (_ask(hasty, "h1").answer, _ask(hasty, "h1").moving) == (Answer.WAIT, False)


def test_what_is_not_known_to_have_soaked_has_not() -> None:
    plan = _plan(_racks(), waves=[1, "100%"], wave_soak=600, max_failures=1)
    unknown = ask(_rollout(plan, {"h0": C}, left_at=None), "h1", NOW + 9999, lambda _controller: False)
    assert unknown.answer is Answer.STOP
    assert _ask(plan, "h1", {"h0": Phase.ROLLED_BACK}, NOW + 9999).answer is Answer.STOP


def test_outside_of_its_window_a_host_waits_a_little_or_is_refused() -> None:
    windows = [{"days": ["sat"], "from": "13:00", "to": "14:00"}]
    refused = _ask(_plan(_racks(), windows=windows), "h0")
    assert refused.answer is Answer.REFUSE
    assert refused.why == (
        "h0 is outside of its window (sat 13:00-14:00 UTC), which opens at 2026-11-28 13:00:00 UTC; run again then"
    )
    patient = _plan(_racks(), windows=windows, window_wait=3600)
    assert (_ask(patient, "h0").answer, _ask(patient, "h0").moving) == (Answer.WAIT, True)
    assert _ask(patient, "h0", now=NOW + 3600).answer is Answer.GO
    assert _ask(patient, "h0", now=NOW + 7200).answer is Answer.REFUSE
    assert _ask(patient, "h0", {"h0": B}, now=NOW + 7200).answer is not Answer.REFUSE, "a turn that began may end"


def test_window_of_some_hosts() -> None:
    windows = [
        {"from": "11:00", "to": "13:00", "hosts": "rack == 'r0'"},
        {"from": "01:00", "to": "02:00", "hosts": "rack == 'r1'"},
    ]
    plan = _plan(_racks(), windows=windows)
    assert [one.windows for one in plan.hosts] == [(0,), (1,), (0,), (1,)]
    assert _ask(plan, "h0").answer is Answer.GO
    assert _ask(plan, "h1").answer is Answer.REFUSE


# -- the document


def test_history_changes_the_estimate_and_not_the_digest() -> None:
    policy = Policy.parse({"waves": [1, "100%"], "max_unavailable": 2, "wave_soak": 60})
    without = make_plan(_racks(6), policy, {}).document()
    known = make_plan(_racks(6), policy, {}, history=[90, 100, 300]).document()
    assert without["estimate"] is None
    assert known["estimate"] == {"seconds": 4 * 100 + 60, "turn_seconds": 100, "turns": 3}
    assert known["digest"] == without["digest"] == digest_of(known)


_LABELS = st.fixed_dictionaries(
    {},
    optional={
        "rack": st.sampled_from(["r0", "r1", 2]),
        "etcd": st.sampled_from(["a", "b"]),
        "canary": st.booleans(),
    },
)
_HOSTS = st.lists(
    st.tuples(_LABELS, st.sampled_from(["going", "there", "lost", "odd", "excluded"])), min_size=1, max_size=25
)
_AMOUNTS = st.one_of(st.integers(1, 4), st.integers(1, 100).map("{}%".format))
_OPTIONS = st.fixed_dictionaries(
    {
        "waves": st.lists(st.one_of(st.integers(1, 100).map("{}%".format)), min_size=1, max_size=3),
        "max_unavailable": _AMOUNTS,
        "max_failures": st.integers(0, 5),
        "max_unavailable_per": st.dictionaries(st.sampled_from(["rack", "etcd"]), _AMOUNTS),
        "max_failures_per": st.dictionaries(st.sampled_from(["rack", "etcd"]), st.integers(0, 3)),
        "canaries": st.sampled_from([[], ["canary"]]),
    }
)


def _fleet(hosts: list[tuple[dict[str, Any], str]]) -> list[Seen]:
    kinds = {"going": {}, "excluded": {}, "there": {"booted": NEW}, "odd": {"driver": None}}
    return [
        _lost(f"h{number}", **labels) if kind == "lost" else replace(_seen(f"h{number}", **labels), **kinds[kind])
        for number, (labels, kind) in enumerate(hosts)
    ]


@given(
    _HOSTS, _OPTIONS, st.lists(st.sampled_from([S, B, C, Phase.FAILED, Phase.ROLLED_BACK]), min_size=25, max_size=25)
)
def test_any_plan(hosts: list[tuple[dict[str, Any], str]], options: dict[str, Any], phases: list[Phase]) -> None:
    """Every host is once in a wave or left out; same bytes; and the gate keeps every budget of every group."""
    exclude = [f"h{number}" for number, (_labels, kind) in enumerate(hosts) if kind == "excluded"]
    policy = Policy.parse({**options, "exclude": exclude})
    assert Policy.parse(policy.native()) == policy
    try:
        plan = make_plan(_fleet(hosts), policy, {})
    except Refused:
        return
    document = plan.document()
    assert canonical(document) == canonical(make_plan(_fleet(hosts), policy, {}).document())
    placed = [one["host"] for wave in document["waves"] for one in wave]
    assert sorted([*placed, *document["left_out"]]) == sorted(f"h{number}" for number in range(len(hosts)))
    assert all(document["waves"])
    assert all(one["wave"] == number for number, wave in enumerate(document["waves"], 1) for one in wave)
    now = dict(zip(placed, phases, strict=False))
    rollout = _rollout(plan, now)
    groups = {one.host: one.groups for one in plan.hosts}
    for host in placed:
        if now[host] is not S or ask(rollout, host, NOW, lambda _controller: False).answer is not Answer.GO:
            continue
        for label, value in groups[host].items():
            budget = document["groups"][label][value]
            members = [one for one in placed if one != host and groups[one].get(label) == value]
            down = sum(now[one] in (B, Phase.FAILED) for one in members)
            if budget["max_unavailable"] is not None:
                assert down < budget["max_unavailable"]
            if budget["max_failures"] is not None:
                assert sum(now[one] in BAD for one in members) <= budget["max_failures"]
            assert down + 1 + budget["missing"] <= budget["worst_case_down"]
