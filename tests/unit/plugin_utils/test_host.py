# SPDX-License-Identifier: GPL-3.0-or-later
"""How a program is sent: by stdin, as an argument, or one after the other. The connections are played, sh is real."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils import _host
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._host import ConnectionHost
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Step

HELLO = [Step("hello", "echo hello")]


class Action:
    """An action on a connection; `refuses`: what is said, instead of running it, to a program on stdin."""

    def __init__(self, refuses: str | None = None, **connection: Any) -> None:
        options = {"ssh_args": "-o ControlMaster=auto", **connection.pop("options", {})}
        self._connection = SimpleNamespace(get_option=options.__getitem__, **{"has_pipelining": True, **connection})
        self._refuses = refuses
        self.sent: list[str] = []

    def _low_level_execute_command(self, command: str, in_data: bytes | None = None, executable: str = "") -> Any:
        self.sent.append("argument" if in_data is None else "stdin")
        if in_data is not None and self._refuses is not None:
            return {"rc": 1, "stdout": "", "stderr": self._refuses}
        done = subprocess.run([executable, "-c", command], input=in_data, capture_output=True, check=False)
        return {"rc": done.returncode, "stdout": done.stdout.decode(), "stderr": done.stderr.decode()}


def _host_of(action: Action) -> ConnectionHost:
    return ConnectionHost(action, "h1", lambda message: None)


@pytest.mark.parametrize(
    ("connection", "way"),
    [
        ({}, "stdin"),
        ({"become": None}, "stdin"),
        ({"become": SimpleNamespace(require_tty=False, pipelining=True)}, "stdin"),
        ({"become": SimpleNamespace(require_tty=False)}, "stdin"),  # before ansible-core 2.19
        ({"become": SimpleNamespace(require_tty=False, pipelining=False)}, "argument"),
        ({"become": SimpleNamespace(require_tty=True)}, "argument"),
        ({"has_pipelining": False}, "argument"),
        ({"options": {"ssh_args": "-o ControlPath=/tmp/a-t -o X=y-t"}}, "stdin"),
        ({"options": {"ssh_extra_args": "-tt"}}, "argument"),
        ({"options": {"ssh_common_args": "-o RequestTTY=force -v"}}, "argument"),
        ({"options": {"ssh_common_args": "-o RequestTTY=no"}}, "stdin"),
    ],
)
def test_way_is_chosen_by_what_the_connection_says(connection: dict[str, Any], way: str) -> None:
    action = Action(**connection)
    host = _host_of(action)
    assert host.run(HELLO)["hello"].stdout == "hello\n"
    assert action.sent == [way]
    assert host.round_trips == 1


def test_terminal_that_is_required_is_learnt_once() -> None:
    action = Action(refuses="sudo: sorry, you must have a tty to run sudo")
    host = _host_of(action)
    assert host.run(HELLO)["hello"].stdout == "hello\n"
    assert host.run(HELLO)["hello"].stdout == "hello\n"
    assert action.sent == ["stdin", "argument", "argument"]
    assert host.round_trips == 3


def test_program_that_has_begun_is_not_sent_again() -> None:
    action = Action()
    with pytest.raises(FlotillaError, match="cannot run commands on h1: .*ends too early; exit code -9"):
        _host_of(action).run([Step("deadly", "echo once; kill -KILL $$"), *HELLO])
    assert action.sent == ["stdin"]


def test_what_does_not_fit_into_an_argument_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_host, "ARGUMENT_LIMIT", 400)
    action = Action(has_pipelining=False)
    with pytest.raises(FlotillaError, match=r"cannot run commands on h1: \d+ bytes do not fit into an argument; use"):
        _host_of(action).run(HELLO)
    assert action.sent == []
