# SPDX-License-Identifier: GPL-3.0-or-later
"""The container probe with stand-ins for podman and docker that print what the real ones print."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.probes.container import Container

RECORDED = Path(__file__).parents[3] / "fixtures/health"
PODMAN = f"cat {RECORDED}/podman-4.3.1-inspect.stdout.txt; cat {RECORDED}/podman-4.3.1-inspect.stderr.txt >&2; exit 125"
DOCKER = """echo '"/web" 3 {"Status":"exited","ExitCode":137}'"""


def test_podman_is_asked_first_and_a_missing_container_hides_no_other(run_in: Callable, tools: Callable) -> None:
    probe = Container(names=("job", "missing", "web"))
    data = probe.read(run_in(probe, tools("cat", "timeout", podman=PODMAN, docker=DOCKER)))
    assert data["runtime"] == "podman"
    assert probe.value(data) == {"job": "created", "missing": "absent", "web": "created"}
    assert probe.expects(data) == {
        "container:job": "job is created, expected running",
        "container:missing": "missing does not exist, expected running",
        "container:web": "web is created, expected running",
    }


@pytest.mark.parametrize("options", [{}, {"runtime": "docker"}])
def test_docker_where_there_is_no_podman_or_it_is_asked_for(run_in: Callable, tools: Callable, options: dict) -> None:
    stand_ins = {"docker": DOCKER, **({"podman": PODMAN} if options else {})}
    probe = Container(names=("web",), **options)
    data = probe.read(run_in(probe, tools("cat", **stand_ins)))
    assert data["runtime"] == "docker"
    assert probe.expects(data) == {"container:web": "web is exited (exit code 137), expected running"}


def test_no_runtime_is_not_known(run_in: Callable, tools: Callable) -> None:
    with pytest.raises(FlotillaError, match="there is no podman or docker on the host"):
        Container(names=("a",)).read(run_in(Container(names=("a",)), tools("true")))


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker on this machine")
def test_a_docker_without_its_daemon_is_not_known(run_in: Callable, tools: Callable) -> None:
    # stand-in around the real client, pointed at a socket that is not there
    client = shutil.which("docker")
    path = tools(docker=f'DOCKER_HOST=unix:///nonexistent.sock exec {client} "$@"')
    with pytest.raises(FlotillaError, match=r"docker exited with 1: .*([Cc]annot|failed to) connect"):
        Container(names=("a",)).read(run_in(Container(names=("a",)), path))


def test_a_hung_runtime_is_not_known(run_in: Callable, tools: Callable) -> None:
    path = tools(podman="sleep 30", timeout="exit 124")
    with pytest.raises(FlotillaError, match="podman did not answer within 10 s"):
        Container(names=("a",)).read(run_in(Container(names=("a",)), path))


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        ({"state": "running", "health": None}, None),
        ({"state": "running", "health": "healthy"}, None),
        ({"state": "running", "health": "starting"}, "a is running but starting, expected healthy"),
        ({"state": "running", "health": "unhealthy"}, "a is running but unhealthy, expected healthy"),
        ({"state": "paused", "health": None}, "a is paused, expected running"),
    ],
)
def test_what_is_expected(found: dict, fault: str | None) -> None:
    data = {"runtime": "podman", "containers": {"a": {"exit_code": None, "restarts": 0, **found}}}
    assert list(Container(names=("a",)).expects(data).values()) == ([fault] if fault else [])


def test_a_restart_between_two_looks() -> None:
    def look(restarts: int) -> dict:
        return {"containers": {"a": {"state": "running", "restarts": restarts}}}

    assert list(Container(names=("a",)).restarted(look(0), look(1))) == ["container:a"]
    assert Container(names=("a",)).restarted(look(1), look(1)) == {}
