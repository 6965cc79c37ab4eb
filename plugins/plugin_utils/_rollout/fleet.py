# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible knows of the hosts of a play, as what a plan needs to know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._model.native import native
from .observed import Seen, seen
from .policy import Policy


def look_at(
    hosts: Sequence[str], hostvars: Mapping[str, Mapping[str, Any]], results: str, policy: Policy
) -> list[Seen]:
    """Return what is known of `hosts`; `results`: the variable in which each holds what it was observed to be.

    Only the variables that the policy names are looked at: templating all of them would take minutes for a large fleet.
    """
    names = sorted(policy.variables)
    fleet = []
    for host in hosts:
        known = hostvars[host]
        found = known.get(results)
        variables = {name: native(known[name]) for name in names if name in known}
        fleet.append(seen(host, native(found) if isinstance(found, Mapping) else None, variables))
    return fleet
