# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans and policies: the same input gives the same bytes, impossible ones are refused with the arithmetic."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import Seen, Version, seen
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.plan import (
    Quarantined,
    canonical,
    make_plan,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy

OLD, NEW = Version("a" * 64, "1"), Version("b" * 64, "2")


def _policy(waves: list[Any] | None = None, unavailable: Any = 1, failures: Any = 0) -> Policy:
    return Policy.parse({"waves": waves or [1, "100%"], "max_unavailable": unavailable, "max_failures": failures})


def _fleet(count: int, **changes: Any) -> list[Seen]:
    return [Seen(f"h{n}", **{"driver": "ostree", "booted": OLD, "offer": NEW, **changes}) for n in range(count)]


@pytest.mark.parametrize(
    ("waves", "hosts", "sizes"),
    [
        ([1, "100%"], 3, [1, 2]),
        ([1, "25%", "50%"], 20, [1, 5, 10, 4]),
        (["10%"], 25, [3, 3, 3, 3, 3, 3, 3, 3, 1]),
        ([2], 5, [2, 2, 1]),
        ([1, "100%"], 1, [1]),
    ],
)
def test_wave_sizes(waves: list[Any], hosts: int, sizes: list[int]) -> None:
    assert _policy(waves).wave_sizes(hosts) == sizes


@given(
    st.lists(st.one_of(st.integers(1, 50), st.integers(1, 100).map("{}%".format)), min_size=1, max_size=6),
    st.integers(0, 300),
)
def test_waves_add_up_and_end(waves: list[Any], hosts: int) -> None:
    sizes = _policy(waves).wave_sizes(hosts)
    assert sum(sizes) == hosts
    assert all(size > 0 for size in sizes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"waves": []}, "they must be a list"),
        ({"waves": "all"}, "they must be a list"),
        ({"waves": [0]}, "wave 1 has the size 0"),
        ({"waves": ["0%"]}, "wave 1 has the size 0%"),
        ({"waves": [-1]}, "neither a number of hosts nor a percentage"),
        ({"waves": ["120%"]}, "up to 100%"),
        ({"waves": [True]}, "neither a number"),
        ({"max_unavailable": 0}, "no host could ever be rebooted"),
        ({"max_failures": "many"}, "max_failures"),
    ],
)
def test_impossible_policy(options: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        Policy.parse({"waves": [1], "max_unavailable": 1, "max_failures": 0, **options})


def test_wave_that_nobody_reaches_is_refused_with_the_arithmetic() -> None:
    with pytest.raises(Refused, match=r"cannot plan waves \[1, 2, 5\] for 3 hosts: after waves of 1 \+ 2 = 3 no host"):
        make_plan(_fleet(3), _policy([1, 2, 5]), {})


def test_same_input_same_bytes() -> None:
    documents = [make_plan(_fleet(7), _policy([1, "30%"]), {}).document() for _again in range(2)]
    assert canonical(documents[0]) == canonical(documents[1])
    assert len(documents[0]["digest"]) == 64
    other = make_plan(_fleet(7), _policy([2, "30%"]), {}).document()
    assert other["digest"] != documents[0]["digest"]


def test_order_targets_and_reasons() -> None:
    plan = make_plan(
        [*_fleet(3), Seen("there", driver="ostree", booted=NEW, offer=NEW), Seen("odd", booted=OLD)], _policy(), {}
    )
    assert [[one.host for one in wave] for wave in plan.waves] == [["h0"], ["h1", "h2"]]
    assert "canary" in plan.hosts[0].why
    assert plan.hosts[0].rollback_to == OLD
    assert plan.left_out["there"].startswith("already there")
    assert plan.left_out["odd"].startswith("unsupported")


def test_quarantined_target_is_refused() -> None:
    bad = Quarantined(NEW.digest, "2", "h9", "boot_failed: it panics", "yesterday")
    with pytest.raises(
        Refused, match=r"2 \(bbbbbbbbbbbb\) is in quarantine since yesterday because of h9: boot_failed.*release"
    ):
        make_plan(_fleet(2), _policy(), {NEW.digest: bad})


def test_a_host_that_cannot_be_observed_counts() -> None:
    lost = Seen("lost", trouble="no route", reachable=False)
    with pytest.raises(Refused, match="1 of 3 hosts cannot be observed.*lost: no route"):
        make_plan([*_fleet(2), lost], _policy(), {})
    plan = make_plan([*_fleet(3), lost], _policy(unavailable=2, failures=1), {})
    assert plan.document()["max_unavailable"] == 1
    assert plan.document()["max_failures"] == 0


def test_results_that_are_no_observation_are_trouble() -> None:
    assert seen("h", None).trouble == "it was not observed"
    assert not seen("h", {"unreachable": True, "msg": "gone"}).reachable
    assert seen("h", {"failed": True, "msg": "a\n b"}).trouble == "a b"
    assert seen("h", {}).trouble is not None
