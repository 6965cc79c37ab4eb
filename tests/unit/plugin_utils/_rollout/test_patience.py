# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the end of a turn is held for a database that is away."""

from __future__ import annotations

import pytest
from clock import Clock
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.database import LedgerGone
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.patience import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    RECORD_PATIENCE,
    pause,
    until_recorded,
)


@given(st.text(max_size=20), st.integers(0, 10_000))
def test_pauses_grow_to_a_cap_and_are_spread(key: str, attempt: int) -> None:
    whole = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempt, 20))
    assert whole / 2 <= pause(key, attempt) <= whole
    assert pause(key, attempt) == pause(key, attempt)


def test_a_fleet_does_not_knock_at_once() -> None:
    assert len({round(pause(f"h{number}", 9), 3) for number in range(100)}) > 90


def test_comes_back_in_time() -> None:
    clock, said, tries = Clock(), list[str](), 0

    def record() -> str:
        nonlocal tries
        tries += 1
        if clock.now < RECORD_PATIENCE / 2:
            raise LedgerGone("cannot open the ledger: connection refused")
        return "recorded"

    assert until_recorded("h1", record, clock, said.append) == "recorded"
    assert said == ["waiting for the ledger: cannot open the ledger: connection refused"]
    assert 20 < tries < 100


def test_gives_up_in_time() -> None:
    clock = Clock()

    def record() -> None:
        raise LedgerGone("cannot open the ledger: connection refused")

    with pytest.raises(FlotillaError, match="cannot record how the turn of h1 ended: .*refused; gave up after 600 s"):
        until_recorded("h1", record, clock, lambda _text: None)
    assert RECORD_PATIENCE - LONGEST_PAUSE <= clock.now <= RECORD_PATIENCE


@pytest.mark.parametrize("error", [FlotillaError("h1 failed"), Refused("no such rollout")])
def test_another_error_is_passed_on_at_once(error: FlotillaError) -> None:
    clock = Clock()

    def record() -> None:
        raise error

    with pytest.raises(type(error), match=str(error)):
        until_recorded("h1", record, clock, lambda _text: None)
    assert clock.now == 0
