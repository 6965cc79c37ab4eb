# SPDX-License-Identifier: GPL-3.0-or-later
"""Confirm what runs, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused, ToolFailed
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.confirm import confirm

OLD, NEW = "a" * 64, "b" * 64


def test_confirms_in_two_round_trips(trial: Any) -> None:
    trial.acts["confirm"] = lambda host: setattr(host, "guard", {})
    assert confirm(trial, NEW, check=False).changed
    assert trial.round_trips == 2
    assert not confirm(trial, NEW, check=False).changed


def test_check_mode_only_looks(trial: Any) -> None:
    assert confirm(trial, NEW, check=True).changed
    assert trial.ran == []


def test_another_digest_is_refused(trial: Any) -> None:
    with pytest.raises(Refused, match="is what runs"):
        confirm(trial, OLD, check=False)


def test_not_booted_is_refused(staged: Any) -> None:
    staged.arm(on_trial=False)
    with pytest.raises(Refused, match="which has not booted"):
        confirm(staged, None, check=False)


def test_a_soft_reboot_proves_nothing(trial: Any) -> None:
    """It keeps the kernel, and with it the boot id."""
    trial.guard["armed"] += f"boot_id_before={trial.boot_id}\n"
    del trial.guard["trial"]
    with pytest.raises(Refused, match=r"cannot confirm b .* it runs by a soft reboot, on the kernel of the deployment"):
        confirm(trial, NEW, check=False)
    assert trial.ran == []


def test_too_late(trial: Any) -> None:
    trial.acts["confirm"] = lambda _host: Result("confirm", "sh", 75, stderr="the host is going back already")
    with pytest.raises(ToolFailed, match="going back already"):
        confirm(trial, NEW, check=False)


def test_guard_that_is_still_there_is_no_success(trial: Any) -> None:
    trial.acts["confirm"] = lambda _host: None
    with pytest.raises(FlotillaError, match="the guard is armed"):
        confirm(trial, NEW, check=False)


def test_without_a_guard_what_the_os_counts_as_good_is_confirmed(talos: Any) -> None:
    result = confirm(talos, "v1.13.2", check=False).result(diff=False)
    assert not result["changed"]
    assert "there is no guard to take away" in result["msg"]
    talos.ready = False
    with pytest.raises(Refused, match="cannot confirm v1.13.2 .*: the machine is running and not ready"):
        confirm(talos, None, check=False)
    assert talos.ran == []
