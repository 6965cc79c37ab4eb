# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to Talos hosts: what it carries out, whom it calls unreachable, and what it says of secrets."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.playbook.play_context import PlayContext

from ansible_collections.flotilla.container_os.plugins.connection.talos import Connection

PROGRAM = "/bin/sh -c 'exec /bin/sh -s'"
# How long (s) what was killed may take to be gone.
PATIENCE = 60.0
ANSWER = "0f0f0f0f-0000-0000-0000-000000000000"


@pytest.fixture
def talosctl(tmp_path: Path) -> Path:
    """A stand-in that answers, and shows with what it was called."""
    tool = tmp_path / "talosctl"
    tool.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\necho {ANSWER}\n')
    tool.chmod(0o755)
    return tool


def _connection(executable: Path | str, **options: Any) -> Any:
    """What Ansible makes of variables, ini and environment is seen in whole plays (tests/conformance)."""
    absent = dict.fromkeys(("endpoints", "context", "talosconfig"))
    given = {**absent, "executable": str(executable), "node": "10.5.0.2", "timeout": 15, **options}
    connection: Any = Connection(PlayContext())
    connection.get_option = given.__getitem__
    return connection


def test_program_runs_on_the_controller_with_the_host_in_its_environment(talosctl: Path) -> None:
    connection = _connection(talosctl, endpoints="10.5.0.1", context="lab", talosconfig="/etc/talos/config")
    shown = (
        "echo $FLOTILLA_TALOSCTL $FLOTILLA_TALOS_NODE $FLOTILLA_TALOS_ENDPOINTS $FLOTILLA_TALOS_CONTEXT $TALOSCONFIG"
    )
    rc, out, err = connection.exec_command(PROGRAM, in_data=shown.encode())
    assert (rc, err) == (0, b"")
    assert out.decode().split() == [str(talosctl), "10.5.0.2", "10.5.0.1", "lab", "/etc/talos/config"]
    # Asked first whether it is there.
    asked = "--nodes 10.5.0.2 --endpoints 10.5.0.1 --context lab read /proc/sys/kernel/random/boot_id"
    assert (talosctl.parent / "calls").read_text() == f"{asked}\n"


def test_users_own_settings_stay(talosctl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALOSCONFIG", "/mine")
    _rc, out, _err = _connection(talosctl).exec_command(PROGRAM, in_data=b"echo $TALOSCONFIG; echo $HOME")
    assert out.decode().split() == ["/mine", os.environ["HOME"]]


@pytest.mark.parametrize(
    ("command", "data"),
    [("id", None), ("/bin/sh -c id", b""), ("/bin/sh -c '/usr/bin/python3'", b"import os"), (PROGRAM, None)],
)
def test_nothing_else_runs(talosctl: Path, command: str, data: bytes | None) -> None:
    with pytest.raises(AnsibleError, match="a Talos host has no shell"):
        _connection(talosctl).exec_command(command, in_data=data)
    assert not (talosctl.parent / "calls").exists()


def test_no_file_goes_either_way(talosctl: Path) -> None:
    connection = _connection(talosctl)
    with pytest.raises(AnsibleError, match="takes no files"):
        connection.put_file("a", "b")
    with pytest.raises(AnsibleError, match="gives no files"):
        connection.fetch_file("a", "b")


@pytest.mark.parametrize(
    "said",
    [
        "rpc error: code = Unavailable desc = connection error: dial tcp 10.5.0.2:50000: connect: connection refused",
        "rpc error: code = Unavailable desc = authentication handshake failed: x509: certificate has expired",
        "",
    ],
)
def test_host_that_does_not_answer_is_unreachable(tmp_path: Path, said: str) -> None:
    tool = tmp_path / "talosctl"
    tool.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    tool.chmod(0o755)
    with pytest.raises(AnsibleConnectionFailure, match="cannot reach 10.5.0.2") as caught:
        _connection(tool).exec_command(PROGRAM, in_data=b"echo never")
    assert said in str(caught.value)


def test_host_that_hangs_is_unreachable_and_nothing_is_left_running(tmp_path: Path) -> None:
    tool = tmp_path / "talosctl"
    tool.write_text(f"#!/bin/sh\nsleep 1000 &\necho $! >{tmp_path}/pid\nwait\n")
    tool.chmod(0o755)
    with pytest.raises(AnsibleConnectionFailure, match="no answer from 10.5.0.2 within 1 s"):
        _connection(tool, timeout=1).exec_command(PROGRAM, in_data=b"echo never")
    # Where the machine is busy it was ended before it began. Else it goes, and its entry may wait to be collected.
    started = (tmp_path / "pid").read_text().strip() if (tmp_path / "pid").exists() else ""
    deadline = time.monotonic() + PATIENCE
    while started and _alive(started):
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.02)


def _alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


def test_tool_that_is_not_there_is_no_host_that_is_away() -> None:
    with pytest.raises(AnsibleError, match="there is no program talosctl-of-nobody on the controller") as caught:
        _connection("talosctl-of-nobody").exec_command(PROGRAM, in_data=b":")
    assert not isinstance(caught.value, AnsibleConnectionFailure)


def test_nobody_is_become(talosctl: Path) -> None:
    connection = _connection(talosctl)
    connection.set_become_plugin(object())
    assert connection.become is None
    assert connection.on_controller
