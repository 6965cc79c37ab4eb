# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking up a rollout: what is recorded against what is seen."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import TRANSITIONS, Phase, may_go
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import HostRecord
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import Seen, Version
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.reconcile import correct, way

OLD, NEW = Version("a" * 64, "1"), Version("b" * 64, "2")
SEEN = {
    "old": Seen("h", driver="ostree", booted=OLD),
    "staged": Seen("h", driver="ostree", booted=OLD, staged=NEW),
    "guarded": Seen("h", driver="ostree", booted=OLD, staged=NEW, guarded=NEW.digest),
    "on trial": Seen("h", driver="ostree", booted=NEW, on_trial=NEW.digest),
    "new": Seen("h", driver="ostree", booted=NEW),
    "boot failed": Seen("h", driver="ostree", booted=OLD, fell_back_from=NEW.digest, fallback_cause="boot_failed"),
    "not confirmed": Seen("h", driver="ostree", booted=OLD, fell_back_from=NEW.digest, fallback_cause="not_confirmed"),
    "fell back, staged again": Seen(
        "h", driver="ostree", booted=OLD, staged=NEW, fell_back_from=NEW.digest, fallback_cause="reset"
    ),
    "gone": Seen("h", trouble="no route", reachable=False),
    "odd": Seen("h", trouble="no shell"),
}


def _record(phase: Phase) -> HostRecord:
    return HostRecord("h", 1, 0, NEW.digest, phase, "because", None, 0, None, None, None)


@pytest.mark.parametrize(
    ("recorded", "seen", "expected", "quarantine"),
    [
        (Phase.STEADY, "old", Phase.STEADY, False),
        (Phase.STAGED, "old", Phase.STEADY, False),
        (Phase.STAGED, "staged", Phase.STAGED, False),
        (Phase.GUARDED, "staged", Phase.STAGED, False),
        (Phase.GUARDED, "guarded", Phase.STAGED, False),
        (Phase.GUARDED, "on trial", Phase.BOOTED, False),
        (Phase.GUARDED, "new", Phase.BOOTED, False),
        (Phase.STEADY, "new", Phase.STAGED, False),
        (Phase.UNREACHABLE, "on trial", Phase.BOOTED, False),
        (Phase.UNREACHABLE, "old", Phase.STEADY, False),
        (Phase.GUARDED, "boot failed", Phase.ROLLED_BACK, True),
        (Phase.UNREACHABLE, "boot failed", Phase.ROLLED_BACK, True),
        # On record already; the user has released it, or the plan would have been refused.
        (Phase.ROLLED_BACK, "boot failed", Phase.STEADY, False),
        (Phase.STAGED, "boot failed", Phase.STEADY, False),
        # Nobody was watching: no proof against the target.
        (Phase.GUARDED, "not confirmed", Phase.STEADY, False),
        (Phase.GUARDED, "fell back, staged again", Phase.STAGED, False),
        (Phase.STAGED, "gone", Phase.UNREACHABLE, False),
        (Phase.GUARDED, "odd", Phase.FAILED, False),
        (Phase.CONFIRMED, "gone", Phase.CONFIRMED, False),
    ],
)
def test_situation(recorded: Phase, seen: str, expected: Phase, quarantine: bool) -> None:
    correction = correct(_record(recorded), SEEN[seen])
    assert (correction.phase, correction.quarantine) == (expected, quarantine)


@pytest.mark.parametrize(("recorded", "seen"), list(itertools.product(Phase, SEEN)))
def test_every_correction_has_a_way_and_confirms_nobody(recorded: Phase, seen: str) -> None:
    correction = correct(_record(recorded), SEEN[seen])
    if recorded is not Phase.CONFIRMED:
        assert correction.phase is not Phase.CONFIRMED
    here = recorded
    for step in way(recorded, correction.phase):
        assert may_go(here, step)
        here = step
    assert here is correction.phase


def test_the_way_is_short_and_follows_the_table() -> None:
    assert way(Phase.GUARDED, Phase.CONFIRMED) == [Phase.ACTIVATING, Phase.BOOTED, Phase.HEALTHY, Phase.CONFIRMED]
    assert way(Phase.STAGED, Phase.STAGED) == []
    assert all(len(way(before, after)) == 1 for before in Phase for after in TRANSITIONS[before])
