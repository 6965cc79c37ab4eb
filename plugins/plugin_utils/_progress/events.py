# SPDX-License-Identifier: GPL-3.0-or-later
"""What the results of our tasks tell of a rollout. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._model.phase import Phase

PREFIX = "flotilla.container_os."


@dataclass(frozen=True)
class Planned:
    """A rollout was planned or taken up. `waves`: all its hosts; `going`: those that are not confirmed yet."""

    name: str
    waves: tuple[tuple[str, ...], ...]
    going: frozenset[str]
    max_unavailable: int


@dataclass(frozen=True)
class Moved:
    """A host has come to a phase."""

    host: str
    phase: Phase
    why: str = ""


Event = Planned | Moved


def begun(action: str, host: str) -> Event | None:
    """Return what the begin of a task on `host` tells; `action`: the full name of its module."""
    return Moved(host, Phase.ACTIVATING, "told to reboot") if action == f"{PREFIX}deployment_boot" else None


def ended(
    action: str, arguments: Mapping[str, Any], host: str, result: Mapping[str, Any], unreachable: bool
) -> Event | None:
    """Return what the result of a task on `host` tells; None for what is no step of a rollout.

    `arguments`: those of the task, as written. A phase is taken from the step that proves it: what became of a turn is
    told by the gate alone, which has recorded it.
    """
    module = action.removeprefix(PREFIX)
    if module == action or (result.get("skipped") and not unreachable):
        return None
    failed = bool(result.get("failed")) or unreachable
    why = " ".join(str(result.get("msg") or "").split())
    state = arguments.get("state")
    if module == "rollout" and state == "planned" and not failed:
        return _planned(arguments, result)
    if module == "rollout_gate" and state == "left" and result.get("phase"):
        return Moved(host, Phase(str(result["phase"])), why)
    if module == "rollout_gate" and state == "entered" and result.get("admitted"):
        return Moved(host, Phase.GUARDED, why)
    if module == "deployment" and unreachable:
        return Moved(host, Phase.UNREACHABLE, why)
    if module == "deployment":
        return Moved(host, Phase.FAILED if failed else Phase.STAGED, why)
    if failed:
        return None
    if module == "deployment_boot":
        return Moved(host, Phase.BOOTED, why)
    verdict = result.get("verdict")
    if (
        module == "host_health"
        and state == "verdict"
        and isinstance(verdict, Mapping)
        and verdict.get("healthy") is True
    ):
        return Moved(host, Phase.HEALTHY, why)
    return None


def _planned(arguments: Mapping[str, Any], result: Mapping[str, Any]) -> Planned | None:
    plan, order = result.get("plan"), result.get("order")
    if not isinstance(plan, Mapping) or not order:
        return None
    facts = result.get("ansible_facts") or {}
    name = (facts.get("flotilla_rollout") or {}).get("name") or "upgrade"
    waves = tuple(tuple(str(one["host"]) for one in wave) for wave in plan["waves"])
    return Planned(str(name), waves, frozenset(map(str, order)), int(plan["max_unavailable"]))
