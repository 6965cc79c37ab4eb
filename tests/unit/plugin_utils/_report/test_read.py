# SPDX-License-Identifier: GPL-3.0-or-later
"""Against a real ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_rollout import NEW, OLD, POLICY

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._report.read import info
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import DONE, SUPERSEDED, Ledger
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.plan import Plan, PlannedHost
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    hosts = tuple(PlannedHost(f"h{number}", 1, "wave 1", NEW, OLD) for number in (1, 2))
    plan = Plan(hosts, {}, Policy.parse(POLICY)).document()
    with Ledger(url).write() as writer:
        for name, state in (("upgrade", SUPERSEDED), ("kernel", DONE), ("upgrade", DONE)):
            writer.set_state(writer.open_rollout(name, plan), state, f"{name} is {state}")
    return url


def _info(url: str, **options: Any) -> dict[str, Any]:
    return info({"name": "upgrade", "id": None, "which": "newest", "ledger": url, **options})


def test_newest_of_a_name(url: str) -> None:
    found = _info(url)
    assert found["report"]["rollout"]["id"] == 3
    assert found["reports"] == [found["report"]]
    assert found["table"][0] == "rollout upgrade #3: done, 0 s"


def test_one_by_its_number(url: str) -> None:
    assert _info(url, id=2)["report"]["rollout"]["name"] == "kernel"
    with pytest.raises(Refused, match="cannot read rollout #9: the ledger has none of that number"):
        _info(url, id=9)
    with pytest.raises(Refused, match="cannot read one rollout and all of them"):
        _info(url, id=2, which="all")


def test_all_of_a_name(url: str) -> None:
    found = _info(url, which="all")
    assert [one["rollout"]["id"] for one in found["reports"]] == [3, 1]
    assert found["report"]["rollout"]["id"] == 3
    assert sum(line.startswith("rollout upgrade #") for line in found["table"]) == 2


def test_list_of_everything(url: str) -> None:
    rows = _info(url, name="none of that name")
    assert rows["report"] is None
    assert (rows["reports"], rows["table"]) == ([], [])
    assert [(one["id"], one["name"], one["state"]) for one in rows["rollouts"]] == [
        (3, "upgrade", "done"),
        (2, "kernel", "done"),
        (1, "upgrade", "superseded"),
    ]
    assert rows["rollouts"][0]["phases"] == {"steady": 2}


def test_no_ledger_is_empty_and_none_is_made(tmp_path: Path) -> None:
    for which in ("newest", "all"):
        assert _info(f"sqlite:///{tmp_path}/none.sqlite", which=which)["rollouts"] == []
    assert list(tmp_path.iterdir()) == []
