# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the roles, looked at on the controller before any host is touched. The first fault is the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ._drivers._protocol import ChannelWish
from ._errors import Refused
from ._rollout.policy import POLICY_OPTIONS
from ._rollout.preflight import check_same, check_upgrade
from ._upgrade.channel import validate as validate_channel

_ROLES_DIR = Path(__file__).parents[2] / "roles"
# What a rollout has once for all its hosts.
_ONCE = (
    *(f"upgrade_{name}" for name in POLICY_OPTIONS),
    "upgrade_plan",
    "upgrade_on_failure",
    "upgrade_rollout",
    "upgrade_ledger",
)
ROLES = ("configure", "upgrade")

# (argument spec, values) to values with their types; raises Refused with the reason.
Validate = Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]


def preflight(
    hosts: Sequence[str], roles: Sequence[str], hostvars: Mapping[str, Mapping[str, Any]], validate: Validate
) -> str:
    """Check the variables of `roles` for all `hosts`; return what was done in words. Raises Refused."""
    if not hosts:
        raise Refused("cannot start: no host of the inventory matches the pattern in `target` (default: fleet)")
    for role in roles:
        spec = role_spec(role)
        values = {host: _values(role, spec, host, hostvars[host], validate) for host in hosts}
        if role == "upgrade":
            for name in _ONCE:
                check_same(name, [(host, values[host][name]) for host in hosts])
            checked: list[dict[str, Any]] = []
            for host in hosts:
                if values[host] not in checked:
                    check_upgrade(values[host], len(hosts))
                    checked.append(values[host])
        elif role == "configure":
            for host in hosts:
                _check_configure(host, values[host])
    return f"checked {', '.join(roles)} for {len(hosts)} hosts"


def _check_configure(host: str, values: Mapping[str, Any]) -> None:
    """Check what a host shall follow. Raises Refused."""
    keys = values.get("configure_channel_keys_file")
    if keys and not Path(str(keys)).is_file():
        raise Refused(f"cannot use configure_channel_keys_file of {host}: there is no file {keys} on the controller")
    try:
        validate_channel(
            ChannelWish(
                values.get("configure_channel"),
                values.get("configure_channel_source"),
                values.get("configure_channel_remote"),
            )
        )
    except Refused as exc:
        raise Refused(f"cannot use configure_channel* of {host}: {exc.message}") from exc


def role_spec(role: str) -> dict[str, Any]:
    """Return the options of a role's main entry, from its meta/argument_specs.yml."""
    document = yaml.safe_load((_ROLES_DIR / role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    options: dict[str, Any] = document["argument_specs"]["main"].get("options", {})
    return options


def _values(
    role: str, spec: Mapping[str, Any], host: str, variables: Mapping[str, Any], validate: Validate
) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name in spec:
        if name in variables:
            given[name] = variables[name]
    unknown = sorted(name for name in variables if name.startswith(f"{role}_") and name not in spec)
    if unknown:
        raise Refused(f"cannot use {unknown[0]} of {host}: role {role} has no such variable; it has {', '.join(spec)}")
    try:
        return validate(spec, given)
    except Refused as exc:
        raise Refused(f"cannot use the variables of role {role} on {host}: {exc.message}") from exc
