# SPDX-License-Identifier: GPL-3.0-or-later
"""FOR TESTS ONLY: the runner seam itself as a task: some steps, a file there and back, or a detached job."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import HostAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._jobs import Job, run_job
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import BOOT_SERVER, Step


class ActionModule(HostAction):
    SPEC = {
        "steps": {"type": "dict", "default": {}},
        "server_steps": {"type": "dict", "default": {}},
        "path": {"type": "str"},
        "content": {"type": "str"},
        "job": {"type": "str"},
        "timeout": {"type": "int", "default": 40},
    }

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        host = self.host(task_vars)
        if options["job"]:
            report = run_job(host, self.clock, Job("test", "the work", options["job"]), options["timeout"])
            return {"changed": True, "job_rc": report.rc, "log": report.log}
        if options["path"]:
            host.write(options["path"], options["content"], "0600")
            return {"changed": True, "content": host.read(options["path"]), "other": host.read(f"{options['path']}.no")}
        steps = [Step(name, script) for name, script in options["steps"].items()]
        steps += [Step(name, script, on=BOOT_SERVER) for name, script in options["server_steps"].items()]
        results = host.run(steps)
        said = {name: result.proven(f"do {name}").stdout for name, result in results.items()}
        errors = {name: result.stderr for name, result in results.items()}
        return {"changed": False, "said": said, "errors": errors, "round_trips": host.round_trips}
