# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the generated sh for real, framed as on a host, in every POSIX shell of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.probe_type import ProbeType
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result, Step
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.shell import frame
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.framed import parse_framed

SHELLS = [
    pytest.param(argv, id=argv[0], marks=pytest.mark.skipif(not shutil.which(argv[0]), reason=f"no {argv[0]}"))
    for argv in (["dash"], ["bash", "--posix"], ["busybox", "sh"])
]
MARKER = "test-marker"

# Runs a probe's script and returns its result; `path` is the PATH that it sees.
Run = Callable[..., Result]


@pytest.fixture(params=SHELLS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Run a probe's script with the tools of this machine."""
    return _runner(request.param, tmp_path)


@pytest.fixture(params=SHELLS[:2])
def run_in(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Run a probe's script with the tools in a PATH alone. Not in busybox sh, which always finds its own applets."""
    return _runner(request.param, tmp_path)


def _runner(shell: list[str], tmp_path: Path) -> Run:
    def run_probe(probe: ProbeType, path: str | None = None) -> Result:
        step = Step("probe.0", probe.script())
        program = frame(MARKER, [step])
        environment = dict(os.environ)
        if path is not None:  # the frame adds the usual places of tools: take them away
            program = program.replace(':/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"', '"')
            environment["PATH"] = path
        argv = [shutil.which(shell[0]) or shell[0], *shell[1:]]
        done = subprocess.run(
            [*argv, "-s"],
            input=program.encode(),
            capture_output=True,
            cwd=tmp_path,
            env=environment,
            timeout=60,
            check=False,
        )
        output = done.stdout.decode("utf-8", "surrogateescape")
        return parse_framed(MARKER, [step], f"\n{output}")["probe.0"]

    return run_probe


@pytest.fixture
def tools(tmp_path: Path) -> Callable[..., str]:
    """Return a PATH that holds only the named tools of this machine, and stand-ins: {name: sh script}."""

    def make(*names: str, **stand_ins: str) -> str:
        place = tmp_path / "bin"
        place.mkdir()
        for name in names:
            found = shutil.which(name)
            if found is None:
                pytest.skip(f"no {name} on this machine")
            (place / name).symlink_to(found)
        for name, script in stand_ins.items():
            (place / name).write_text(f"#!/bin/sh\n{script}\n")
            (place / name).chmod(0o755)
        return str(place)

    return make
