# SPDX-License-Identifier: GPL-3.0-or-later
"""mac_info: options in, the use case called."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.action import mac_info


@pytest.mark.parametrize(("since", "asked"), [("boot", None), ("1795408450", 1795408450)])
def test_options(monkeypatch: pytest.MonkeyPatch, since: str, asked: int | None) -> None:
    action = mac_info.ActionModule.__new__(mac_info.ActionModule)
    action.host = lambda task_vars: SimpleNamespace(name=task_vars["inventory_hostname"])
    calls: list[Any] = []
    monkeypatch.setattr(mac_info, "mac_info", lambda host, point: calls.append((host.name, point)) or {"mac": {}})
    assert action.perform({"since": since}, {"inventory_hostname": "h"}) == {"mac": {}}
    assert calls == [("h", asked)]
