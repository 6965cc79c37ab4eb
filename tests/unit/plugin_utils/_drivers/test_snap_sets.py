# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of snaps as deployments: what is in local ones, and what is staged under a number that is still to be given."""

from __future__ import annotations

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers._snap_sets import (
    contents,
    next_local,
    staged_set,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import Position
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.snapd import Snap, SnapSet

SUM, OTHER = "a" * 64, "b" * 64
SNAPS = (Snap("os", "x3", None, True, "1.0"), Snap("os", "x2", None, False), Snap("kernel", "7", None, True, "6.8"))
RUNNING = SnapSet.of({"os": "x3", "kernel": "7"})
INSTALLED = {(one.name, one.revision) for one in SNAPS}
KNOWN = contents(SNAPS, f"{SUM}  /var/lib/snapd/snaps/os_x3.snap\n")
RECORDS = {
    "staged/set": "kernel_7+os_x4",
    "staged/version": "kernel_7 os_2.0",
    "staged/sums": f"{OTHER}  os_x4.snap",
    "staged/os_x4.snap": "",
}


def test_hosts_with_the_same_files_have_the_same_digest() -> None:
    here = KNOWN.deployment(RUNNING, Position.BOOTED)
    elsewhere = contents((), f"{SUM}  os_x9.snap\n").deployment(
        SnapSet.of({"os": "x9", "kernel": "7"}), Position.BOOTED
    )
    assert here and elsewhere
    assert (here.id, here.version, here.verified) == ("kernel_7+os_x3", "kernel_7 os_1.0", None)
    assert (elsewhere.id, elsewhere.version) == ("kernel_7+os_x9", "kernel_7 os_x9")
    assert here.digest == elsewhere.digest != RUNNING.digest
    assert KNOWN.deployment(SnapSet.of({"os": "x2", "kernel": "7"}), Position.ROLLBACK) is None


def test_snapd_counts_local_revisions() -> None:
    assert next_local(INSTALLED, "os") == "x4"
    assert next_local(INSTALLED, "kernel") == "x1"
    assert next_local({("a", "x9"), ("a", "x10")}, "a") == "x11"


def test_staged_under_the_number_that_is_next() -> None:
    found = staged_set(RECORDS, RUNNING, INSTALLED, KNOWN)
    assert found
    assert (found.id, found.version, found.position) == ("kernel_7+os_x4", "kernel_7 os_2.0", Position.STAGED)
    assert found.digest == SnapSet.parse(found.id).digest_by({"os_x4": OTHER})


@pytest.mark.parametrize("gone", ["staged/set", "staged/sums", "staged/os_x4.snap"])
def test_staged_in_part_is_not_staged(gone: str) -> None:
    left = {name: text for name, text in RECORDS.items() if name != gone}
    assert staged_set(left, RUNNING, INSTALLED, KNOWN) is None


def test_a_number_that_was_given_to_another_one_is_not_what_is_staged() -> None:
    assert staged_set(RECORDS, RUNNING, {*INSTALLED, ("os", "x4")}, KNOWN) is None
    assert staged_set(RECORDS, SnapSet.parse("kernel_7+os_x4"), INSTALLED, KNOWN) is None
