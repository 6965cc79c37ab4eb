# SPDX-License-Identifier: GPL-3.0-or-later
"""States of containers, recorded from podman 4.3.1; older and other forms by their documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.health_container import parse_containers

LOGS = Path(__file__).parents[2] / "fixtures/health"
STDOUT = (LOGS / "podman-4.3.1-inspect.stdout.txt").read_text()
STDERR = (LOGS / "podman-4.3.1-inspect.stderr.txt").read_text()


def test_recorded_from_podman() -> None:
    found = parse_containers(STDOUT, STDERR, ["job", "missing", "web"])
    assert found["job"] == {"state": "created", "health": None, "exit_code": None, "restarts": 0}
    assert found["missing"] == {"state": "absent", "health": None, "exit_code": None, "restarts": None}


@pytest.mark.parametrize(
    ("line", "health", "code"),
    [
        ('"/a" 1 {"Status":"running","ExitCode":0,"Health":{"Status":"healthy"}}', "healthy", None),  # docker
        ('"/a" 1 {"Status":"running","ExitCode":0}', None, None),
        ('"a" 1 {"Status":"running","ExitCode":0,"Health":{"Status":"none"}}', None, None),
        ('"a" 1 {"Status":"running","ExitCode":0,"Health":null}', None, None),
        ('"a" 1 {"Status":"running","ExitCode":0,"Healthcheck":{"Status":"unhealthy"}}', "unhealthy", None),  # podman 3
        ('"a" 1 {"Status":"exited","ExitCode":137}', None, 137),
    ],
)
def test_forms_of_health(line: str, health: str | None, code: int | None) -> None:
    found = parse_containers(line, "", ["a"])["a"]
    assert (found["health"], found["exit_code"], found["restarts"]) == (health, code, 1)


@pytest.mark.parametrize(
    "stderr",
    [
        "Error: No such container: a",
        'Error: no such container "a"',
        "Error response from daemon: No such container: a",
        'Error: inspecting object: no such object: "a"',
    ],
)
def test_words_for_a_missing_container(stderr: str) -> None:
    assert parse_containers("", stderr, ["a"])["a"]["state"] == "absent"


@pytest.mark.parametrize(
    "line", ["", '"b" 0 {"Status":"running","ExitCode":0}', '"a" 0 {', '"a" 0 {"State":"up"}', "a"]
)
def test_what_is_not_said_is_not_guessed(line: str) -> None:
    with pytest.raises(CannotParse):
        parse_containers(line, "Error: no such container b", ["a"])
