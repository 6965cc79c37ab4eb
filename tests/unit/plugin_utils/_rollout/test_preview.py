# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module rollout_plan returns, from what Ansible knows of a play."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.action.rollout_plan import ActionModule
from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import validated
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.preview import preview


def _observed(digest: str = "a") -> dict[str, Any]:
    state = {"driver": "ostree", "booted": {"id": "x", "digest": digest * 64, "version": "1"}}
    return {"host_state": state, "offer": {"digest": "b" * 64, "version": "2"}}


class _Variables(dict[str, Any]):
    """Host variables; those that nobody has a business with must not be templated."""

    def __getitem__(self, name: str) -> Any:
        assert name != "expensive"
        return super().__getitem__(name)


def _preview(hosts: int = 3, **options: Any) -> dict[str, Any]:
    names = [f"h{number}" for number in range(hosts)]
    variables = {
        name: _Variables(observed=_observed(), rack=f"r{number % 2}", expensive=1) for number, name in enumerate(names)
    }
    given = validated(ActionModule.SPEC, {"results": "observed", **options})
    return preview(given, {"ansible_play_hosts_all": names, "hostvars": variables})


def test_same_input_same_bytes() -> None:
    options: dict[str, Any] = {"canaries": ["rack == 'r1'"], "max_unavailable_per": {"rack": 1}}
    first, again = _preview(**options), _preview(**options)
    assert first["content"] == again["content"]
    assert json.loads(first["content"]) == first["plan"]
    assert not first["changed"]
    assert first["msg"].endswith(": wave 1: h1; wave 2: h0; wave 3: h2; 0 left out; at most 1 away at once")


def test_history_is_given_or_that_of_the_ledger(tmp_path: Path) -> None:
    assert _preview(history=[60, 80])["plan"]["estimate"]["turn_seconds"] == 70
    ledger = f"sqlite:///{tmp_path}/ledger.sqlite"
    assert _preview(ledger=ledger)["plan"]["estimate"] is None
    assert not list(tmp_path.iterdir()), "it only reads"


def test_quarantine_of_the_ledger_counts(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    with Ledger(url).write() as writer:
        writer.put_in_quarantine("b" * 64, "2", "h9", "it panics")
    with pytest.raises(Refused, match="is in quarantine"):
        _preview(ledger=url)
    assert _preview(ledger=url, on_quarantined="leave_out")["msg"].endswith("3 left out; at most 0 away at once")
