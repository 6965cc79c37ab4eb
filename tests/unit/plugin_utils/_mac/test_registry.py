# SPDX-License-Identifier: GPL-3.0-or-later
"""Which system runs and how, for every situation in cases/state."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._mac import apparmor, selinux
from ansible_collections.flotilla.container_os.plugins.plugin_utils._mac.registry import PROBES, mac_state
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.native import native

CASES = sorted((Path(__file__).parent / "cases" / "state").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_state(path: Path, build: Callable[..., Any], shell: Sequence[str]) -> None:
    case = json.loads(path.read_text())
    host = build(case["tree"], shell)
    steps = [*selinux.probes(str(host.root)), *apparmor.probes(str(host.root))]
    assert native(mac_state(host.run(steps))) == {"system": case["system"], "mode": case["mode"]}


def test_steps_of_every_observation() -> None:
    assert all(step.name.startswith("mac.") and not step.required for step in PROBES)
    scripts = " ".join(step.script for step in PROBES)
    assert "revision" not in scripts  # it blocks its reader
    assert not {"aa-status", "sestatus", "getenforce"} & set(scripts.split())
