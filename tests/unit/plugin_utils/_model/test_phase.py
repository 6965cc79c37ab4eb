# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a host: the table is closed, and what is seen decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import (
    BAD,
    IN_FLIGHT,
    TRANSITIONS,
    Phase,
    may_go,
    observed_phase,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import (
    Deployment,
    Fallback,
    FallbackCause,
    Guard,
    HostState,
    Os,
)

OLD, NEW = Deployment("old.0", "1", "old", None), Deployment("new.0", "2", "new", None)
STEADY = HostState("ostree", Os(), "boot-0", booted=OLD)
GUARD = Guard(1, None, "new.0", "new", "old.0", 600)
FALLBACK = Fallback(FallbackCause.BOOT_FAILED, "new.0", "new", "old.0", 1, "panic")


def test_every_phase_has_its_row_and_can_be_reached() -> None:
    assert set(TRANSITIONS) == set(Phase)
    reached = {after for row in TRANSITIONS.values() for after in row}
    assert set(Phase) == reached


def test_nothing_is_confirmed_but_what_was_healthy() -> None:
    assert {before for before, row in TRANSITIONS.items() if Phase.CONFIRMED in row} == {Phase.HEALTHY}


def test_every_host_in_flight_can_be_lost_and_no_phase_is_both() -> None:
    assert not IN_FLIGHT & BAD
    for phase in IN_FLIGHT:
        assert set(BAD) <= set(TRANSITIONS[phase])


def test_staying_is_allowed_and_skipping_is_not() -> None:
    assert all(may_go(phase, phase) for phase in Phase)
    assert not may_go(Phase.STEADY, Phase.GUARDED)
    assert not may_go(Phase.GUARDED, Phase.CONFIRMED)


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        (STEADY, Phase.STEADY),
        (replace(STEADY, staged=NEW), Phase.STAGED),
        (replace(STEADY, staged=NEW, guard=GUARD), Phase.GUARDED),
        (replace(STEADY, booted=NEW, guard=GUARD), Phase.BOOTED),
        (replace(STEADY, booted=NEW), Phase.CONFIRMED),
        (replace(STEADY, last_fallback=FALLBACK), Phase.ROLLED_BACK),
        # Staged again after it was released: the trace of the fallback is still the news.
        (replace(STEADY, staged=NEW, last_fallback=FALLBACK), Phase.ROLLED_BACK),
        # A guard for something else says nothing of this target.
        (replace(STEADY, staged=NEW, guard=replace(GUARD, target_digest="other")), Phase.STAGED),
        # The same digest, deployed twice: the one that runs is not the one that is guarded.
        (replace(STEADY, booted=replace(NEW, id="new.1"), guard=GUARD), Phase.GUARDED),
    ],
)
def test_where_a_host_stands_is_seen_on_it(state: HostState, phase: Phase) -> None:
    assert observed_phase(state, "new") is phase
