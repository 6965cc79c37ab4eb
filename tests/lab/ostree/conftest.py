# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixtures of the tests on virtual machines."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from fleet import Fleet


@pytest.fixture(scope="session")
def machines() -> Iterator[Fleet]:
    if shutil.which("ansible-playbook") is None:
        pytest.fail("ansible-playbook is not on PATH: run `make vm-test`")
    fleet = Fleet()
    try:
        fleet.set_up()
        yield fleet
    finally:
        fleet.tear_down()


@pytest.fixture
def fleet(machines: Fleet) -> Fleet:
    machines.restore()
    return machines


@pytest.fixture(scope="module")
def _restored(machines: Fleet) -> Fleet:
    machines.restore()
    return machines


@pytest.fixture
def steady(_restored: Fleet) -> Fleet:
    """For tests that reboot no machine and stage nothing: these share one restored fleet."""
    _restored.clear()
    return _restored


@pytest.fixture
def untouched(machines: Fleet) -> Fleet:
    """For tests that touch no machine: restoring three of them would be all that they cost."""
    machines.clear()
    return machines
