# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user asks of a rollout, looked at before any host is touched. The first fault is the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .._errors import Refused
from .._health.request import validate_durations, validate_probes
from .apply import check_document
from .policy import POLICY_OPTIONS, Policy

# Durations in seconds, and the least that each may be.
_DURATIONS = {
    "upgrade_confirm_within": 1,
    "upgrade_reach_timeout": 0,
    "upgrade_boot_timeout": 0,
    "upgrade_stage_timeout": 1,
    "upgrade_health_timeout": 0,
    "upgrade_soak": 0,
    "upgrade_pause_timeout": 0,
    "upgrade_wave_hook_timeout": 1,
}
# The task files, of hosts and of waves.
_HOOKS = [f"upgrade_{name}{of}_tasks" for of in ("", "_wave") for name in ("pre", "drain", "undrain", "post")]


def check_upgrade(values: Mapping[str, Any], total: int) -> None:
    """Check the variables of role `upgrade`, the same for every host, against a fleet of `total`. Raises Refused."""
    plan = values["upgrade_plan"]
    if plan:
        check_document(plan)
    policy = Policy.parse(plan["policy"] if plan else {name: values[f"upgrade_{name}"] for name in POLICY_OPTIONS})
    policy.check_reachable(total)
    for name, least in _DURATIONS.items():
        value = int(values[name])
        if value < least:
            raise Refused(f"cannot use {name}: {value} s is less than {least} s")
    boot_timeout, confirm_within = int(values["upgrade_boot_timeout"]), int(values["upgrade_confirm_within"])
    if boot_timeout and boot_timeout <= confirm_within:
        raise Refused(
            f"cannot use upgrade_boot_timeout: {boot_timeout} s must be longer than upgrade_confirm_within "
            f"({confirm_within} s), else nobody would see the guard bring a host back; 0 means that plus 600 s"
        )
    trial = int(values["upgrade_soak"]) + int(values["upgrade_health_timeout"])
    if trial >= confirm_within:
        raise Refused(
            f"cannot use upgrade_confirm_within: {confirm_within} s is not longer than upgrade_health_timeout plus "
            f"upgrade_soak ({trial} s), so that the guard would bring healthy hosts back"
        )
    validate_durations(values["upgrade_soak"], values["upgrade_health_timeout"], 5, "the health check of an upgrade")
    validate_probes(values["upgrade_probes"], "upgrade_probes")
    for name in _HOOKS:
        if values.get(name) and not Path(str(values[name])).is_file():
            raise Refused(f"cannot use {name}: there is no file {values[name]} on the controller")


def check_same(name: str, values: Sequence[tuple[str, Any]]) -> Any:
    """Return the value of a variable that must be one for all hosts; `values`: (host, value). Raises Refused."""
    first_host, first = values[0]
    for host, value in values[1:]:
        if value != first:
            raise Refused(f"cannot plan a rollout: {name} is {first!r} on {first_host} and {value!r} on {host}")
    return first
