# SPDX-License-Identifier: GPL-3.0-or-later
"""The name of a controller: its death is proven only where a process id means what it means here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout import controller
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.controller import is_gone, this_controller


def _name(pid: int) -> str:
    place, _pid, _started = this_controller().rsplit(":", 2)
    return f"{place}:{pid}:{controller._started(pid)}"


def test_alive_then_dead() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = _name(process.pid)
    assert not is_gone(name)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(name), "a zombie has ended"
    process.wait()
    assert is_gone(name)


def test_the_parent_is_who_drives() -> None:
    assert this_controller().rsplit(":", 2)[1] == str(os.getppid())
    assert not is_gone(this_controller())


def test_a_pid_that_was_given_to_another_process_is_no_life() -> None:
    place, pid, started = this_controller().rsplit(":", 2)
    assert is_gone(f"{place}:{pid}:{int(started) + 1}")


@pytest.mark.parametrize("name", ["elsewhere/1c0ffee0-1:1:1", "", "nonsense", "a:b", "here:x:y"])
def test_what_cannot_be_known_is_not_dead(name: str) -> None:
    assert not is_gone(name)


def test_another_boot_or_container_of_the_same_name_proves_nothing() -> None:
    place, _pid, _started = this_controller().rsplit(":", 2)
    assert not is_gone(f"{place}0:999999999:1")


def test_where_there_is_no_proc_nobody_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "_BOOT_ID", Path("/nowhere"))
    monkeypatch.setattr(controller, "_started", lambda _pid: None)
    assert not is_gone(this_controller())
