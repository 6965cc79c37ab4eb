# SPDX-License-Identifier: GPL-3.0-or-later
"""The drawing of a host's life is the table of transitions."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_drawing_is_the_table() -> None:
    spec = importlib.util.spec_from_file_location("draw_phases", ROOT / "tests/tools/draw_phases.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    text = (ROOT / "docs/concepts.md").read_text()
    shown = text.partition(tool.BEGIN)[2].partition(tool.END)[0]
    assert shown == tool.drawing(), "run `make docs`"
