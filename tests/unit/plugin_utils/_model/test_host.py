# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed step says: command, exit code and cause, and of a whole script no more than its beginning."""

from __future__ import annotations

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import (
    COMMAND_SHOWN,
    FlotillaError,
    ToolFailed,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result


def test_failed_command_is_quoted() -> None:
    with pytest.raises(ToolFailed, match="cannot look: `ls /x` exited with 2: no such file") as caught:
        Result("look", "ls\n /x", 2, "", "no such file\n").proven("look")
    assert caught.value.details["command"] == "ls /x"


def test_of_a_script_the_beginning_is_quoted() -> None:
    script = f"begin {'x' * 9000} end"
    with pytest.raises(ToolFailed) as caught:
        Result("work", script, 1, "", "full\n").proven("work")
    assert caught.value.message.startswith("cannot work: `begin xxx")
    assert caught.value.message.endswith("x…` exited with 1: full")
    assert len(caught.value.message) < COMMAND_SHOWN + 100
    assert caught.value.details["command"] == script


def test_step_that_was_not_run_is_not_proven() -> None:
    with pytest.raises(FlotillaError, match="cannot look: a step before it failed"):
        Result("look", "ls", None).proven("look")
