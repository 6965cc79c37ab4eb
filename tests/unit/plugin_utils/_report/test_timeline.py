# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from made_rollout import made

from ansible_collections.flotilla.container_os.plugins.plugin_utils._report.timeline import (
    LENGTH,
    MOST_STEPS,
    SHORTEST,
    Timeline,
    duration,
    timeline,
)


def _inside(drawn: Timeline) -> bool:
    bars = [one for row in drawn.bars.values() for one in row]
    return all(one.start >= 0 and one.length > 0 and one.start + one.length <= LENGTH + 0.01 for one in bars)


def test_bars_follow_the_phases() -> None:
    drawn = timeline(made())
    assert drawn.seconds == 700
    assert [one.kind for one in drawn.bars["edge-canary-01"]] == ["wait", "wait", "fly", "fly", "fly", "fly", "good"]
    assert [one.text for one in drawn.bars["edge-oslo-02"]] == [
        "steady for 24\u00a0s",
        "staged for 11\u00a0min 16\u00a0s",
    ]
    assert [one.kind for one in drawn.bars["edge-oslo-03"]] == ["wait"]
    assert _inside(drawn)


def test_the_last_phase_is_always_seen() -> None:
    last = timeline(made()).bars["edge-oslo-01"][-1]
    assert (last.kind, last.length) == ("bad", SHORTEST)


def test_what_passed_within_a_second_has_no_bar() -> None:
    steps = [(10, "staged", ""), (10, "guarded", ""), (10, "activating", ""), (10, "booted", "")]
    drawn = timeline(made(state="open", fleet=[("h1", 1, steps)]))
    assert [one.text for one in drawn.bars["h1"]] == ["steady for 10\u00a0s", "booted for 0 s"]
    assert _inside(drawn)


@pytest.mark.parametrize("seconds", [0, 1, 59, 60, 3599, 86400, 30 * 86400, 900 * 86400])
def test_axis_of_any_length(seconds: int) -> None:
    drawn = timeline(made(state="open", fleet=[("h1", 1, [(seconds, "staged", "")])]))
    assert 1 <= len(drawn.marks) <= MOST_STEPS + 1
    assert all(0 <= mark.percent <= 100 for mark in drawn.marks)
    assert len({mark.text for mark in drawn.marks}) == len(drawn.marks)
    assert _inside(drawn)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "\N{EN DASH}"),
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (86403, "1 d"),
        (90000, "1 d 1 h"),
    ],
)
def test_duration(seconds: int | None, text: str) -> None:
    assert duration(seconds).replace("\u00a0", " ") == text
