# SPDX-License-Identifier: GPL-3.0-or-later
"""mac_mode: options in, the use case called, native types out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.action import mac_mode
from ansible_collections.flotilla.container_os.plugins.plugin_utils._mac.mode import ModeWish
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.consent import Consent
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.outcome import Outcome
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import MacMode, MacSystem


@pytest.mark.parametrize("check", [True, False])
def test_options(monkeypatch: pytest.MonkeyPatch, check: bool) -> None:
    action = mac_mode.ActionModule.__new__(mac_mode.ActionModule)
    action._task = SimpleNamespace(check_mode=check, diff=True)
    action.host = lambda task_vars: "the host"
    calls: list[Any] = []

    def set_mode(host: object, wish: ModeWish, checking: bool) -> Outcome:
        calls.append((host, wish, checking))
        return Outcome(True, "done", returns={"mac": {"mode": MacMode.MIXED}}, before={"a": 1}, after={"a": 2})

    monkeypatch.setattr(mac_mode, "set_mode", set_mode)
    result = action.perform({"mode": "permissive", "system": "selinux", "reboot": "refuse"}, {})
    assert calls == [("the host", ModeWish(MacMode.PERMISSIVE, MacSystem.SELINUX, Consent.REFUSE), check)]
    assert result == {
        "changed": True,
        "msg": "done",
        "mac": {"mode": "mixed"},
        "diff": {"before": "a: 1\n", "after": "a: 2\n"},
    }
    action.perform({"mode": "enforcing", "system": None, "reboot": "defer"}, {})
    assert calls[1][1] == ModeWish(MacMode.ENFORCING)
