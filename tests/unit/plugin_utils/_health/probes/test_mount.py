# SPDX-License-Identifier: GPL-3.0-or-later
"""The mount probe on the mounts of this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.probes.mount import Mount


def test_proc_is_mounted(run: Callable) -> None:
    probe = Mount(path="/proc", rw=True)
    data = probe.read(run(probe))
    assert (data["mounted"], data["fstype"], data["rw"]) == (True, "proc", True)
    assert {**probe.demands(data), **probe.expects(data)} == {}


def test_a_directory_is_not_mounted(run: Callable, tmp_path: Path) -> None:
    probe = Mount(path=str(tmp_path))
    data = probe.read(run(probe))
    assert data["mounted"] is False
    assert data["free_mb"] > 0  # of the file system that holds it
    assert probe.expects(data) == {"answer": f"nothing is mounted at {tmp_path}"}


def test_no_such_path(run: Callable) -> None:
    probe = Mount(path="/no/such; touch owned", min_free_mb=1)
    data = probe.read(run(probe))
    assert data["mounted"] is False
    assert probe.demands(data) == {
        "free_mb": "/no/such; touch owned has an unknown amount free, expected at least 1 MiB"
    }


def test_room(run: Callable, tmp_path: Path) -> None:
    data = Mount(path=str(tmp_path)).read(run(Mount(path=str(tmp_path))))
    greedy = Mount(path=str(tmp_path), min_free_mb=data["free_mb"] + 1, min_free_percent=100)
    assert set(greedy.demands(data)) == {"free_mb", "free_percent"}
    assert Mount(path=str(tmp_path), min_free_mb=data["free_mb"], min_free_percent=0).demands(data) == {}


@pytest.mark.parametrize(("rw", "wanted", "faults"), [(False, True, 1), (True, False, 1), (True, None, 0)])
def test_writable_as_asked(rw: bool, wanted: bool | None, faults: int) -> None:
    data = {"mounted": True, "rw": rw, "free_percent": 1.0, "free_mb": 1}
    assert len(Mount(path="/", rw=wanted).demands(data)) == faults


def test_a_file_system_that_hangs_is_not_known(run_in: Callable, tools: Callable) -> None:
    # stand-in: what timeout does to a df whose server is gone
    path = tools("cat", df="sleep 30", timeout="exit 124")
    with pytest.raises(FlotillaError, match="the file system at /proc did not answer within 10 s"):
        Mount(path="/proc").read(run_in(Mount(path="/proc"), path))
