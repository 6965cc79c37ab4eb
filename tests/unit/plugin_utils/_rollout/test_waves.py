# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of waves that grow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.waves import Waves

_STEPS = st.one_of(
    st.integers(1, 50),
    st.integers(1, 100).map("{}%".format),
    st.just("double"),
    st.floats(1.01, 9).map(lambda factor: {"growth": factor}),
)


@pytest.mark.parametrize(
    ("waves", "hosts", "canaries", "sizes"),
    [
        ([1, "double"], 20, 0, [1, 2, 4, 8, 5]),
        ([2, {"growth": 3}], 30, 0, [2, 6, 18, 4]),
        ([1, {"growth": 1.5}], 12, 0, [1, 2, 3, 5, 1]),
        ([1, "double", "100%"], 20, 0, [1, 2, 17]),
        (["double"], 20, 3, [6, 11]),
        (["50%"], 20, 3, [10, 7]),
    ],
)
def test_growth(waves: list[Any], hosts: int, canaries: int, sizes: list[int]) -> None:
    assert Waves.parse(waves, after_canaries=canaries > 0).sizes(hosts, canaries) == sizes


@pytest.mark.parametrize(
    ("waves", "words"),
    [
        (["double", 1], "wave 1 is 2 times the wave before, and there is none before it"),
        ([1, {"growth": 1}], "waves that grow by 1 do not grow"),
        ([1, {"growth": True}], "do not grow"),
        ([1, {"growth": "much"}], "do not grow"),
        ([1, {"grow": 2}], "must have the one key growth"),
    ],
)
def test_growth_that_is_none(waves: list[Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        Waves.parse(waves)


@given(st.lists(_STEPS, min_size=1, max_size=6), st.integers(1, 400), st.data())
def test_waves_add_up_and_can_be_read_again(steps: list[Any], hosts: int, data: st.DataObject) -> None:
    canaries = data.draw(st.integers(1, hosts))
    waves = Waves.parse(steps, after_canaries=True)
    sizes = waves.sizes(hosts, canaries)
    assert sum(sizes) + canaries == hosts
    assert all(size > 0 for size in sizes)
    assert Waves.parse(waves.native(), after_canaries=True) == waves


def test_canaries_are_in_the_arithmetic() -> None:
    with pytest.raises(Refused, match=r"after waves of 2 canaries \+ 1 = 3 no host is left for wave 2 \(5\)"):
        Waves.parse([1, 5]).check_reachable(3, 2)
