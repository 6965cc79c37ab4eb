# SPDX-License-Identifier: GPL-3.0-or-later
"""Write one line for each task that a host ran or skipped: play, host, state."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: count_tasks
type: notification
short_description: Counts the tasks of each play and host
description: For the benchmark.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "count_tasks"
    CALLBACK_NEEDS_ENABLED = True

    _play = ""

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = play.get_name()

    def _note(self, result: Any, state: str) -> None:
        with Path(os.environ["FLOTILLA_TASK_COUNT"]).open("a") as stream:
            stream.write(f"{self._play}\t{result._host.get_name()}\t{state}\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._note(result, "done")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._note(result, "done")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._note(result, "done")

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._note(result, "skipped")
