# SPDX-License-Identifier: GPL-3.0-or-later
"""The action as a whole: options in, native types out, and nothing sent where nothing must be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.action import reboot_lock
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.client import Done
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.protocol import judge


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would be sent; it is granted."""
    found: list[Any] = []

    def ask(*arguments: Any) -> Done:
        found.append(arguments)
        return Done(judge(200, b'{"kind": "ok", "value": "retained reboot lock", "changed": false}'), 2)

    monkeypatch.setattr(reboot_lock, "ask", ask)
    return found


def _run(check_mode: bool = False, **args: Any) -> dict[str, Any]:
    args = {"state": "held", "url": "http://locks.example.org/", **args}
    task = SimpleNamespace(args=args, check_mode=check_mode, diff=False, async_val=0, action="reboot_lock")
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/nonexistent"))
    action = reboot_lock.ActionModule(task, connection, SimpleNamespace(), None, None, None)
    return action.run(task_vars={"inventory_hostname": "web1"})


def test_granted(sent: list[Any]) -> None:
    result = _run(group="workers", headers={"X-Token": 7})
    assert result["changed"] is False  # the server said so
    assert result["msg"] == "web1 holds the reboot lock of group workers"
    assert (result["status"], result["kind"], result["attempts"], result["id"]) == (200, "ok", 2, "web1")
    assert sent[0][0].headers == {"X-Token": "7"}
    assert "7" not in repr(sent[0][0])


def test_the_id_of_zincati(sent: list[Any]) -> None:
    result = _run(state="released", machine_id="c988d2509fdf5cdcbed39037c56406fb")
    assert result["id"] == "bb05c82b31e641e1aa11db89f05f4cb8"
    assert sent[0][1] is False


def test_check_mode_sends_nothing(sent: list[Any]) -> None:
    assert _run(check_mode=True)["changed"] is True
    assert sent == []


@pytest.mark.parametrize(
    "args",
    [
        {"url": "locks"},
        {"group": "a b"},
        {"id": "a b"},
        {"machine_id": "no"},
        {"timeout": 0},
        {"retries": -1},
        {"delay": -1},
    ],
    ids=str,
)
def test_bad_options_send_nothing(sent: list[Any], args: dict[str, Any]) -> None:
    for check_mode in (True, False):
        result = _run(check_mode=check_mode, **args)
        assert result["failed"] is True
        assert result["msg"].startswith("cannot ")
    assert sent == []
