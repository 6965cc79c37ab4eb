# SPDX-License-Identifier: GPL-3.0-or-later
"""Detached work, by real shells and real processes: found again, joined, never run twice, never taken for another."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from clock import Clock

from ansible_collections.flotilla.container_os.plugins.plugin_utils import _jobs
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._jobs import Job, run_job
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result, Step, Unreachable

SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]


class Here:
    """This machine as a host, whose connection drops when it is told to."""

    name = "h1"

    def __init__(self, shell: list[str], folder: Path) -> None:
        self.shell, self.folder = shell, folder
        self.drops = 0
        self.said: list[str] = []

    def run(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result]:
        results = {}
        for step in steps:
            # A process of its own even where systemd runs: this is a test.
            script = step.script.replace("[ -d /run/systemd/system ]", "false").replace("chown 0:0", ":")
            script = script.replace("sleep 1; done", "sleep 0.1; done")
            done = subprocess.run([*self.shell, "-c", script], capture_output=True, text=True, check=False)
            results[step.name] = Result(step.name, step.script, done.returncode, done.stdout, done.stderr)
        return results

    def attempt(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result] | Unreachable:
        if self.drops:
            self.drops -= 1
            return Unreachable("the connection dropped")
        return self.run(steps, limit)

    def say(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture(params=SHELLS, ids=" ".join)
def here(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.setattr(_jobs, "JOBS_DIR", str(tmp_path / "jobs"))
    monkeypatch.setattr(_jobs, "FIRST_HOLD", 1)
    monkeypatch.setattr(_jobs, "POLL_HOLD", 1)
    return Here(request.param, tmp_path)


def _run(here: Here, job: Job, timeout: float = 30) -> Any:
    return run_job(here, Clock(), job, timeout)  # type: ignore[arg-type]


def _kill(here: Here) -> None:
    """Kill the work, which is a session of its own, with all that belongs to it."""
    os.killpg(int((here.folder / "jobs/stage/pid").read_text()), signal.SIGKILL)


def _start(here: Here, script: str, what: str = "staging 2") -> Job:
    """Start a job and come back while it runs."""
    job = Job("stage", what, script)
    with pytest.raises(FlotillaError, match="still running on the host"):
        _run(here, job, timeout=0)
    return job


def test_runs_to_its_end_in_the_c_locale_with_its_exit_code(here: Here) -> None:
    report = _run(here, Job("stage", "staging 2", 'echo "$LC_ALL"; echo failed >&2; exit 7'))
    assert (report.state, report.rc) == ("done", 7)
    assert report.log == "C\nfailed\n"


def test_second_run_joins_and_nothing_runs_twice(here: Here) -> None:
    job = _start(here, f"echo x >>{here.folder}/runs; sleep 0.5; echo end")
    report = _run(here, job)
    assert report.log == "end\n"
    assert (here.folder / "runs").read_text() == "x\n"


def test_dropped_connection_loses_nothing(here: Here) -> None:
    job = _start(here, "sleep 1; echo end")
    here.drops = 3
    assert _run(here, job).log == "end\n"
    assert any("no connection, trying again" in line for line in here.said)


def test_other_work_of_that_kind_is_not_joined(here: Here) -> None:
    _start(here, "sleep 3", "staging 2")
    with pytest.raises(
        FlotillaError, match="cannot start staging 3: other work .* still running on the host: staging 2"
    ):
        _run(here, Job("stage", "staging 3", "echo other"))
    _kill(here)


def test_work_that_was_killed_is_not_taken_for_done(here: Here) -> None:
    job = Job("stage", "staging 2", f"echo half; kill -9 $(cat {here.folder}/jobs/stage/pid); sleep 0.3")
    with pytest.raises(FlotillaError, match="cannot finish staging 2: it was killed on the host") as failed:
        _run(here, job)
    assert failed.value.details["log"] == "half\n"


def test_finished_work_is_done_again(here: Here) -> None:
    job = Job("stage", "staging 2", f"echo x >>{here.folder}/runs")
    _run(here, job)
    _run(here, job)
    assert (here.folder / "runs").read_text() == "x\nx\n"


def test_progress_is_what_it_says(here: Here) -> None:
    _run(here, Job("stage", "staging 2", "printf '10%%\\r50%%\\r'; sleep 0.6; echo end"))
    assert here.said[0].startswith("staging 2: 50% (")


def test_seen_by_an_observation_while_it_runs(here: Here) -> None:
    busy = Step("jobs", _jobs.BUSY_PROBE.script.replace("/run/flotilla/jobs", str(here.folder / "jobs")))
    assert here.run([busy])["jobs"].text == ""
    _start(here, "sleep 5")
    assert here.run([busy])["jobs"].text == "staging 2"
    _kill(here)
    deadline = time.monotonic() + 5
    while here.run([busy])["jobs"].text and time.monotonic() < deadline:
        time.sleep(0.05)
    assert here.run([busy])["jobs"].text == ""


def test_pid_of_somebody_else_is_not_our_work(here: Here) -> None:
    """The record survived, the process did not, and its number was given to another one."""
    folder = here.folder / "jobs/stage"
    folder.mkdir(parents=True)
    (folder / "pid").write_text(f"{os.getpid()}\n")
    assert _run(here, Job("stage", "staging 2", "echo done")).log == "done\n"
