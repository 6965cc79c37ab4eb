# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._progress.events import (
    PREFIX,
    Event,
    Moved,
    Planned,
    begun,
    ended,
)

PLAN = {"waves": [[{"host": "h1"}], [{"host": "h2"}, {"host": "h3"}]], "max_unavailable": 2}


def _ended(module: str, state: str | None, gone: bool = False, **result: Any) -> Event | None:
    return ended(PREFIX + module, {"state": state} if state else {}, "h1", result, gone)


def test_plan() -> None:
    facts = {"flotilla_rollout": {"name": "kernel"}}
    told = _ended("rollout", "planned", plan=PLAN, order=["h2", "h3"], ansible_facts=facts)
    assert told == Planned("kernel", (("h1",), ("h2", "h3")), frozenset({"h2", "h3"}), 2)


@pytest.mark.parametrize("result", [{"plan": PLAN, "order": []}, {"failed": True, "plan": PLAN, "order": ["h1"]}, {}])
def test_no_plan(result: dict[str, Any]) -> None:
    assert _ended("rollout", "planned", **result) is None


@pytest.mark.parametrize(
    ("module", "state", "result", "phase"),
    [
        ("deployment", None, {}, Phase.STAGED),
        ("deployment", None, {"failed": True}, Phase.FAILED),
        ("deployment", None, {"unreachable": True}, Phase.UNREACHABLE),
        ("rollout_gate", "entered", {"admitted": True}, Phase.GUARDED),
        ("deployment_boot", None, {}, Phase.BOOTED),
        ("host_health", "verdict", {"verdict": {"healthy": True}}, Phase.HEALTHY),
        ("rollout_gate", "left", {"phase": "confirmed"}, Phase.CONFIRMED),
        ("rollout_gate", "left", {"failed": True, "phase": "rolled_back"}, Phase.ROLLED_BACK),
    ],
)
def test_steps(module: str, state: str | None, result: dict[str, Any], phase: Phase) -> None:
    told = _ended(module, state, bool(result.get("unreachable")), msg="so\n it  is", **result)
    assert told == Moved("h1", phase, "so it is")


@pytest.mark.parametrize(
    ("module", "state", "result"),
    [
        ("deployment", None, {"skipped": True}),
        ("rollout_gate", "entered", {"admitted": False}),
        ("rollout_gate", "entered", {"admitted": False, "hook": {"side": "prepare"}}),
        ("rollout_gate", "entered", {"failed": True}),
        ("rollout_gate", "left", {"failed": True}),
        ("deployment_boot", None, {"failed": True}),
        ("host_health", "baseline", {"verdict": {"healthy": True}}),
        ("host_health", "verdict", {"failed": True, "verdict": {"healthy": False}}),
        ("host_health", "verdict", {"verdict": {"healthy": "yes"}}),
        ("deployment_info", None, {}),
    ],
)
def test_what_proves_no_step(module: str, state: str | None, result: dict[str, Any]) -> None:
    assert _ended(module, state, **result) is None


def test_modules_of_others_are_none_of_ours() -> None:
    assert ended("other.collection.deployment", {}, "h1", {}, False) is None
    assert ended("deployment", {}, "h1", {}, False) is None
    assert begun("ansible.builtin.debug", "h1") is None


def test_reboot_begins() -> None:
    told = begun(f"{PREFIX}deployment_boot", "h1")
    assert isinstance(told, Moved)
    assert told.phase is Phase.ACTIVATING
