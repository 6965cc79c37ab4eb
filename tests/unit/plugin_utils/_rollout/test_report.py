# SPDX-License-Identifier: GPL-3.0-or-later
"""The document of a rollout: its shape is published, and it claims no more than what is on record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from made_rollout import CONTROLLER, FLEET, HOSTILE, NEW, OLD, made

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.native import native
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.report import table

SCHEMA = json.loads((Path(__file__).parents[4] / "docs/schemas/rollout-report.schema.json").read_text())


@pytest.mark.parametrize("state", ["open", "stopped", "done", "superseded"])
@pytest.mark.parametrize("fleet", [FLEET, [], [(HOSTILE, 1, [])]], ids=["all ends", "nobody", "hostile name"])
def test_document_has_the_published_shape(state: str, fleet: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    document = made(state=state, fleet=fleet)
    jsonschema.validate(document, SCHEMA)
    assert native(document) == document


def test_schema_knows_every_phase() -> None:
    assert SCHEMA["$defs"]["phase"]["enum"] == [phase.value for phase in Phase]


def test_schema_describes_every_key_and_no_other() -> None:
    document = made()
    for described, shown in (
        (SCHEMA, document),
        (SCHEMA["properties"]["rollout"], document["rollout"]),
        (SCHEMA["properties"]["summary"], document["summary"]),
        (SCHEMA["$defs"]["host"], document["hosts"][0]),
        (SCHEMA["$defs"]["transition"], document["hosts"][0]["transitions"][0]),
    ):
        assert set(described["properties"]) == set(described["required"]) == set(shown)


def test_summary_adds_up() -> None:
    summary = made()["summary"]
    assert summary == {"hosts": 10, "confirmed": 5, "bad": 3, "in_flight": 0, "not_touched": 2, "left_out": 2}


@pytest.mark.parametrize(
    ("phase", "runs"),
    [
        ("steady", OLD),
        ("staged", OLD),
        ("guarded", None),
        ("activating", None),
        ("booted", NEW),
        ("healthy", NEW),
        ("confirmed", NEW),
        ("rolled_back", OLD),
        ("failed", None),
        ("unreachable", None),
    ],
)
def test_runs_only_what_is_proven(phase: str, runs: Any) -> None:
    (host,) = made(fleet=[("h1", 1, [(5, phase, "so it is")])])["hosts"]
    assert host["runs"] == (None if runs is None else native(runs))


def test_who_when_and_why() -> None:
    document = made()
    assert document["rollout"]["controllers"] == [CONTROLLER]
    last = document["hosts"][3]["transitions"][-1]
    assert (last["phase"], last["from"], last["by"]) == ("rolled_back", "activating", CONTROLLER)
    assert last["at"] == "2026-11-18 11:12:21 UTC"
    assert last["why"].startswith("boot_failed: the kernel panicked")


def test_table() -> None:
    lines = table(made())
    assert lines[0] == "rollout upgrade #12: stopped, 700 s"
    assert lines[2].split()[:2] == ["edge-canary-01", "1"]
    assert len(lines) == 2 + len(FLEET)
