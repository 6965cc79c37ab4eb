# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `rollout_plan`: a plan to look at, to keep, and to apply later. Nothing is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .fleet import look_at
from .history import turn_seconds
from .ledger import Ledger
from .plan import canonical, make_plan
from .policy import Policy

# Waves of more hosts are shown as a number.
_SHOWN = 5


def preview(options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the task returns. Raises Refused."""
    policy = Policy.parse(options)
    hosts = [str(host) for host in options["hosts"] or task_vars["ansible_play_hosts_all"]]
    fleet = look_at(hosts, task_vars["hostvars"], options["results"], policy)
    ledger = Ledger(options["ledger"], create=False) if options["ledger"] else None
    history = options["history"] or (turn_seconds(ledger.rollout(options["name"])) if ledger else [])
    document = make_plan(fleet, policy, ledger.quarantine() if ledger else {}, history=history).document()
    waves = "; ".join(
        f"wave {number}: " + (", ".join(one["host"] for one in wave) if len(wave) <= _SHOWN else f"{len(wave)} hosts")
        for number, wave in enumerate(document["waves"], 1)
    )
    guess = document["estimate"]
    return {
        "changed": False,
        "msg": f"plan {document['digest'][:12]}: {waves or 'nothing to do'}; {len(document['left_out'])} left out; "
        f"at most {document['worst_case_down']} away at once"
        + (f"; about {guess['seconds']} s, as {guess['turns']} turns took before" if guess else ""),
        "plan": document,
        "content": canonical(document),
    }
