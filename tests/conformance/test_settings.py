# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host follows, who may update it, and with what its kernel runs. (What is lacked is refused: test_life.py.)"""

from __future__ import annotations

import pytest
from family import Family
from suite import Told

Tale = dict[str, Told]


@pytest.mark.scenario("channel")
@pytest.mark.proves("channel")
def test_channel_is_switched_and_switched_back(told: Tale, family: Family) -> None:
    if family.channel is None:
        pytest.skip("the OS has no channel to switch: the refusal is tested")
    before = told["observe"].state["channel"]
    assert told["switch, checked"].changed
    assert told["switch, checked"].result["channel"] == family.channel["state"]
    assert told["observe the same"].state["channel"] == before
    assert (told["switch"].status, told["switch"].changed) == ("ok", True), told["switch"].msg
    assert told["switch"].result["channel"] == family.channel["state"]
    assert told["switch"].state["channel"] == family.channel["state"]
    assert (told["switch again"].status, told["switch again"].changed) == ("ok", False)
    assert told["switch back"].changed, told["switch back"].msg
    assert told["observe at the end"].state["channel"] == before == family.state["channel"]


@pytest.mark.scenario("updater")
@pytest.mark.proves("updater")
def test_updater_is_held_over_a_reset_and_handed_back(told: Tale, family: Family) -> None:
    if "hold_updater" in family.refusals:
        pytest.skip("the OS has no updater of its own: the refusal is tested")
    before = told["observe"].state["native_updater"]
    assert before["state"] == "active"
    assert told["hold, checked"].changed
    assert (told["hold"].status, told["hold"].changed) == ("ok", True), told["hold"].msg
    assert told["hold"].result["native_updater"]["state"] == "held"
    assert (told["hold again"].status, told["hold again"].changed) == ("ok", False)
    assert told["held"].result["failed_units"] == []
    assert told["observe while held"].state["native_updater"]["state"] == "held"
    assert (told["release"].status, told["release"].changed) == ("ok", True), told["release"].msg
    assert (told["release again"].status, told["release again"].changed) == ("ok", False)
    assert told["observe at the end"].state["native_updater"] == before


@pytest.mark.scenario("arguments")
@pytest.mark.proves("arguments")
def test_kernel_argument_is_booted_and_confirmed(told: Tale, family: Family) -> None:
    if family.kernel_argument is None:
        pytest.skip("the OS has no kernel arguments to set: the refusal is tested")
    assert told["set, checked"].changed
    assert (told["set"].status, told["set"].changed) == ("ok", True), told["set"].msg
    assert (told["set again"].status, told["set again"].changed) == ("ok", False)
    seen = told["observe"].state
    assert family.kernel_argument in seen["kernel_arguments"]
    assert seen["booted"]["digest"] == family.first["digest"]
    assert seen["guard"] is None
