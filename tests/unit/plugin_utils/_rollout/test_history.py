# SPDX-License-Identifier: GPL-3.0-or-later
"""How long turns took."""

from __future__ import annotations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.history import turn_seconds
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import HostRecord, RolloutRecord


def _host(phase: Phase, entered: int | None, left: int | None) -> HostRecord:
    return HostRecord("h", 1, 0, "d", phase, None, None, 1, None, entered, left)


def test_only_turns_that_ended_well_count() -> None:
    hosts = (
        _host(Phase.CONFIRMED, 100, 190),
        _host(Phase.ROLLED_BACK, 100, 900),
        _host(Phase.CONFIRMED, None, 190),
        _host(Phase.STAGED, None, None),
    )
    assert turn_seconds(RolloutRecord(1, "upgrade", "done", None, {}, 0, None, hosts)) == [90]
    assert turn_seconds(None) == []
