# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the guard still waits."""

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.deadline import (
    GUARD_STEP,
    seconds_left,
    too_late,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.shell import FILE_MARK

ARMED = f"\n{FILE_MARK}/g/armed\ntarget=b\ntarget_digest=d\nrollback_to=a\nconfirm_within=600\narmed_at=5\n"
TRIAL = f"\n{FILE_MARK}/g/trial\nboot_id=one\nbooted_at=1\n"


def left(text: str, rc: int = 0) -> float | None:
    return seconds_left(Result("guard", GUARD_STEP.script, rc, text))


def test_it_counts_from_the_start_of_the_kernel() -> None:
    assert left(f"one\n45\n{ARMED}{TRIAL}") == 555
    assert left(f"one\n700\n{ARMED}{TRIAL}") == -100


@pytest.mark.parametrize("records", ["", ARMED, TRIAL])
def test_without_a_trial_there_is_none(records: str) -> None:
    assert left(f"one\n45\n{records}") is None


def test_the_trial_of_another_boot_is_none() -> None:
    assert left(f"two\n45\n{ARMED}{TRIAL}") is None


@pytest.mark.parametrize(
    ("text", "rc"), [("", 1), (f"one\nx\n{ARMED}{TRIAL}", 0), (f"one\n1\n\n{FILE_MARK}/g/armed\nx=1\n", 0)]
)
def test_what_cannot_be_read_is_not_passed_over(text: str, rc: int) -> None:
    with pytest.raises(FlotillaError, match=r"cannot (read|parse) "):
        left(text, rc)


def test_the_step_runs_here() -> None:
    argv = ["/bin/sh", "-c", GUARD_STEP.script]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert left(done.stdout, done.returncode) is None  # this machine is no host on trial
    assert done.stdout.splitlines()[1].isdigit()


def test_the_sentence_says_what_to_do() -> None:
    assert "the guard brings the host back in 0 s" in too_late(30, -3)
    assert too_late(30, 20.4).endswith("ask for a longer confirm_within or a shorter stable_for")
