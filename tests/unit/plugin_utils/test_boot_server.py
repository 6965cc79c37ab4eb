# SPDX-License-Identifier: GPL-3.0-or-later
"""A host and its boot server: which step goes where, in how many round trips, and who is told to be away."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from clock import Clock

from ansible_collections.flotilla.container_os.plugins.plugin_utils._boot_server import ServedHost, connected, parts
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._host import ConnectionHost
from ansible_collections.flotilla.container_os.plugins.plugin_utils._jobs import JOBS_DIR, Job, run_job
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import BOOT_SERVER, Step, Unreachable
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.observe import probes


class Action:
    """An action whose connection runs real sh; `away`: what the connection says instead."""

    def __init__(self, place: str, away: str | None = None) -> None:
        self._connection = SimpleNamespace(
            has_pipelining=True, get_option={}.__getitem__, set_option=print, reset=print
        )
        self.place, self.away, self.sent = place, away, 0

    def _low_level_execute_command(self, command: str, in_data: bytes | None = None, executable: str = "") -> Any:
        self.sent += 1
        if self.away:
            raise AnsibleConnectionFailure(self.away)
        program = b"place=" + self.place.encode() + b"\n" + (in_data or b"")
        done = subprocess.run([executable, "-c", command], input=program, capture_output=True, check=False)
        return {"rc": done.returncode, "stdout": done.stdout.decode(), "stderr": done.stderr.decode()}


def _served(host: Action, server: Action, **given: Any) -> ServedHost:
    settings = {"flotilla_boot_server": "boot1", **given}
    return ServedHost(
        ConnectionHost(host, "h1", lambda message: None),
        lambda name: ConnectionHost(server, name, lambda message: None),
        settings,
    )


def _step(name: str, on: str = "", required: bool = False, script: str = 'echo "$place"') -> Step:
    return Step(name, script, required, BOOT_SERVER if on else "")


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ("h h", "hh"),
        ("h s h s", "hh ss"),
        ("s h", "h s"),
        # A required one of the boot server's comes first; what shows the state goes along.
        ("S h s h", "Ss hh"),
        ("H h s", "Hh s"),
        # An order to reboot, which comes last, is not given before the boot server is ready.
        ("H S S H", "H SS H"),
        ("H S H h s", "H S Hh s"),
        ("", ""),
    ],
)
def test_as_few_parts_as_keep_the_order(steps: str, wanted: str) -> None:
    made = [
        _step(f"{word}{at}", "s" if word in "sS" else "", required=word.isupper())
        for at, word in enumerate(steps.split())
    ]
    found = parts(made)
    assert " ".join("".join(step.name[0] for step in part) for _place, part in found) == wanted
    assert sorted(step.name for _place, part in found for step in part) == sorted(step.name for step in made)
    assert all((step.on == place) for place, part in found for step in part)


def test_each_step_runs_where_it_belongs_in_one_round_trip_to_each() -> None:
    host, server = Action("host"), Action("server")
    served = _served(host, server)
    results = served.run([_step("a"), _step("b", "s"), _step("c"), _step("d", "s")])
    assert [results[name].text for name in "abcd"] == ["host", "server", "host", "server"]
    assert (host.sent, server.sent, served.round_trips) == (1, 1, 2)


def test_an_observation_costs_one_round_trip_to_each() -> None:
    host, server = Action("host"), Action("server")
    _served(host, server, flotilla_boot_store="/nonexistent").run(probes())
    assert (host.sent, server.sent) == (1, 1)


def test_boot_server_that_nobody_needs_is_not_asked() -> None:
    server = Action("server", away="no route to host")
    assert _served(Action("host"), server).run([_step("a")])["a"].text == "host"
    assert server.sent == 0


def test_after_a_required_step_that_failed_nothing_is_run_anywhere() -> None:
    host, server = Action("host"), Action("server")
    results = _served(host, server).run(
        [_step("a", "s", required=True, script="exit 7"), _step("b", required=True), _step("c", "s")]
    )
    assert [results[name].rc for name in "abc"] == [7, None, None]
    assert host.sent == 0


def test_who_is_away_is_told() -> None:
    steps = [_step("a"), _step("b", "s")]
    no_host = _served(Action("host", away="no route to host"), Action("server"))
    with pytest.raises(AnsibleConnectionFailure):
        no_host.run(steps)
    assert no_host.attempt(steps) == Unreachable("no route to host")
    no_server = _served(Action("host"), Action("server", away="connection refused"))
    with pytest.raises(FlotillaError, match="cannot reach boot1, the boot server of h1: connection refused"):
        no_server.run(steps)
    assert no_server.attempt(steps) == Unreachable("cannot reach boot1, the boot server of h1: connection refused")


def test_settings_go_along_and_are_quoted() -> None:
    script = 'printf "%s|" "$FLOTILLA_STORE" "$FLOTILLA_HOST" "$FLOTILLA_RESET"'
    served = _served(Action("host"), Action("server"), flotilla_boot_store="/s/x", flotilla_boot_reset="it's 'x'; $y")
    assert served.run([_step("a", "s", script=script)])["a"].text == "/s/x|h1|it's 'x'; $y|"
    failed = served.run([_step("a", "s", script="echo no >&2; exit 3")])["a"]
    with pytest.raises(FlotillaError, match="cannot try: `echo no >&2; exit 3` exited with 3: no"):
        failed.proven("try")
    named = _served(Action("host"), Action("server"), flotilla_boot_name="other")
    assert named.run([_step("a", "s", script=script)])["a"].text == "/srv/flotilla|other||"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"flotilla_boot_store": "srv"}, "'srv' is no plain absolute path"),
        ({"flotilla_boot_store": "/srv/it's"}, "no plain absolute path"),
        ({"flotilla_boot_name": "../x"}, "is no plain name"),
        ({"flotilla_boot_name": ""}, "is no plain name"),
    ],
)
def test_settings_that_cannot_be(given: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        _served(Action("host"), Action("server"), **given)


def test_host_without_a_boot_server_refuses_what_needs_one() -> None:
    host = ConnectionHost(Action("host"), "h1", lambda message: None)
    assert host.run([_step("a"), _step("b", "s")])["b"].rc is None
    with pytest.raises(Refused, match="flotilla_boot_server does not say which host that is"):
        host.run([_step("b", "s", required=True)])


def test_jobs_of_two_hosts_on_one_boot_server_are_two() -> None:
    seen = []

    class Recorder(ServedHost):
        def run(self, steps: Any, limit: float | None = None) -> Any:
            seen.extend(steps)
            raise FlotillaError("seen")

    host = Recorder(
        ConnectionHost(Action("host"), "h1", lambda message: None), lambda name: None, {"flotilla_boot_server": "b"}
    )
    with pytest.raises(FlotillaError, match="seen"):
        run_job(host, Clock(), Job("stage", "staging", "echo x", BOOT_SERVER), 10)
    assert {step.on for step in seen} == {BOOT_SERVER}
    assert all(f"{JOBS_DIR}/stage-h1" in step.script for step in seen)
    assert "FLOTILLA_HOST=h1" in seen[0].script


def test_boot_server_that_is_not_in_the_inventory() -> None:
    with pytest.raises(FlotillaError, match="boot9 is not in the inventory"):
        connected(SimpleNamespace(), {"hostvars": {}}, "boot9")
