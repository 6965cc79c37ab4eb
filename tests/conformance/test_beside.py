# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts beside whose OS our steps run: they reboot through their API, and nothing is done to what the steps run in."""

from __future__ import annotations

import pytest
from family import Family
from suite import Told

REBOOTS = {"bottlerocket": "apiclient reboot", "talos": "talosctl reboot --mode powercycle"}
# What would reach a container instead of the host. (The controller has no record of calls.)
NOT_THE_HOST = ("reboot ", "systemctl --no-block reboot", "systemctl mask", "systemctl disable")


@pytest.mark.scenario("life")
def test_reboots_go_through_the_api(told: dict[str, Told], family: Family) -> None:
    if family.driver not in REBOOTS:
        pytest.skip("our steps run in the OS")
    calls = told["booted"].result["calls"]
    assert [call for call in calls if call.startswith(REBOOTS[family.driver])]
    assert not [call for call in calls if call.startswith(NOT_THE_HOST)]
