# SPDX-License-Identifier: GPL-3.0-or-later
"""The action as a whole, on this machine: options in, native types out, docs that agree."""

from __future__ import annotations

import importlib
import re
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
import yaml

from ansible_collections.flotilla.container_os.plugins.action.host_health import ActionModule
from ansible_collections.flotilla.container_os.plugins.action.mac_info import ActionModule as MacInfo
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.option import option_fields
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.registry import TYPES
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.request import (
    COMMON,
    validate_probes,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture
def perform(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs the action with the given arguments; its connection is a local sh."""
    sent: list[bytes] = []

    def execute(_self: object, command: str, in_data: bytes = b"", **_options: Any) -> dict[str, Any]:
        sent.append(in_data)
        done = subprocess.run(["/bin/sh", "-c", command], input=in_data, capture_output=True, timeout=60, check=False)
        return {"rc": done.returncode, "stdout": done.stdout.decode(), "stderr": done.stderr.decode()}

    monkeypatch.setattr(ActionModule, "_low_level_execute_command", execute)

    def run(check_mode: bool = False, **args: Any) -> tuple[dict[str, Any], int]:
        task = SimpleNamespace(
            args=args, check_mode=check_mode, diff=True, async_val=0, action="host_health", delegate_to=None
        )
        connection = SimpleNamespace(has_pipelining=True, _shell=SimpleNamespace(tmpdir="/nonexistent"))
        action = ActionModule(task, connection, SimpleNamespace(remote_addr="127.0.0.1"), None, None, None)
        sent.clear()
        return action.run(task_vars={"inventory_hostname": "lab1"}), len(sent)

    return run


@pytest.mark.parametrize("check_mode", [False, True])
def test_several_probes_are_one_round_trip(perform: Any, check_mode: bool) -> None:
    result, round_trips = perform(
        check_mode,
        probes=[
            {"name": "proc", "type": "mount", "path": "/proc"},
            {"name": "with spaces", "type": "command", "cmd": "echo '{\"n\": 1}'", "query": "json.n", "expect": 1},
        ],
    )
    assert round_trips == 1
    assert result["changed"] is False
    assert result["verdict"]["healthy"] is True
    assert result["probes"]["with spaces"]["value"] == 1


def test_a_bad_verdict_fails_with_everything_in_the_result(perform: Any) -> None:
    result, _round_trips = perform(
        probes=[{"name": "quorum", "type": "command", "cmd": "echo 1 of 3 >&2; exit 1"}], timeout=0
    )
    assert result["failed"] is True
    assert result["msg"].startswith("cannot call lab1 healthy: probe quorum: `echo 1 of 3 >&2; exit 1` exited with 1")
    assert result["verdict"]["broke"] == ["quorum"]
    assert result["probes"]["quorum"]["data"]["stderr"] == "1 of 3"


def test_from_the_controller_it_is_asked_where_the_connection_goes(perform: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = {"name": "port", "type": "tcp", "where": "controller", "port": listener.getsockname()[1]}
        result, round_trips = perform(state="observed", probes=[port])
    assert result["probes"]["port"]["data"] == {"open": True, "host": "127.0.0.1", "tool": "python", "error": None}
    assert round_trips == 0


def test_bad_input_touches_no_host(perform: Any) -> None:
    result, round_trips = perform(probes=[{"name": "a", "type": "ping"}])
    assert result["msg"].startswith("cannot use the probes of host_health: probe a: unknown type 'ping'")
    assert (result["failed"], round_trips) == (True, 0)


def documentation() -> dict[str, Any]:
    twin = importlib.import_module("ansible_collections.flotilla.container_os.plugins.modules.host_health")
    return yaml.safe_load(twin.DOCUMENTATION)


def test_docs_name_every_option_of_every_probe() -> None:
    documented = documentation()["options"]["probes"]["suboptions"]
    special = {field.name for kind in TYPES for field in option_fields(kind)}
    assert set(documented) == {*COMMON, *special}
    assert documented["type"]["choices"] == [kind.TYPE for kind in TYPES]


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.TYPE)
def test_the_guide_lists_every_option_of_a_type(kind: Any) -> None:
    guide = (ROOT / "docs/health.md").read_text()
    section = guide.partition(f"\n### `{kind.TYPE}`")[2].partition("\n##")[0]
    assert section, "no section"
    for field in option_fields(kind):
        assert f"| `{field.name}` |" in section


def examples() -> list[Any]:
    """Return the YAML of the guide and of the module's documentation, with the variables of a host put in."""
    twin = importlib.import_module("ansible_collections.flotilla.container_os.plugins.modules.host_health")
    texts = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/health.md").read_text(), re.MULTILINE | re.DOTALL)
    host = {"ansible_host": "192.0.2.1", "health_probes": "elsewhere", "before": "earlier"}
    return [yaml.safe_load(jinja2.Template(text).render(host)) for text in (*texts, twin.EXAMPLES)]


def test_examples_are_taken() -> None:
    """Every probe that a reader may copy is one that `host_health` takes."""
    seen = set()
    for example in examples():
        tasks = [item["flotilla.container_os.host_health"] for item in example if "type" not in item]
        literal = [task["probes"] for task in tasks if task["probes"] != "elsewhere"]
        for probes in [[item for item in example if "type" in item], *literal]:
            if probes:
                validate_probes(probes, "an example")
                seen |= {probe["type"] for probe in probes}
        for task in tasks:
            assert set(task) <= set(ActionModule.SPEC)
    assert seen >= {"systemd", "container", "http", "tcp", "command", "file", "mount", "mac_denials"}


def test_host_without_a_shell_is_looked_at_from_the_controller_alone() -> None:
    action = ActionModule.__new__(ActionModule)
    action._connection = SimpleNamespace(on_controller=True)
    action._play_context = SimpleNamespace(remote_addr="127.0.0.1")
    action.host = lambda _task_vars: SimpleNamespace(name="h1")
    rest = {"state": "observed", "baseline": None, "stable_for": 0, "timeout": 1, "interval": 1}
    with pytest.raises(Refused, match="cannot take probe units of h1: it has no shell"):
        action.perform({"probes": [{"name": "units", "type": "systemd"}], **rest}, {})


def test_what_would_look_at_the_controller_is_refused() -> None:
    action = MacInfo.__new__(MacInfo)
    action._connection = SimpleNamespace(on_controller=True)
    action._task = SimpleNamespace(action="flotilla.container_os.mac_info", delegate_to=None)
    with pytest.raises(Refused, match=r"cannot use flotilla.container_os.mac_info on h1: it has no shell"):
        action.host({"inventory_hostname": "h1"})
