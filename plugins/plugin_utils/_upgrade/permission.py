# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `permission` of the modules that reboot a host in a rollout: whose right it is, at the last moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._model.host import Clock, Host
from .._rollout.permission import Permission

PERMISSION_OPTION: dict[str, Any] = {
    "type": "dict",
    "options": {
        "name": {"type": "str", "default": "upgrade"},
        "ledger": {"type": "str", "required": True},
        "token": {"type": "int", "required": True},
        "lease": {"type": "int", "default": 3600},
    },
}


def permission(option: Mapping[str, Any] | None, host: Host, clock: Clock, into_target: bool) -> Permission | None:
    """Return what the option describes; None without it: then nobody is asked."""
    return None if option is None else Permission.of(option, host.name, into_target, clock, host.say)
