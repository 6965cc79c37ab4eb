# SPDX-License-Identifier: GPL-3.0-or-later
"""The support matrix says what the code can do and what the tests have proven; no more, and no less."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_support", ROOT / "tests/tools/draw_support.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_documents_are_current(tool: ModuleType) -> None:
    for document, drawing in tool.DOCUMENTS.items():
        text = document.read_text()
        assert text == tool.drawn(text, drawing()), f"{document.name}: run `make docs`"


def test_every_driver_has_a_family_that_the_suite_runs(tool: ModuleType) -> None:
    assert {tool.load(name).driver for name in tool.names()} == {driver.name for driver in tool.DRIVERS}


def test_what_a_driver_can_do_is_proven_on_simulated_hosts(tool: ModuleType) -> None:
    proven = json.loads(tool.PROVEN.read_text())
    can = {driver.name: tool.capabilities(driver) for driver in tool.DRIVERS}
    for name in tool.names():
        family = tool.load(name)
        cells = {verb: tool.cell(family, verb, can[family.driver], proven.get(name, [])) for verb in tool.VERBS}
        assert not [verb for verb, cell in cells.items() if "sim" not in cell and cell != tool.LACKING], name
