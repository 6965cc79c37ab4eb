# SPDX-License-Identifier: GPL-3.0-or-later
"""FOR TESTS ONLY: writes how each task ended on each host to $FLOTILLA_RECORD, a JSON object a line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: record
type: aggregate
short_description: Results of tasks as JSON
description: Results of tasks as JSON.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    def _record(self, status: str, result: Any) -> None:
        task = result._task.get_name()
        line = {"host": result._host.get_name(), "task": task, "status": status, "result": result._result}
        with Path(os.environ["FLOTILLA_RECORD"]).open("a") as file:
            file.write(json.dumps(line, default=str) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._record("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._record("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._record("unreachable", result)
