# SPDX-License-Identifier: GPL-3.0-or-later
"""Exactly a given plan, or none."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.apply import (
    check_document,
    check_same_plan,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.conduct import Conductor
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import Seen, Version
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.plan import canonical, make_plan
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy

OLD, NEW, NEWER = Version("a" * 64, "1"), Version("b" * 64, "2"), Version("c" * 64, "3")
POLICY = Policy.parse({"waves": [1, "double"], "max_unavailable_per": {"rack": 1}, "wave_soak": [1, 2]})


def _fleet(**changes: Any) -> list[Seen]:
    fleet = [
        Seen(f"h{number}", driver="ostree", booted=OLD, offer=NEW, variables={"rack": "r1"}) for number in range(3)
    ]
    return [replace(fleet[0], **changes), *fleet[1:]]


def _document(fleet: list[Seen]) -> dict[str, Any]:
    return make_plan(fleet, POLICY, {}).document()


def test_it_survives_a_file() -> None:
    document = json.loads(canonical(_document(_fleet())))
    check_document(document)
    assert Policy.parse(document["policy"]) == POLICY
    check_same_plan(document, _document(_fleet()), under_way=False)


def test_edited_plan_is_refused() -> None:
    document = copy.deepcopy(_document(_fleet()))
    document["waves"][0][0]["target"]["digest"] = "f" * 64
    with pytest.raises(Refused, match="it was changed since it was made"):
        check_document(document)
    with pytest.raises(Refused, match="it has no waves"):
        check_document({"digest": "x"})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"offer": NEWER},
            'no longer matches it: target of h0 is {"digest":"bbb.* in the plan, and .*ccc.* now',
        ),
        ({"booted": NEWER}, "rollback_to of h0 is .*aaa.* in the plan, and .*ccc"),
        ({"booted": NEW}, "h0 is to be upgraded in the plan, and now it is not: already there"),
        ({"variables": {"rack": "r2"}}, 'groups of h0 is {"rack":"r1"} in the plan, and {"rack":"r2"} now'),
        ({"host": "h9"}, "h0 is to be upgraded in the plan, and now it is not: not there"),
    ],
)
def test_another_fleet_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        check_same_plan(_document(_fleet()), _document(_fleet(**changes)), under_way=False)


def test_conductor_applies_that_plan_or_none(tmp_path: Path) -> None:
    conductor = Conductor(Ledger(f"sqlite:///{tmp_path}/ledger.sqlite"), "upgrade", "c1", lambda _one: False)
    wanted = _document(_fleet())
    with pytest.raises(Refused, match="target of h0"):
        conductor.plan(_fleet(offer=NEWER), POLICY, check=False, wanted=wanted)
    assert conductor.ledger.rollout("upgrade") is None
    assert not conductor.plan(_fleet(), POLICY, check=False, wanted=wanted).resumed
    assert conductor.plan(_fleet(), POLICY, check=False, wanted=wanted).resumed
    record = conductor.ledger.rollout("upgrade")
    assert record is not None
    assert record.plan["digest"] == wanted["digest"]
